import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farthing import codec, marks
from farthing.crypto import chain
from farthing.errors import (
    Closed,
    Expired,
    Forged,
    JumpTooLong,
    Malformed,
    Refusal,
    Replayed,
    Revoked,
    Underpaid,
    Unfit,
)
from farthing.schemes.chain.credit.till import STEPS_MAX
from farthing.schemes.chain.ecoupon import ECOUPON
from farthing.schemes.chain.ecoupon.coupons import Coupons
from farthing.schemes.chain.ecoupon.session import begin_mac, payment_mac
from farthing.schemes.chain.times import SKEW_S
from farthing.schemes.contract import Instrument, Json
from tests.kit.canaries import canary
from tests.kit.ecoupon import SLOT_MICRO, Scene, altered, coupons_of, vendor_ring
from tests.kit.hashing import count_links
from tests.kit.parties import DAY_S, NOW_S, Vendor, binding_of


def test_pages_are_paid_word_by_word_over_segments_and_each_is_claimed() -> None:
    scene = Scene()
    left = scene.open()
    for price_micro in (1500, 300, 100):
        left = scene.spend(left, price_micro)
    assert left.worth_micro == SLOT_MICRO - 1900
    assert sorted(part["link"][:2] for [part] in (c["parts"] for c in scene.vendor.claims())) == [
        [0, 16],
        [1, 3],
    ]
    assert scene.clear() == 1900
    assert scene.broker.balances == {"guarantee/ann": -1900, "vendor/news": 1900}


def test_later_payments_name_the_commitment_and_are_short() -> None:
    scene = Scene()
    first = scene.payload(opened := scene.open())
    later = scene.payload(scene.spend(opened))
    assert isinstance(first["commitment"], dict)
    assert set(later) == {"commitment", "links", "mac"}
    assert len(codec.canonical(later)) <= 150


def test_units_over_all_segments_are_never_more_than_the_credit() -> None:
    scene = Scene()
    opened = scene.open()
    mine, phone = scene.hand(opened, 3200)
    for held in (mine, phone):
        left: Instrument | None = held
        while left is not None:
            left = scene.owner.spend(scene.vendor, left, 800)
    assert scene.clear() == SLOT_MICRO == coupons_of(opened).commitment.share_micro


# --- revocation ---------------------------------------------------------------------------------


def test_a_withdrawn_purse_pays_no_more_and_the_rest_goes_on() -> None:
    scene = Scene()
    shared = scene.share(scene.open(), 1600, canary("phone"))
    phone = scene.spend(scene.accept(shared, canary("phone")))
    scene.withdraw(shared)
    for held in (phone, scene.accept(shared, canary("phone"))):
        with pytest.raises(Revoked, match="segment_revoked"):
            scene.spend(held)
    scene.spend(shared.left)
    assert scene.clear() == 200


def test_a_certificate_on_the_list_starts_nothing() -> None:
    scene = Scene()
    opened = scene.open()
    scene.list(coupons_of(opened).commitment.certificate.serial)
    with pytest.raises(Revoked, match="certificate_revoked"):
        scene.spend(opened)


# --- somebody on the wire -----------------------------------------------------------------------


def test_a_word_that_was_overheard_pays_for_no_other_request() -> None:
    scene = Scene()
    left = scene.spend(scene.open())
    offer = scene.vendor.offer(100)
    for payload in (scene.payload(left), scene.payload(scene.open())):
        with pytest.raises(Forged, match="payment_mac_wrong"):
            scene.vendor.serve(payload, offer, target="GET /another")
        scene.vendor.serve(payload, offer)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(["first", "later"]), st.integers(0, 10**6), st.integers(1, 255))
def test_a_payment_changed_in_any_byte_is_refused(which: str, at: int, mask: int) -> None:
    scene = Scene()
    held = scene.open() if which == "first" else scene.spend(scene.open())
    raw = codec.canonical(scene.payload(held))
    at %= len(raw)
    before = scene.vendor.snapshot()
    with pytest.raises(Refusal):
        scene.vendor.serve(
            raw[:at] + bytes((raw[at] ^ mask,)) + raw[at + 1 :], scene.vendor.offer(100)
        )
    assert scene.vendor.snapshot() == before
    scene.vendor.serve(raw, scene.vendor.offer(100))


def test_a_session_is_with_the_vendor_whose_key_the_offer_had() -> None:
    scene = Scene()
    opened, offer = scene.open(), scene.vendor.offer(100)
    others = msgspec.structs.replace(offer, terms=offer.terms | {"vendorKey": "B" * 42 + "A"})
    payload = scene.owner.pay(opened, others).payload
    with pytest.raises(Forged, match="vendor_key_unknown"):
        scene.vendor.serve(payload, offer)


# --- the counter --------------------------------------------------------------------------------


def test_an_index_not_above_the_last_is_replayed() -> None:
    scene = Scene()
    opened = scene.open()
    first = scene.payload(opened)
    later = scene.payload(scene.spend(opened))
    scene.vendor.serve(later, scene.vendor.offer(100))
    before = scene.vendor.snapshot()
    for payload in (first, later):
        with pytest.raises(Replayed, match="chain_index_not_above_last"):
            scene.vendor.serve(payload, scene.vendor.offer(100))
    assert scene.vendor.snapshot() == before


def test_a_holder_whose_answer_was_lost_starts_again() -> None:
    scene = Scene()
    _, phone = scene.hand(scene.open(), 3200)
    scene.spend(phone)  # its answer does not come
    again = altered(phone, index=1)
    left = scene.spend(again)
    assert coupons_of(left).session != coupons_of(phone).session
    while left.worth_micro > 100:
        left = scene.spend(left)
    assert scene.clear() == 3100


def test_a_second_commitment_with_one_part_of_the_credit_is_replayed() -> None:
    scene = Scene()
    before = scene.certificate
    scene.spend(scene.open())
    scene.certificate = before
    other = scene.open(price_micro=200)
    with pytest.raises(Replayed, match="credit_committed_before"):
        scene.spend(other, 200)


def test_words_worth_less_than_the_price_are_underpaid() -> None:
    scene = Scene()
    opened = scene.open()
    payload = scene.payload(opened)
    with pytest.raises(Underpaid, match="amount_below_price"):
        scene.vendor.serve(payload, scene.vendor.offer(200))
    scene.vendor.serve(payload, scene.vendor.offer(100))


def by_hand(instrument: Instrument, *places: tuple[int, int]) -> Json:
    """A later payment with the words at these places: (segment, index)."""
    coupons = coupons_of(instrument)
    commitment, links = coupons.commitment, []
    for segment, index in places:
        key, end = commitment.link_key(segment), coupons.end(segment)
        word = chain.descend(key, coupons.word(segment), end, index)
        links.append((segment, index, codec.b64u(word)))
    code = payment_mac(begin_mac(codec.unb64u(coupons.session), commitment.id), binding_of(), links)
    return {"commitment": commitment.id, "links": links, "mac": codec.b64u(code)}


def test_a_word_of_another_holder_does_not_pay_in_this_session() -> None:
    scene = Scene()
    opened = scene.open()
    mine, phone = scene.hand(opened, 3200)
    mine, phone = scene.spend(mine), scene.spend(phone)
    kept = altered(mine, words=coupons_of(opened).words)  # of who kept what it handed over
    with pytest.raises(Forged, match="segment_of_another_session"):
        scene.vendor.serve(by_hand(kept, (0, 2), (2, 2)), scene.vendor.offer(100))


def test_links_of_all_segments_are_one_jump_and_no_more_than_that_is_hashed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scene = Scene(slot_micro=409_600)
    opened = scene.open(price_micro=100_000)  # four segments of 1,024 words
    phone = scene.spend(scene.hand(opened, 307_200)[1])
    wide = by_hand(phone, (1, 501), (2, 500), (3, 500))
    full = by_hand(phone, (1, 501), (2, 250), (3, 250))
    hashed = count_links(monkeypatch)
    with pytest.raises(JumpTooLong, match="jump_too_long"):
        scene.vendor.serve(wide, scene.vendor.offer(100))
    assert hashed() <= STEPS_MAX
    taken = scene.vendor.serve(full, scene.vendor.offer(100)).taken
    assert taken.value_micro == 100 * STEPS_MAX


def test_an_id_that_nobody_started_with_is_closed() -> None:
    scene = Scene()
    payload = scene.payload(scene.spend(scene.open()))
    fresh = Vendor(ECOUPON, vendor_ring(), scene.clock)
    with pytest.raises(Closed, match="commitment_unknown"):
        fresh.serve(payload, fresh.offer(100))


def test_a_payment_of_two_segments_has_one_claim_for_both_where_the_broker_answers_first() -> None:
    scene = Scene()
    opened = scene.open()
    till = scene.vendor.till
    payment = till.read(codec.canonical(scene.payload(opened, 2000)))
    at = scene.clock.at()
    taken = till.take(payment, scene.vendor.offer(2000), binding_of(), marks.NOTHING, at)
    assert taken.reference == f"eco:{payment.commitment.id}:0.16,1.4"
    message = till.endorse(payment, taken, marks.NOTHING, at)
    assert [part["link"][:2] for part in message["parts"]] == [[0, 16], [1, 4]]
    assert scene.broker.redeem(message) == 2000


def test_what_is_forgotten_is_named_by_its_id() -> None:
    scene = Scene()
    opened = scene.open()
    scene.spend(opened)
    claims = tuple(
        claim for _, claim in scene.vendor.store.do_now(marks.Pending(scheme="ecoupon", count=9))
    )
    [message] = scene.vendor.till.sweep(claims, marks.NOTHING, scene.clock.at())
    assert message == {"commitment": coupons_of(opened).commitment.id, "parts": []}
    with pytest.raises(Malformed):
        scene.broker.redeem(message)


@pytest.mark.parametrize("index", [2**64 - 1, 2**64, 10**40])
def test_an_index_that_no_chain_has_is_unfit_and_no_mistake_of_ours(index: int) -> None:
    scene = Scene()
    later = scene.payload(scene.spend(scene.open()))
    links = [*later["links"], [40, index, "AAAA"]]
    with pytest.raises(Unfit, match="link_out_of_range"):
        scene.vendor.serve(later | {"links": links}, scene.vendor.offer(100))


def test_no_repr_shows_a_word_or_a_key() -> None:
    scene = Scene()
    opened = scene.open()
    payment = scene.vendor.till.read(codec.canonical(scene.payload(opened)))
    coupons: Coupons = coupons_of(opened)
    for text in (repr(payment), repr(coupons)):
        assert coupons.words not in text
        assert coupons.secret not in text


def test_the_day_ends_for_everybody() -> None:
    scene = Scene()
    payload = scene.payload(scene.spend(scene.open()))
    scene.clock.now_s = (NOW_S // DAY_S + 1) * DAY_S + SKEW_S + 1
    with pytest.raises(Expired, match="commitment_expired"):
        scene.vendor.serve(payload, scene.vendor.offer(100))
