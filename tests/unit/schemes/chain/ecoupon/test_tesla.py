import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farthing import codec, marks
from farthing.errors import (
    Closed,
    Forged,
    Late,
    NotYetValid,
    Overlimit,
    Refusal,
    Replayed,
    Unfit,
)
from farthing.schemes.chain.ecoupon import ECOUPON, tesla
from farthing.schemes.chain.ecoupon.demand import DELAY, INTERVAL_S
from farthing.schemes.chain.times import DAY_S, SKEW_S
from farthing.schemes.contract import Instrument, Json, Till
from tests.kit.canaries import canary
from tests.kit.ecoupon import Scene, coupons_of, vendor_ring
from tests.kit.parties import NOW_S, binding_of, setting_of

SHOWN_S = INTERVAL_S * DELAY  # from an interval to when its key is shown
MAX_MICRO = 1_000


def scene_of(**options: Json) -> Scene:
    return Scene(authentication="tesla", **({"unverified_micro_max": MAX_MICRO} | options))


def known(scene: Scene, held: Instrument) -> tesla.Known:
    """What the vendor knows of the session of what is held."""
    key = tesla.mark_id(coupons_of(held).session)
    memory = scene.vendor.store.do_now(marks.Read(keys=marks.Keys(counters=(key,))))
    return tesla.Known.read(memory.counters[key].link)


def till_of(**options: Json) -> Till:
    return ECOUPON.till(setting_of(vendor_ring(), vendor_id="news", **options))


def forge(scene: Scene, held: Instrument) -> None:
    """Somebody on the wire takes a word for a page of his own, before its holder is heard."""
    payload = scene.payload(held) | {"mac": codec.b64u(canary("wire")[:16])}
    scene.vendor.serve(payload, scene.vendor.offer(100), target="GET /another")


# --- a day --------------------------------------------------------------------------------------


def test_pages_are_proved_some_intervals_after_they_went_out_and_all_are_claimed() -> None:
    scene = scene_of()
    left = scene.open()
    for number in range(60):
        left = scene.spend(left)
        now = scene.clock.now_s // INTERVAL_S
        seen = known(scene, left)
        assert seen.shown == max(now - DELAY, seen.first - 1)
        assert all(now - DELAY < each.interval <= now for each in seen.pending)
        assert sum(each.value_micro for each in seen.pending) <= MAX_MICRO
        scene.clock.now_s += 47 + number
    assert scene.clear() == 6_000


def test_a_start_has_a_chain_of_keys_and_nothing_in_common_with_the_vendor() -> None:
    scene = scene_of()
    opened = scene.open()
    first, later = scene.payload(opened), scene.payload(scene.spend(opened))
    assert set(first["start"]) == {"proof", "roots", "segments", "sig", "tesla"}
    assert first["start"]["tesla"] == {
        "delay": 6, "first": NOW_S // 60, "intervalS": 60, "root": first["tesla"]["key"],
    }  # fmt: skip  # - a chain in one glance
    assert set(later) == {"commitment", "links", "mac", "tesla"}
    assert len(codec.canonical(later)) <= 250
    assert scene.vendor.offer(100).terms["tesla"] == {"delay": 6, "intervalS": 60}
    assert "vendorKey" not in scene.vendor.offer(100).terms


def test_more_segments_are_started_with_the_same_chain() -> None:
    scene = scene_of(unverified_micro_max=10_000)
    left = scene.spend(scene.open())
    session = coupons_of(left).session
    scene.clock.now_s += 70
    left = scene.spend(left, 3_000)
    assert coupons_of(left).session == session
    assert len(known(scene, left).pending) == 2
    assert scene.clear() == 3_100


def test_holders_of_one_commitment_have_chains_of_their_own() -> None:
    scene = scene_of()
    mine, phone = scene.hand(scene.open(), 1600)
    mine, phone = scene.spend(mine, MAX_MICRO), scene.spend(phone, MAX_MICRO)
    assert coupons_of(mine).session != coupons_of(phone).session
    scene.clock.now_s += SHOWN_S
    mine, phone = scene.spend(mine), scene.spend(phone)
    assert [len(known(scene, held).pending) for held in (mine, phone)] == [1, 1]
    assert scene.clear() == 2 * MAX_MICRO + 200


def test_a_gate_that_begins_anew_proves_what_another_one_took() -> None:
    scene = scene_of()
    left = scene.spend(scene.open(), MAX_MICRO)
    scene.vendor.till = till_of(authentication="tesla", unverified_micro_max=MAX_MICRO)
    scene.clock.now_s += SHOWN_S
    left = scene.spend(left, MAX_MICRO)
    assert len(known(scene, left).pending) == 1


def test_without_what_is_known_of_a_session_nothing_is_taken_in_it() -> None:
    scene = scene_of()
    opened = scene.open()
    till, offer, at = scene.vendor.till, scene.vendor.offer(100), scene.clock.at()
    payment = till.read(codec.canonical(scene.payload(scene.spend(opened))))
    keys = msgspec.structs.replace(till.recall(payment), counters=till.recall(payment).counters[:1])
    memory = scene.vendor.store.do_now(marks.Read(keys=keys))
    with pytest.raises(Closed, match="commitment_unknown"):
        till.take(payment, offer, binding_of(), memory, at)


def test_a_vendor_that_changes_its_mind_is_started_with_anew() -> None:
    scene = Scene(slot_micro=12_800)
    left = scene.spend(scene.open(), 1600)
    changes: list[dict[str, Json]] = [
        {"authentication": "tesla"},
        {"authentication": "tesla", "tesla_delay": 7},
        {},
    ]
    for options in changes:
        before = coupons_of(left)
        scene.vendor.till = till_of(**options)
        while coupons_of(left).session == before.session:  # what it has started with goes on
            left = scene.spend(left, 400)
        assert (coupons_of(left).tesla is not None) == ("authentication" in options)


# --- the edges ----------------------------------------------------------------------------------


@pytest.mark.parametrize("at_s", [0, 1, 59])
def test_a_payment_is_taken_until_its_key_may_be_shown_and_is_late_from_then_on(at_s: int) -> None:
    scene = scene_of()
    scene.clock.now_s = begins_s = NOW_S // 60 * 60
    scene.clock.now_s += at_s
    payload = scene.payload(scene.open())
    scene.clock.now_s = begins_s + SHOWN_S - SKEW_S
    before = scene.vendor.snapshot()
    with pytest.raises(Late, match="tesla_key_disclosable"):
        scene.vendor.serve(payload, scene.vendor.offer(100))
    assert scene.vendor.snapshot() == before
    scene.clock.now_s -= 1
    scene.vendor.serve(payload, scene.vendor.offer(100))


def test_a_payment_whose_key_was_shown_is_late_whatever_the_time() -> None:
    scene = scene_of()
    left = scene.spend(scene.open())
    late = scene.payload(skipped(left))
    scene.clock.now_s += SHOWN_S
    scene.spend(left)
    scene.clock.now_s -= SHOWN_S
    with pytest.raises(Late, match="tesla_key_disclosable"):
        scene.vendor.serve(late, scene.vendor.offer(100))


def test_clocks_may_differ_by_the_skew_and_no_more() -> None:
    for ahead_s, is_taken in ((SKEW_S, True), (-SKEW_S, True), (SKEW_S + 60, False)):
        scene = scene_of()
        opened = scene.open()
        scene.clock.now_s += ahead_s
        payload = scene.payload(opened)
        scene.clock.now_s -= ahead_s
        if is_taken:
            scene.vendor.serve(payload, scene.vendor.offer(100))
        else:
            with pytest.raises(NotYetValid, match="tesla_interval_ahead"):
                scene.vendor.serve(payload, scene.vendor.offer(100))


def test_no_more_is_delivered_than_may_be_unproved() -> None:
    scene = scene_of()
    left = scene.spend(scene.spend(scene.open(), 700), 300)
    before = scene.vendor.snapshot()
    with pytest.raises(Overlimit, match="unverified_above_max") as refused:
        scene.spend(left)
    assert "pay again" in refused.value.detail
    assert scene.vendor.snapshot() == before
    scene.clock.now_s += SHOWN_S - NOW_S % 60 - 1
    with pytest.raises(Overlimit):
        scene.spend(left)
    scene.clock.now_s += 1
    left = scene.spend(left, MAX_MICRO)
    with pytest.raises(Overlimit):
        scene.spend(left)


def test_so_many_payments_are_remembered_and_no_more() -> None:
    scene = scene_of(unit_micro=1, unverified_micro_max=10_000)
    left = scene.open(1)
    for _ in range(tesla.PENDING_MAX):
        left = scene.spend(left, 1)
    with pytest.raises(Overlimit, match="unverified_above_max"):
        scene.spend(left, 1)
    assert len(known(scene, left).raw()) < 5_000
    scene.clock.now_s += SHOWN_S
    scene.spend(left, 1)


# --- somebody on the wire -----------------------------------------------------------------------


def test_a_word_that_was_taken_on_the_wire_ends_the_session_when_its_key_is_shown() -> None:
    scene = scene_of()
    left = scene.spend(scene.open())
    forge(scene, left)
    with pytest.raises(Replayed):  # its holder comes too late
        scene.spend(left)
    left = skipped(left)
    scene.clock.now_s += SHOWN_S
    for _ in range(2):
        before = scene.vendor.snapshot()
        with pytest.raises(Forged, match="tesla_payment_forged"):
            scene.spend(left)
        assert scene.vendor.snapshot() == before
        scene.clock.now_s += 3_600
    assert scene.clear() == 200  # the words are the proof: the vendor is paid for both


def skipped(held: Instrument) -> Instrument:
    """The same as if its next word had been paid."""
    coupons = coupons_of(held)
    moved = coupons.moved(coupons.first, coupons.index + 1)
    return msgspec.structs.replace(held, body=codec.canonical(moved))


def test_a_forgery_costs_no_more_than_may_be_unproved() -> None:
    scene = scene_of()
    left = scene.spend(scene.open())
    for _ in range(9):
        forge(scene, left)
        left = skipped(left)
    with pytest.raises(Overlimit, match="unverified_above_max"):
        forge(scene, left)


def test_a_key_that_is_not_of_the_chain_changes_nothing() -> None:
    scene = scene_of()
    left = scene.spend(scene.open())
    for later_s in (0, SHOWN_S, SHOWN_S):
        scene.clock.now_s += later_s
        payload, before = scene.payload(left), scene.vendor.snapshot()
        wrong = payload | {"tesla": payload["tesla"] | {"key": "A" * 22}}
        with pytest.raises(Forged, match="tesla_key_wrong"):
            scene.vendor.serve(wrong, scene.vendor.offer(100))
        assert scene.vendor.snapshot() == before
        left = scene.spend(left)


def test_a_session_is_not_paid_in_by_the_name_of_another_or_without_a_key() -> None:
    scene = scene_of()
    mine, phone = scene.hand(scene.open(), 1600)
    mine, phone = scene.spend(mine), scene.spend(phone)
    payload, other = scene.payload(mine), scene.payload(phone)
    bare = {name: value for name, value in payload.items() if name != "tesla"}
    with pytest.raises(Forged, match="session_without_key"):
        scene.vendor.serve(bare, scene.vendor.offer(100))
    with pytest.raises(Forged, match="payment_of_another_session"):
        scene.vendor.serve(bare | {"tesla": other["tesla"]}, scene.vendor.offer(100))
    plain = Scene()
    payload = plain.payload(plain.spend(plain.open()))
    with pytest.raises(Forged, match="payment_of_another_session"):
        plain.vendor.serve(payload | {"tesla": other["tesla"]}, plain.vendor.offer(100))


@settings(max_examples=120, deadline=None)
@given(st.sampled_from(["first", "later"]), st.integers(0, 10**6), st.integers(1, 255))
def test_a_payment_changed_in_any_byte_is_refused_or_found_when_its_key_is_shown(
    which: str, at: int, mask: int
) -> None:
    scene = scene_of()
    held = scene.open() if which == "first" else scene.spend(scene.open())
    payload = scene.payload(held)
    raw = codec.canonical(payload)
    at %= len(raw)
    changed = raw[:at] + bytes((raw[at] ^ mask,)) + raw[at + 1 :]
    before = scene.vendor.snapshot()
    try:
        scene.vendor.serve(changed, scene.vendor.offer(100))
    except Refusal:
        assert scene.vendor.snapshot() == before
        scene.vendor.serve(raw, scene.vendor.offer(100))
        return
    left = scene.owner.pay(held, scene.vendor.offer(100)).after
    assert left is not None
    scene.clock.now_s += SHOWN_S + 600
    with pytest.raises(Forged):
        scene.spend(left)


# --- what is asked for --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("interval_s", "delay"), [(60, 5), (60, 16), (240, 2), (600, 2), (600, 16)]
)
def test_any_times_that_are_let_through_work_all_day(interval_s: int, delay: int) -> None:
    scene = scene_of(tesla_interval_s=interval_s, tesla_delay=delay)
    scene.clock.now_s = NOW_S // DAY_S * DAY_S
    left = scene.spend(scene.open())
    for _ in range(20):
        scene.clock.now_s += 4_000
        left = scene.spend(left)
    scene.clock.now_s = NOW_S // DAY_S * DAY_S + DAY_S - 1
    scene.spend(left)
    assert scene.clear() == 2_200


@pytest.mark.parametrize(
    "change", [{"delay": 1}, {"delay": 17}, {"interval_s": 59}, {"interval_s": 601}, {"first": 5}]
)
def test_a_chain_of_times_that_nobody_asks_for_is_unfit(change: dict[str, int]) -> None:
    keyed = tesla.Keyed(delay=6, first=1_000, interval_s=60, root="A" * 22)
    with pytest.raises(Unfit, match="tesla_times_out_of_range"):
        msgspec.structs.replace(keyed, **change)


def test_a_chain_is_of_a_day_and_no_longer() -> None:
    keyed = tesla.Keyed(delay=6, first=1_000, interval_s=60, root="A" * 22)
    seen = tesla.begin(keyed, "id")
    last = 1_000 + tesla.INTERVALS_MAX - 1
    seen.require_safe(last, last * 60)
    with pytest.raises(Unfit, match="tesla_interval_out_of_range"):
        seen.require_safe(last + 1, last * 60 + 60)


def test_what_is_known_is_read_as_it_was_written() -> None:
    pending = (tesla.Pending(7, b"c" * 16, b"d" * 32, 9), tesla.Pending(8, b"e" * 16, bytes(32), 1))
    seen = tesla.Known(b"l" * 16, 60, 6, 5, 6, b"k" * 16, pending)
    assert tesla.Known.read(seen.raw()) == seen


def test_a_key_of_a_code_is_not_that_of_the_chain() -> None:
    key = canary("key")[:16]
    assert tesla.code_of(key, bytes(32)) != tesla.code_of(canary("other")[:16], bytes(32))
    assert tesla.code_of(key, bytes(32)) != tesla.code_of(key, b"x" * 32)
    assert key not in tesla.code_of(key, bytes(32))


def test_no_repr_shows_a_key() -> None:
    scene = scene_of()
    payment = scene.vendor.till.read(codec.canonical(scene.payload(scene.open())))
    assert payment.tesla.key not in repr(payment.tesla)
