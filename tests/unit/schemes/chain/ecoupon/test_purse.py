import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farthing import codec
from farthing.crypto import chain, signing
from farthing.errors import (
    Denied,
    Expired,
    Forged,
    Malformed,
    NotYetValid,
    OutOfRange,
    Unsupported,
    WrongPayer,
)
from farthing.schemes.chain.ecoupon import ECOUPON
from farthing.schemes.contract import Instrument, Json, Portion
from tests.kit.canaries import canary
from tests.kit.ecoupon import HOUR_S, SLOT_MICRO, Scene, coupons_of
from tests.kit.hashing import count_links
from tests.kit.parties import DAY_S, NOW_S, Vendor

PHONE = canary("phone")


@pytest.mark.parametrize(
    ("slot_micro", "price_micro", "segments", "length"),
    [
        (6_400, 100, 4, 16),
        (1_000, 100, 1, 10),
        (100_000, 100, 62, 16),
        (400_000, 100, 64, 62),
        (1_000_000, 100, 64, 64),
        (10_000, 5_000, 2, 50),
        (10_000, 10_000, 1, 100),
    ],
)
def test_credit_is_cut_into_segments_that_pay_the_price(
    slot_micro: int, price_micro: int, segments: int, length: int
) -> None:
    scene = Scene(slot_micro=slot_micro)
    opened = scene.open(price_micro)
    commitment = coupons_of(opened).commitment
    assert (commitment.segments, commitment.length) == (segments, length)
    assert opened.worth_micro == commitment.worth_micro <= slot_micro
    scene.owner.spend(scene.vendor, opened, price_micro)
    assert scene.clear() == price_micro


def test_a_price_above_the_credit_opens_nothing() -> None:
    with pytest.raises(OutOfRange, match="credit_below_price"):
        Scene(slot_micro=500).open(4_100)


def test_a_payment_is_exact_or_is_not_made() -> None:
    scene = Scene()
    opened = scene.open()
    for price_micro, rule in ((150, "price_not_in_units"), (6_500, "chain_used_up")):
        offer = msgspec.structs.replace(scene.vendor.offer(100), price_micro=price_micro)
        with pytest.raises(OutOfRange, match=rule):
            scene.owner.pay(opened, offer)


def test_a_price_over_more_segments_than_a_payment_has_is_paid_by_longer_ones() -> None:
    scene = Scene(slot_micro=100_000)
    opened = scene.open(100)
    with pytest.raises(OutOfRange, match="segments_too_short"):
        scene.payload(opened, 10_000)
    scene.owner.spend(scene.vendor, scene.open(10_000), 10_000)


def test_nothing_is_paid_on_another_day_or_after_the_end_of_a_purse() -> None:
    scene = Scene()
    mine, phone = scene.hand(scene.open(), 1600)
    scene.clock.now_s = NOW_S + HOUR_S
    with pytest.raises(Expired, match="delegation_expired"):
        scene.payload(phone)
    scene.clock.now_s = NOW_S + DAY_S
    with pytest.raises(Expired, match="commitment_expired"):
        scene.payload(mine)
    scene.clock.now_s = NOW_S - DAY_S
    with pytest.raises(NotYetValid, match="commitment_not_yet_valid"):
        scene.payload(mine)


def test_an_offer_without_a_key_is_not_paid() -> None:
    scene = Scene()
    opened, offer = scene.open(), scene.vendor.offer(100)
    for terms in ({"unitMicro": 100}, {"unitMicro": 100, "vendorKey": 7}):
        with pytest.raises(OutOfRange, match="offer_without_key"):
            scene.owner.pay(opened, msgspec.structs.replace(offer, terms=terms))


def test_a_vendor_with_a_new_key_gets_a_new_session() -> None:
    scene = Scene()
    left = scene.spend(scene.open(), 1600)
    key = scene.vendor.ring.current("farthing/ecoupon/session/1")
    scene.vendor.ring.add(msgspec.structs.replace(key, id="t", secret=canary("next")))
    moved = scene.spend(left, 100)
    assert coupons_of(moved).ephemeral != coupons_of(left).ephemeral
    scene.spend(moved, 100)
    assert scene.clear() == 1800


# --- handing over -------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 30), min_size=1, max_size=6), st.integers(0, 20))
def test_what_is_handed_over_and_what_is_left_are_never_more_than_there_was(
    units: list[int], spent: int
) -> None:
    scene = Scene()
    held: Instrument = scene.open()
    if spent:
        held = scene.spend(held, spent * 100)
    for number, count in enumerate(units):
        secret = canary(f"receiver-{number}")
        try:
            shared = scene.share(held, count * 100, secret)
        except OutOfRange:
            continue
        got = scene.accept(shared, secret)
        assert got.worth_micro == count * 100
        assert shared.left.worth_micro + got.worth_micro <= held.worth_micro
        scene.owner.spend(scene.vendor, got, got.worth_micro)
        held = shared.left
    left: Instrument | None = held if held.worth_micro else None
    while left is not None:
        left = scene.owner.spend(scene.vendor, left, 100)
    assert scene.clear() <= SLOT_MICRO


def test_it_is_handed_over_from_the_tail_and_all_of_it_can_be() -> None:
    scene = Scene()
    opened = scene.open()
    shared = scene.share(opened, 2000, PHONE)
    got = coupons_of(scene.accept(shared, PHONE))
    assert (got.first, got.last, got.top) == (2, 3, 4)
    assert coupons_of(shared.left).last == 1
    assert shared.left.id == opened.id
    everything = scene.share(shared.left, 3200, PHONE)
    assert everything.left.worth_micro == 0


def test_what_is_started_is_not_handed_over() -> None:
    scene = Scene()
    left = scene.spend(scene.open())
    with pytest.raises(OutOfRange, match="portion_above_worth"):
        scene.share(left, 4900, PHONE)
    assert scene.share(left, 4800, PHONE).left.worth_micro == 1500


def test_a_delegate_that_has_begun_hands_nothing_on() -> None:
    scene = Scene()
    got = scene.accept(scene.share(scene.open(), 3200, PHONE, passes_on=True), PHONE)
    with pytest.raises(OutOfRange, match="portion_above_worth"):
        scene.share(scene.spend(got), 100, canary("agent"))


def test_whoever_may_not_hand_on_is_denied_and_so_is_a_fifth_hop() -> None:
    scene = Scene()
    held = scene.accept(scene.share(scene.open(), 1600, PHONE), PHONE)
    with pytest.raises(Denied, match="delegation_not_allowed"):
        scene.share(held, 100, canary("agent"))
    held = scene.open()
    for number in range(4):
        secret = canary(f"hop-{number}")
        held = scene.accept(scene.share(held, 1600, secret, passes_on=True), secret)
    scene.spend(held)
    held = scene.open()
    for number in range(4):
        secret = canary(f"hop-{number}")
        held = scene.accept(scene.share(held, 1600, secret, passes_on=True), secret)
    with pytest.raises(Denied, match="delegation_too_deep"):
        scene.share(held, 100, PHONE, passes_on=True)


def test_a_part_of_no_worth_of_no_time_or_between_units_is_not_handed_over() -> None:
    scene = Scene()
    opened = scene.open()
    for amount_micro in (0, 150):
        with pytest.raises(OutOfRange, match="portion_not_in_units"):
            scene.share(opened, amount_micro, PHONE)
    with pytest.raises(OutOfRange, match="portion_without_time"):
        scene.share(opened, 100, PHONE, until_s=NOW_S)
    with pytest.raises(Unsupported, match="share_of_certificate"):
        scene.share(scene.certificate, 100, PHONE)


def test_a_purse_ends_no_later_than_the_day_and_its_issuers() -> None:
    scene = Scene()
    shared = scene.share(scene.open(), 1600, PHONE, until_s=NOW_S + 9 * DAY_S, passes_on=True)
    assert shared.until_s == (NOW_S // DAY_S + 1) * DAY_S
    short = scene.share(scene.open(), 1600, PHONE, passes_on=True)
    on = scene.share(scene.accept(short, PHONE), 100, canary("agent"), until_s=NOW_S + DAY_S)
    assert on.until_s == NOW_S + HOUR_S


def test_only_the_owner_can_withdraw() -> None:
    scene = Scene()
    shared = scene.share(scene.open(), 1600, PHONE, passes_on=True)
    assert shared.withdrawal is not None
    assert scene.share(scene.accept(shared, PHONE), 100, canary("agent")).withdrawal is None


def test_a_grant_to_another_key_is_refused() -> None:
    scene = Scene()
    shared = scene.share(scene.open(), 1600, PHONE)
    with pytest.raises(WrongPayer, match="grant_for_another"):
        scene.accept(shared, canary("thief"))


def test_a_grant_that_is_over_is_refused() -> None:
    scene = Scene()
    shared = scene.share(scene.open(), 1600, PHONE)
    scene.clock.now_s += HOUR_S + 121
    with pytest.raises(Expired, match="delegation_expired"):
        scene.accept(shared, PHONE)


def changed(grant: Json, name: str, value: Json) -> Json:
    return grant | {name: value(grant[name]) if callable(value) else value}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("top", 5),
        ("top", 0),
        ("top", 17),
        ("words", lambda words: words[:22]),
        ("words", ""),
        ("words", lambda words: codec.b64u(bytes(len(codec.unb64u(words))))),
        ("leaves", lambda leaves: codec.b64u(bytes(len(codec.unb64u(leaves))))),
        ("leaves", ""),
        ("hops", []),
    ],
)
def test_a_grant_with_anything_else_in_it_is_refused(name: str, value: Json) -> None:
    scene = Scene()
    shared = scene.share(scene.open(), 2000, PHONE)
    grant = changed(codec.read_json(codec.canonical(shared.grant)), name, value)
    with pytest.raises((Forged, Denied, Malformed)):
        scene.owner.purse.accept(grant, PHONE, scene.clock.at())


def test_a_grant_of_more_words_than_a_purse_makes_is_refused_before_any_hashing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scene = Scene(slot_micro=409_600)
    opened = scene.open()  # 64 segments of 64 words
    grant: Json = codec.read_json(codec.canonical(scene.share(opened, 409_600, PHONE).grant))
    assert scene.owner.purse.accept(grant, PHONE, scene.clock.at()).worth_micro == 409_600
    hashed = count_links(monkeypatch)
    for change in ({"length": 65}, {"length": chain.LENGTH_MAX}):
        longer = grant | {"commitment": grant["commitment"] | change}
        with pytest.raises(OutOfRange, match="commitment_too_long"):
            scene.owner.purse.accept(longer, PHONE, scene.clock.at())
    assert hashed() == 0


def test_a_grant_shows_nothing_in_its_repr() -> None:
    scene = Scene()
    shared = scene.share(scene.open(), 2000, PHONE)
    assert shared.grant["words"] not in repr(shared)


def test_the_owner_and_the_receiver_prove_with_their_own_keys() -> None:
    scene = Scene()
    mine, phone = scene.hand(scene.open(), 1600)
    till = scene.vendor.till
    for held, public in (
        (mine, codec.unb64u(coupons_of(mine).commitment.certificate.public_key)),
        (phone, signing.public_of(PHONE)),
    ):
        proof = scene.owner.purse.prove(held, b"statement")
        till.verify_owner(public, b"statement", proof)
        with pytest.raises(Forged):
            till.verify_owner(signing.public_of(canary("thief")), b"statement", proof)


def test_another_unit_at_the_vendor_opens_anew() -> None:
    scene = Scene()
    opened = scene.open()
    coarse = Vendor(ECOUPON, scene.vendor.ring, scene.clock, unit_micro=30)
    with pytest.raises(OutOfRange, match="price_not_in_units"):
        scene.owner.pay(opened, coarse.offer(30))


def test_a_portion_says_who_shall_have_how_much() -> None:
    portion = Portion(amount_micro=100, to=signing.public_of(PHONE), until_s=NOW_S)
    assert not portion.passes_on
