import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from farthing import codec, marks
from farthing.crypto import signing
from farthing.errors import (
    Expired,
    Forged,
    NotYetValid,
    OutOfRange,
    Refusal,
    Unfit,
    WrongPayer,
    WrongVendor,
)
from farthing.schemes.chain.ecoupon import ECOUPON
from farthing.schemes.chain.ecoupon.commitment import Commitment
from farthing.schemes.chain.ecoupon.delegation import Delegation, reduce
from farthing.schemes.chain.times import SKEW_S
from tests.kit.canaries import canary
from tests.kit.ecoupon import HOUR_S, Scene, altered, coupons_of, vendor_ring
from tests.kit.parties import NOW_S, Vendor, binding_of

_OPENED = coupons_of(Scene().open())
OWNER, COMMITMENT = codec.unb64u(_OPENED.secret), _OPENED.commitment
SECRETS = [OWNER, *(canary(f"hop-{number}") for number in range(4))]

SPANS = st.tuples(st.integers(0, 3), st.integers(0, 3)).map(lambda pair: tuple(sorted(pair)))
TIMES = st.tuples(
    st.integers(NOW_S - HOUR_S, NOW_S + HOUR_S), st.integers(NOW_S - HOUR_S, NOW_S + 100 * HOUR_S)
).map(lambda pair: tuple(sorted(pair)))
HOPS = st.lists(st.tuples(SPANS, TIMES), min_size=1, max_size=4)


def hop(
    number: int,
    segments: tuple[int, int] = (0, 3),
    valid: tuple[int, int] = (NOW_S, NOW_S + HOUR_S),
    *,
    passes_on: bool = True,
    commitment: Commitment = COMMITMENT,
) -> Delegation:
    """The hop from holder `number` to the next."""
    unsigned = Delegation(
        commitment=commitment.id,
        passes_on=passes_on,
        segments=segments,
        sig="",
        subject=codec.b64u(signing.public_of(SECRETS[number + 1])),
        valid=valid,
    )
    return unsigned.sign(SECRETS[number])


def test_without_hops_the_payer_has_every_segment_for_the_day() -> None:
    reduced = reduce(COMMITMENT, ())
    assert (reduced.first, reduced.last) == (0, COMMITMENT.segments - 1)
    assert (reduced.until_s, reduced.passes_on) == (COMMITMENT.ends_at_s, True)
    assert reduced.subject == signing.public_of(OWNER)


@given(HOPS)
def test_a_reduced_tag_never_exceeds_that_of_any_hop(
    spans: list[tuple[tuple[int, int], tuple[int, int]]],
) -> None:
    hops = [hop(number, *span) for number, span in enumerate(spans)]
    reduced = before = reduce(COMMITMENT, ())
    for count in range(1, len(hops) + 1):
        reduced = reduce(COMMITMENT, hops[:count])
        assert reduced.first >= before.first
        assert reduced.last <= before.last
        assert reduced.from_s >= before.from_s
        assert reduced.until_s <= before.until_s <= COMMITMENT.ends_at_s
        assert reduced.subject == signing.public_of(SECRETS[count])
        before = reduced
    assert reduced.first == max(span[0][0] for span in spans)
    assert reduced.last == min(span[0][1] for span in spans)


def test_tags_that_do_not_meet_leave_nothing() -> None:
    reduced = reduce(COMMITMENT, [hop(0, (0, 1)), hop(1, (2, 3))])
    for segment in range(4):
        with pytest.raises(OutOfRange, match="segment_not_delegated"):
            reduced.require_segments(segment, segment)


def test_a_hop_without_the_flag_is_forged() -> None:
    with pytest.raises(Forged, match="delegation_not_allowed"):
        reduce(COMMITMENT, [hop(0, passes_on=False), hop(1)])
    assert not reduce(COMMITMENT, [hop(0), hop(1, passes_on=False)]).passes_on


def test_a_hop_about_another_commitment_its_vendor_or_unit_is_forged() -> None:
    scene = Scene()
    scene.open()
    for other in (
        coupons_of(scene.open()).commitment,
        msgspec.structs.replace(COMMITMENT, vendor="daily"),
        msgspec.structs.replace(COMMITMENT, unit_micro=10_000),
    ):
        with pytest.raises(Forged, match="delegation_of_another_commitment"):
            reduce(COMMITMENT, [hop(0, commitment=other)])


def test_a_hop_that_somebody_else_signed_is_forged() -> None:
    for wrong in (hop(0).sign(SECRETS[2]), hop(1)):
        with pytest.raises(Forged, match="signature_wrong"):
            reduce(COMMITMENT, [wrong])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("segments", (0, 2)),
        ("valid", (NOW_S, NOW_S + 2 * HOUR_S)),
        ("subject", codec.b64u(signing.public_of(SECRETS[3]))),
    ],
)
def test_every_field_is_signed(name: str, value: object) -> None:
    with pytest.raises(Forged, match="signature_wrong"):
        reduce(COMMITMENT, [msgspec.structs.replace(hop(0), **{name: value})])


def test_the_flag_is_signed() -> None:
    with pytest.raises(Forged, match="signature_wrong"):
        reduce(COMMITMENT, [msgspec.structs.replace(hop(0), passes_on=False)])


def test_validity_is_kept_to_the_second_with_the_skew_of_clocks() -> None:
    reduced = reduce(COMMITMENT, [hop(0)])
    reduced.require_valid(NOW_S - SKEW_S)
    reduced.require_valid(NOW_S + HOUR_S + SKEW_S)
    with pytest.raises(NotYetValid, match="delegation_not_yet_valid"):
        reduced.require_valid(NOW_S - SKEW_S - 1)
    with pytest.raises(Expired, match="delegation_expired"):
        reduced.require_valid(NOW_S + HOUR_S + SKEW_S + 1)


@pytest.mark.parametrize("segments", [(1, 0), (0, 64), (-1, 0)])
def test_segments_out_of_range_are_unfit(segments: tuple[int, int]) -> None:
    with pytest.raises(Unfit, match="segments_out_of_range"):
        hop(0, segments)


def test_an_end_before_the_beginning_is_unfit() -> None:
    with pytest.raises(Unfit, match="validity_out_of_range"):
        hop(0, valid=(2, 1))


# --- at the vendor -------------------------------------------------------------------------------


def test_a_delegate_pays_and_the_owner_is_billed() -> None:
    scene = Scene()
    mine, phone = scene.hand(scene.open(), 2000)
    scene.spend(phone, 300)
    scene.spend(mine, 200)
    assert scene.clear() == 500
    assert scene.broker.balances["guarantee/ann"] == -500


def test_two_devices_at_once_neither_block_nor_spoil_each_other() -> None:
    scene = Scene()
    mine, phone = scene.hand(scene.open(), 2000)
    mine, phone = scene.spend(mine), scene.spend(phone)
    offer, till, store = scene.vendor.offer(100), scene.vendor.till, scene.vendor.store
    holds = []
    for number, held in enumerate((mine, phone)):  # both before either is confirmed
        payment = till.read(codec.canonical(scene.payload(held)))
        memory = store.do_now(marks.Read(keys=till.recall(payment)))
        taken = till.take(payment, offer, binding_of(), memory, scene.clock.at())
        hold = marks.Hold(
            k=f"both{number}", digest=bytes(32), marks=taken.marks, kept=b"", now_s=NOW_S,
            lease_until_s=NOW_S + 60, until_s=taken.until_s,
        )  # fmt: skip  # - a hold in one glance
        holds.append((hold.k, store.do_now(hold), taken))
    for k, held_now, taken in holds:
        store.do_now(marks.Confirm(k=k, fence=held_now.fence, outcome=b"", claims=taken.claims))
    assert scene.clear() == 400


def test_an_owner_who_kept_the_seeds_cannot_race_whom_it_handed_them_to() -> None:
    scene = Scene()
    opened = scene.open()
    mine, phone = scene.hand(opened, 3200)
    cheat = altered(mine, first=2, words=coupons_of(phone).words)
    phone = scene.spend(phone)
    with pytest.raises(WrongPayer, match="segment_of_another_holder"):
        scene.spend(cheat)
    scene.spend(phone)
    assert scene.clear() == 200


def test_whoever_starts_with_a_segment_has_every_one_that_the_start_names() -> None:
    scene = Scene()
    opened = scene.open()
    mine, phone = scene.hand(opened, 3200)
    scene.spend(phone)  # pays with segment 2, and takes 3
    cheat = altered(
        mine, first=3, words=codec.b64u(codec.unb64u(coupons_of(phone).words)[16:]), top=16
    )
    with pytest.raises(WrongPayer, match="segment_of_another_holder"):
        scene.spend(cheat)


def test_a_race_for_a_free_segment_has_one_winner() -> None:
    scene = Scene()
    opened = scene.open()
    mine, phone = scene.hand(opened, 3200)
    cheat = altered(mine, first=2, words=coupons_of(phone).words, top=16)
    till, store, offer = scene.vendor.till, scene.vendor.store, scene.vendor.offer(100)
    taken = []
    for held in (cheat, phone):  # both decide on what was there before either
        payment = till.read(codec.canonical(scene.payload(held)))
        memory = store.do_now(marks.Read(keys=till.recall(payment)))
        taken.append(till.take(payment, offer, binding_of(), memory, scene.clock.at()))
    done = []
    for number, each in enumerate(taken):
        hold = marks.Hold(
            k=f"race{number}", digest=bytes(32), marks=each.marks, kept=b"", now_s=NOW_S,
            lease_until_s=NOW_S, until_s=each.until_s,
        )  # fmt: skip  # - a hold in one glance
        try:
            done.append(store.do_now(marks.Take(hold=hold, outcome=b"", records=each.records)))
        except (Refusal, marks.Stale) as lost:
            done.append(lost)
    assert isinstance(done[0], marks.Held)
    assert isinstance(done[1], marks.Stale)
    with pytest.raises(WrongPayer):
        scene.spend(phone)


def test_a_segment_outside_the_delegation_is_out_of_range() -> None:
    scene = Scene()
    opened = scene.open()
    _, phone = scene.hand(opened, 1600)
    words = coupons_of(opened).words
    greedy = altered(phone, first=0, free=0, words=words)
    with pytest.raises(OutOfRange, match="segment_not_delegated"):
        scene.spend(greedy)
    assert scene.spend(phone).worth_micro == 1500


def test_words_above_what_was_handed_over_cannot_be_made() -> None:
    scene = Scene()
    _, phone = scene.hand(scene.open(), 500)
    with pytest.raises(OutOfRange, match="chain_used_up"):
        scene.payload(phone, 600)
    with pytest.raises(Forged, match=r"merkle_root_differs"):
        scene.spend(altered(phone, top=16), 600)
    assert scene.owner.spend(scene.vendor, phone, 500) is None
    assert scene.clear() == 500


def test_a_delegate_cannot_pay_elsewhere() -> None:
    scene = Scene()
    _, phone = scene.hand(scene.open(), 1600)
    other = Vendor(ECOUPON, vendor_ring(), scene.clock, vendor_id="daily")
    with pytest.raises(WrongVendor, match="commitment_for_another_vendor"):
        other.serve(scene.payload(phone), other.offer(100))


def test_after_its_validity_nothing_is_taken_and_the_owner_goes_on() -> None:
    scene = Scene()
    mine, phone = scene.hand(scene.open(), 1600)
    started = scene.spend(phone)
    first, later = scene.payload(phone), scene.payload(started)
    scene.clock.now_s = NOW_S + HOUR_S + SKEW_S
    scene.vendor.serve(later, scene.vendor.offer(100))
    scene.clock.now_s += 1
    with pytest.raises(Expired, match="commitment_expired"):
        scene.vendor.serve(later, scene.vendor.offer(100))
    with pytest.raises(Expired, match="delegation_expired"):
        scene.vendor.serve(first, scene.vendor.offer(100))
    scene.spend(mine)


def test_a_delegate_hands_on_a_part_where_it_may() -> None:
    scene = Scene()
    phone, agent = canary("phone"), canary("agent")
    shared = scene.share(scene.open(), 3200, phone, passes_on=True)
    held = scene.accept(shared, phone)
    on = scene.share(held, 700, agent, until_s=NOW_S + 60)
    got = scene.accept(on, agent)
    assert got.worth_micro == 700
    assert got.expires_at_s == NOW_S + 60
    scene.spend(got, 400)
    scene.spend(on.left, 100)
    assert scene.clear() == 500
    assert scene.broker.balances["guarantee/ann"] == -500


def test_a_hop_that_its_issuer_was_not_to_make_is_forged() -> None:
    scene = Scene()
    phone, agent = canary("phone"), canary("agent")
    honest = scene.accept(scene.share(scene.open(), 1600, phone), phone)
    passing = scene.accept(scene.share(scene.open(), 1600, phone, passes_on=True), phone)
    made = scene.accept(scene.share(passing, 400, agent), agent)
    forged = altered(
        made,
        commitment=coupons_of(honest).commitment,
        hops=(*coupons_of(honest).hops, *coupons_of(made).hops[1:]),
        leaves=coupons_of(honest).leaves,
    )
    with pytest.raises(Forged, match="delegation_"):
        scene.spend(forged)
