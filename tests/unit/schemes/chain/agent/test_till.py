import pytest

from farthing import codec, marks
from farthing.errors import (
    Closed,
    Expired,
    Forged,
    JumpTooLong,
    Misconfigured,
    NotYetValid,
    OutOfRange,
    Refusal,
    Replayed,
    Revoked,
    Unavailable,
    Underpaid,
    Unfit,
    Unsupported,
    WrongVendor,
)
from farthing.schemes.chain.agent import AGENT
from farthing.schemes.chain.agent.till import (
    SERIAL_CHARS_MAX,
    STEPS_MAX,
    TOKENS_MAX,
    UNACKNOWLEDGED_MICRO_MAX,
    held_of,
    hold,
    opening_id,
)
from farthing.schemes.chain.counters import WORD_BYTES
from farthing.schemes.contract import Accepted, Binding, Charged, Json
from farthing.schemes.revocations import GRACE_S
from tests.kit.agent import LIST_S, UNIT_MICRO, Hand, Scene, certificate_of, opening_in
from tests.kit.hashing import count_links
from tests.kit.parties import DAY_S, Clock, Ring, Vendor, binding_of


def refused(scene: Scene, payload: Json, at: str = "news", tokens: int = 1) -> Refusal:
    vendor = scene.vendors[at]
    before = vendor.snapshot()
    with pytest.raises(Refusal) as caught:
        vendor.serve(payload, vendor.offer(tokens * UNIT_MICRO))
    assert vendor.snapshot() == before
    return caught.value


def test_a_token_that_does_not_hash_to_the_root_is_forged() -> None:
    scene = Scene()
    paid = scene.pay(scene.buy())
    segment, position, _ = paid.payload["tokens"][0]
    other = {**paid.payload, "tokens": [[segment, position, codec.b64u(bytes(16))]]}
    assert isinstance(refused(scene, other), Forged)


def test_a_position_beyond_the_segment_is_out_of_range() -> None:
    scene = Scene()
    paid = scene.pay(scene.buy(40))
    other = {**paid.payload, "tokens": [[0, 11, codec.b64u(bytes(16))]]}
    assert isinstance(refused(scene, other), OutOfRange)


def test_a_position_that_was_paid_is_replayed() -> None:
    scene = Scene()
    paid = scene.pay(scene.buy())
    scene.serve(paid)
    assert isinstance(refused(scene, paid.payload), Replayed)


def test_a_certificate_on_the_list_is_revoked_at_the_next_payment() -> None:
    scene = Scene()
    left = scene.spend(scene.buy())
    scene.give_back(left)
    paid = scene.pay(left)
    scene.mirror()
    assert isinstance(refused(scene, paid.payload), Revoked)


def test_all_tokens_of_a_payment_are_one_jump_and_no_more_than_that_is_hashed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scene = Scene(unit_micro=1)
    hand = Hand(scene, 6_000, 2_000, 1)
    vendor, segments = scene.vendors["news"], range(3)
    first = {"opening": hand.opening(segments), "tokens": [hand.token(n, 1) for n in segments]}
    vendor.serve(first, vendor.offer(3))
    later = {"opening": hand.certificate.serial}
    wide = later | {"tokens": [hand.token(n, 501) for n in segments]}
    full = later | {"tokens": [hand.token(0, 501), hand.token(1, 499), hand.token(2, 3)]}
    hashed = count_links(monkeypatch)
    with pytest.raises(JumpTooLong, match="jump_too_long"):
        vendor.serve(wide, vendor.offer(3))
    assert hashed() <= STEPS_MAX
    assert vendor.serve(full, vendor.offer(3)).taken.value_micro == STEPS_MAX


def test_a_certificate_on_the_list_costs_no_hash(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene()
    left = scene.spend(scene.buy())
    scene.give_back(left)
    paid = scene.pay(left, tokens=7)
    scene.mirror()
    hashed = count_links(monkeypatch)
    assert isinstance(refused(scene, paid.payload, tokens=7), Revoked)
    assert hashed() == 0


def test_a_gate_with_a_stale_list_sells_nothing() -> None:
    scene = Scene()
    left = scene.spend(scene.buy())
    scene.clock.now_s += LIST_S + GRACE_S
    left = scene.spend(left)
    scene.clock.now_s += 1
    for paid in (scene.pay(left), scene.pay(left, tokens=12)):
        tokens = 1 if isinstance(paid.payload["opening"], str) else 12
        assert isinstance(refused(scene, paid.payload, tokens=tokens), Unavailable)
    scene.mirror()
    scene.spend(left)


def test_a_token_that_one_vendor_got_is_refused_at_another() -> None:
    scene = Scene()
    paid = scene.pay(scene.buy(), "news")
    scene.serve(paid, "news")
    assert isinstance(refused(scene, paid.payload, "weekly"), WrongVendor)
    later = {**paid.payload, "opening": certificate_of(paid.spent).serial}
    assert isinstance(refused(scene, later, "weekly"), Closed)


def test_specific_tokens_pay_at_their_own_vendor_only() -> None:
    scene = Scene(mode="specific")
    paid = scene.pay(scene.buy(at="daily"), "news")
    assert isinstance(refused(scene, paid.payload), WrongVendor)
    ring = Ring(*scene.vendors["news"].ring.known("farthing/token/certificate/1"))
    generic = Vendor(AGENT, ring, scene.clock, mode="generic")
    offer = generic.offer(UNIT_MICRO)
    scene.vendors["news"] = generic
    scene.mirror()
    assert isinstance(refused(scene, paid.payload), WrongVendor)
    assert offer.terms["mode"] == "generic"


def test_a_specific_vendor_takes_no_tokens_of_all_vendors() -> None:
    scene = Scene()
    paid = scene.pay(scene.buy())
    specific = Vendor(AGENT, scene.vendors["news"].ring, scene.clock, mode="specific")
    scene.vendors["news"] = specific
    scene.mirror()
    refusal = refused(scene, paid.payload)
    assert (type(refusal), refusal.code) == (WrongVendor, "tokens_not_specific")


def test_the_opening_is_reported_at_once_and_tokens_in_batches() -> None:
    scene = Scene()
    vendor = scene.vendors["news"]
    first = scene.pay(scene.buy())
    taken = vendor.serve(first.payload, vendor.offer(UNIT_MICRO)).taken
    assert [claim.moment for claim in taken.claims] == ["during"]
    left = scene.payer.purse.conclude(first, _accepted(), scene.clock.at()).instruments[0]
    later = vendor.serve(scene.pay(left).payload, vendor.offer(UNIT_MICRO)).taken
    assert (later.moment, [claim.moment for claim in later.claims]) == ("batch", ["batch"])


def test_what_is_above_the_cap_clears_before_and_then_counts_as_acknowledged() -> None:
    scene = Scene(unacknowledged_micro_max=300)
    vendor, left, moments = scene.vendors["news"], scene.buy(40), []
    for _ in range(6):
        paid = scene.pay(left)
        taken = vendor.serve(paid.payload, vendor.offer(UNIT_MICRO)).taken
        moments.append(taken.moment)
        left = scene.payer.purse.conclude(paid, _accepted(), scene.clock.at()).instruments[0]
    assert moments == ["during", "batch", "batch", "before", "batch", "batch"]


def test_a_vendor_loses_no_more_than_its_cap_on_an_opening_that_is_refused() -> None:
    cap_micro = 300
    scene = Scene(unacknowledged_micro_max=cap_micro)
    instrument = scene.buy(40)
    scene.spend(instrument, "daily")
    scene.clear("daily")
    vendor, lost_micro, left = scene.vendors["news"], 0, instrument
    for _ in range(6):
        paid = scene.pay(left, "news")
        taken = vendor.serve(paid.payload, vendor.offer(UNIT_MICRO)).taken
        if taken.moment == "before":
            break  # the broker refuses it before the page goes out
        lost_micro += UNIT_MICRO
        left = scene.payer.purse.conclude(paid, _accepted(), scene.clock.at()).instruments[0]
    assert lost_micro == cap_micro


def test_one_report_covers_a_payment_of_several_openings() -> None:
    scene = Scene()
    left = scene.spend(scene.buy(40), tokens=7)
    vendor = scene.vendors["news"]
    paid = scene.pay(left, tokens=12)
    payment = vendor.till.read(codec.canonical(paid.payload))
    memory = vendor.store.do_now(marks.Read(keys=vendor.till.recall(payment)))
    offer = vendor.offer(12 * UNIT_MICRO)
    at = scene.clock.at()
    taken = vendor.till.take(payment, offer, _binding(), memory, at)
    known = vendor.store.do_now(marks.Read(keys=vendor.till.archive(taken.claims)))
    report = vendor.till.endorse(payment, taken, known, at)
    assert scene.broker.redeem(report) == 19 * UNIT_MICRO, "with what was not reported yet"


def test_one_row_that_cannot_be_shown_holds_up_no_other() -> None:
    scene = Scene()
    for _ in range(2):
        scene.spend(scene.buy(), tokens=3)
    vendor = scene.vendors["news"]
    rows = vendor.store.do_now(marks.Pending(scheme="agent", count=9))
    claims = tuple(claim for _, claim in rows)
    memory = vendor.store.do_now(marks.Read(keys=vendor.till.archive(claims)))
    long = codec.canonical({"path": ["A" * 43] * 65})
    poisoned = marks.Memory(records=memory.records | {next(iter(memory.records)): long})
    found = vendor.till.sweep(claims, poisoned, scene.clock.at())
    assert sorted(len(message["openings"]) for message in found) == [0, 1]
    for message in found:
        if message["openings"]:
            assert scene.broker.redeem(message) == 3 * UNIT_MICRO
        else:
            with pytest.raises(Unfit, match="opening_missing"):
                scene.broker.redeem(message)


def test_an_opening_opens_what_is_paid_from_and_no_more() -> None:
    scene = Scene()
    paid = scene.pay(scene.buy(40), tokens=12)
    payload = {**paid.payload, "tokens": paid.payload["tokens"][:1]}
    assert isinstance(refused(scene, payload), OutOfRange)


def test_an_opening_dated_ahead_is_not_taken_for_its_report_might_not_be_paid() -> None:
    for ahead_s, code in ((121, "opening_not_yet_valid"), (120, "")):
        scene = Scene()
        instrument = scene.buy(40)
        now_s = scene.clock.now_s
        scene.clock.now_s += ahead_s
        payload = scene.pay(instrument).payload
        scene.clock.now_s = now_s
        vendor = scene.vendors["news"]
        if code:
            with pytest.raises(NotYetValid, match=code):
                vendor.serve(payload, vendor.offer(UNIT_MICRO))
        else:
            assert vendor.serve(payload, vendor.offer(UNIT_MICRO)).taken.value_micro == UNIT_MICRO


def test_too_little_is_refused_and_an_end_is_an_end() -> None:
    scene = Scene()
    left = scene.buy()
    paid = scene.pay(left)
    assert isinstance(refused(scene, paid.payload, tokens=2), Underpaid)
    scene.clock.now_s += 30 * DAY_S + 121
    scene.mirror()
    assert isinstance(refused(scene, paid.payload), Expired)


def test_prices_are_whole_tokens_and_not_too_many() -> None:
    till = Scene().vendors["news"].till
    for price_micro in (0, 50, 150):
        with pytest.raises(OutOfRange, match="price_not_in_units"):
            till.offer(price_micro, Clock().at())
    with pytest.raises(OutOfRange, match="price_above_payment"):
        till.offer(100_100, Clock().at())


@pytest.mark.parametrize(
    "options",
    [{"mode": "both"}, {"unit_micro": 0}, {"unit_micro": "1"}, {"unacknowledged_micro_max": -1}],
)
def test_an_option_out_of_range_is_named(options: dict[str, Json]) -> None:
    with pytest.raises(Misconfigured) as caught:
        Scene(**options)
    assert caught.value.facts["option"] in options


def test_payments_out_of_order_or_size_cannot_be_read() -> None:
    scene = Scene()
    till, payload = scene.vendors["news"].till, scene.pay(scene.buy()).payload
    serial, (token,) = "t_1", payload["tokens"]
    many = [[number, 1, token[2]] for number in range(TOKENS_MAX + 1)]
    for changed in (
        {"opening": "", "tokens": [token]},
        {"opening": "x" * 33, "tokens": [token]},
        {"opening": serial, "tokens": []},
        {"opening": serial, "tokens": [token, token]},
        {"opening": serial, "tokens": many},
        {"opening": serial, "tokens": [[2**32, 1, token[2]]]},
    ):
        with pytest.raises(Unfit):
            till.read(codec.canonical(changed))
    assert len(till.read(codec.canonical({"opening": serial, "tokens": many[:-1]})).tokens) == 33


def test_a_serial_has_so_many_characters_and_no_more() -> None:
    scene = Scene()
    till, tokens = scene.vendors["news"].till, scene.pay(scene.buy()).payload["tokens"]
    serial = "x" * SERIAL_CHARS_MAX
    payload = {"opening": serial, "tokens": tokens}
    assert till.read(codec.canonical(payload)).opening == serial
    with pytest.raises(Unfit, match="serial_malformed"):
        till.read(codec.canonical({**payload, "opening": serial + "x"}))


@pytest.mark.parametrize(("over", "moment"), [(0, "during"), (1, "before")])
def test_a_gate_trusts_an_opening_with_a_cent_where_nothing_is_set(over: int, moment: str) -> None:
    scene = Scene(mode="specific")
    tokens = UNACKNOWLEDGED_MICRO_MAX // UNIT_MICRO + over
    vendor, paid = scene.vendors["news"], scene.pay(scene.buy(tokens), tokens=tokens)
    assert vendor.serve(paid.payload, vendor.offer(tokens * UNIT_MICRO)).taken.moment == moment


def test_what_is_kept_of_a_segment_is_what_later_payments_need() -> None:
    scene = Scene()
    opening = opening_in(scene.pay(scene.buy()))
    record = hold(opening, 0)
    held = held_of(record[WORD_BYTES:])
    assert record[:WORD_BYTES] == opening.root_of(0)
    named = opening_id(opening)
    assert (held.unit_micro, held.opening, held.is_acknowledged) == (UNIT_MICRO, named, False)
    again = held_of(held.acknowledged().raw)
    assert (again.is_acknowledged, again.key, again.opening) == (True, held.key, named)


def test_a_later_opening_takes_no_proof_of_an_earlier_ones_segments() -> None:
    """Else its payer spends the rest of them for nothing, and has it back in the end."""
    scene, length = Scene(), 30
    hand, vendor = Hand(scene, 2 * length, length), scene.vendors["news"]
    token, serial = hand.token, hand.certificate.serial

    def pay(opening: Json, *tokens: Json, price: int) -> None:
        payload = {"opening": opening, "tokens": list(tokens)}
        vendor.serve(payload, vendor.offer(price * UNIT_MICRO))

    pay(hand.opening((0, 1)), token(0, 1), token(1, 1), price=2)
    assert scene.clear() == 2 * UNIT_MICRO
    pay(hand.opening((0,)), token(0, 2), price=1)
    pay(serial, token(1, length), price=length - 1)
    assert scene.clear() == length * UNIT_MICRO


def test_nothing_is_given_back() -> None:
    charged = Charged(reference="agent:t:0.1", payer="t", value_micro=1, kept=b"")
    with pytest.raises(Unsupported, match="refund_unsupported"):
        Scene().vendors["news"].till.refund_series(charged)


def _accepted() -> Accepted:
    return Accepted()


def _binding() -> Binding:
    return binding_of()
