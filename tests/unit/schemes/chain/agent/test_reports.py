"""What is paid for tokens, and the vendor's fraud: it works in the paper's format, not here."""

import msgspec
import pytest

from farthing import codec
from farthing.errors import (
    Conflict,
    Forged,
    Late,
    Mismatch,
    OutOfRange,
    Refusal,
    Revoked,
    Unfit,
    WrongVendor,
)
from farthing.schemes.chain.agent.certificate import counter_id, revoked_key
from farthing.schemes.chain.agent.issued import DELTA_S, LIST_S
from farthing.schemes.chain.agent.reports import Report
from farthing.schemes.contract import Accepted, Instrument, Json
from tests.kit import paper_tokens
from tests.kit.agent import (
    UNIT_MICRO,
    Hand,
    Scene,
    certificate_of,
    opening_in,
    signed,
    tokens_of,
)
from tests.kit.paper_tokens import Rule, shared_with
from tests.kit.parties import DAY_S, on_the_wire


def test_in_the_papers_format_a_vendor_is_paid_for_a_token_of_another() -> None:
    _, broker, one, two = paper_tokens.script("paper")
    stolen = one.fraud()
    assert sum(broker.claim("V1", spent) for spent in (*one.taken, stolen)) == 3
    assert broker.claim("V2", two.taken[0]) == 1
    assert broker.paid == {"V1": {1, 2, 3}, "V2": {2}}, "four are paid, of three that were spent"


def test_without_a_mend_the_overlap_is_found_and_frozen() -> None:
    _, broker, one, two = paper_tokens.script("frozen")
    for spent in (*one.taken, one.fraud()):
        broker.claim("V1", spent)
    with pytest.raises(Conflict, match="claims_overlap"):
        broker.claim("V2", two.taken[0])
    assert broker.frozen == {2}


@pytest.mark.parametrize("rule", ["macs", "signed"])
def test_with_tags_or_signatures_of_the_payer_it_is_not(rule: Rule) -> None:
    _, broker, one, two = paper_tokens.script(rule)
    with pytest.raises(Forged):
        broker.claim("V1", one.fraud())
    assert sum(broker.claim("V1", spent) for spent in one.taken) == 2
    assert broker.claim("V2", two.taken[0]) == 1


@pytest.mark.parametrize("rule", ["macs", "signed"])
def test_with_tags_or_signatures_no_vendor_spends_what_it_got(rule: Rule) -> None:
    payer, _, one, _ = paper_tokens.script(rule)
    three = paper_tokens.Vendor("V3", payer)
    with pytest.raises(WrongVendor):
        three.take(one.taken[-1])
    with pytest.raises(Forged):
        three.take(one.relabelled(one.taken[-1], "V3"))
    three.take(payer.pay("V3"))


@pytest.mark.parametrize("spoil", ["proof", "vendor_tag"])
def test_with_tags_a_vendor_finds_its_own_spoiled_and_the_broker_the_other(spoil: str) -> None:
    payer, broker, one, _ = paper_tokens.script("macs")
    spent = msgspec.structs.replace(payer.pay("V1"), **{spoil: bytes(32)})
    if spoil == "proof":  # a payer can tag both halves of a lie
        spent = msgspec.structs.replace(spent, vendor_tag=spent.tagged(shared_with("V1")))
        one.take(spent)
        with pytest.raises(Forged, match="payer_tag_wrong"):
            broker.claim("V1", spent)
    else:
        with pytest.raises(Forged, match="vendor_tag_wrong"):
            one.take(spent)


def test_in_the_papers_format_a_vendor_spends_what_it_got() -> None:
    payer, _, one, _ = paper_tokens.script("paper")
    three = paper_tokens.Vendor("V3", payer)
    three.take(one.fraud())
    assert three.taken


def _spent_in_turns() -> tuple[Scene, Instrument]:
    """n at V1, n-1 at V2, n-2 at V1, with segments."""
    scene = Scene()
    left = scene.buy(40)
    for name in ("news", "daily", "news"):
        left = scene.spend(left, name)
    return scene, left


def test_with_segments_a_vendor_is_paid_for_its_own_and_for_no_other() -> None:
    scene, _ = _spent_in_turns()
    for claim in _frauds(scene):
        before = scene.broker.snapshot()
        with pytest.raises(Refusal):
            scene.broker.redeem(claim, "news")
        assert scene.broker.snapshot() == before
    assert (scene.clear("news"), scene.clear("daily")) == (2 * UNIT_MICRO, UNIT_MICRO)


def _frauds(scene: Scene) -> list[Json]:
    """What V1 can say of V2's token with all that it has, and with V2's own claim."""
    (own,), (other,) = scene.vendors["news"].claims(), scene.vendors["daily"].claims()
    ((segment, _, token),) = own["tokens"]
    return [
        {**own, "tokens": [[segment + 1, 1, token]]},
        {**own, "tokens": [[segment, 3, token]]},
        {**own, "tokens": other["tokens"]},
        {"openings": [{**other["openings"][0], "vendor": "news"}], "tokens": other["tokens"]},
        other,
    ]


def test_a_later_report_is_paid_the_difference_and_an_earlier_one_nothing() -> None:
    scene = Scene()
    left = scene.spend(scene.buy(40))
    (first,) = scene.vendors["news"].claims()
    scene.spend(left, tokens=4)
    (later,) = scene.vendors["news"].claims()
    assert scene.broker.redeem(later) == 5 * UNIT_MICRO
    assert scene.broker.redeem(first) == 0
    assert scene.broker.redeem(later) == 0


def test_of_two_openings_the_first_reported_is_paid_and_the_second_is_proof() -> None:
    scene = Scene()
    instrument = scene.buy(40)
    scene.spend(instrument, "news")
    scene.spend(instrument, "daily")  # a copy of the wallet
    assert scene.clear("daily") == UNIT_MICRO
    (claim,) = scene.vendors["news"].claims()
    for _ in range(2):
        with pytest.raises(Conflict, match="segment_opened_twice"):
            scene.broker.redeem(claim, "news")
    serial = certificate_of(instrument).serial
    assert revoked_key(serial) in scene.broker.records
    kept = scene.broker.records[f"agent/conflict/{serial}/0".encode()]
    certificate, *both = msgspec.json.decode(kept)
    assert certificate["publicKey"] == certificate_of(instrument).public_key
    assert {each["vendor"] for each in both} == {"news", "daily"}
    assert {each["sig"] for each in both} == {
        opening_in(scene.pay(instrument, name)).sig for name in ("news", "daily")
    }
    scene.pass_time(DELTA_S + 120)
    assert scene.broker.balances["outstanding/"] == 0, "what is left comes back to the payer"


def test_a_contradiction_is_judged_by_both_signatures_and_by_nothing_else() -> None:
    scene = Scene()
    instrument = scene.buy(40)
    for name in ("news", "daily"):
        scene.spend(instrument, name)
    scene.clear("news")
    with pytest.raises(Conflict):
        scene.clear("daily")
    serial = certificate_of(instrument).serial
    shown: Json = codec.read_json(scene.broker.records[f"agent/conflict/{serial}/0".encode()])
    mint = scene.broker.mint
    segment = certificate_of(instrument).tokens_in(0)
    assert mint.judge(shown) == {
        "payer": serial,
        "segments": [0],
        "vendors": ["news", "daily"],
        "worthMicro": segment * UNIT_MICRO,
    }
    certificate, one, other = shown
    with pytest.raises(Mismatch, match="openings_agree"):
        mint.judge([certificate, one, one])
    changed: dict[str, Json] = {"segments": [1], "timeS": one["timeS"] + 1, "vendor": "weekly"}
    for name, value in changed.items():
        with pytest.raises(Forged, match="signature_wrong"):
            mint.judge([certificate, one, other | {name: value}])
    with pytest.raises(Forged):
        mint.judge([certificate | {"length": certificate["length"] + 1}, one, other])


def test_openings_of_other_segments_for_another_vendor_agree() -> None:
    scene = Scene()
    instrument = scene.buy(40)
    first = scene.pay(instrument, "news")
    second = scene.pay(scene.rolled(first), "daily")
    certificate = msgspec.to_builtins(certificate_of(instrument))
    both = [
        {name: value for name, value in paid.payload["opening"].items() if name in _SHOWN}
        for paid in (first, second)
    ]
    assert both[0]["segments"] != both[1]["segments"]
    with pytest.raises(Mismatch, match="openings_agree"):
        scene.broker.mint.judge(on_the_wire([certificate, *both]))


_SHOWN = {"segments", "sig", "timeS", "vendor"}


def test_reports_after_delta_are_late() -> None:
    scene = Scene()
    left = scene.spend(scene.buy(40))
    scene.give_back(left)
    scene.clock.now_s += DELTA_S
    (claim,) = scene.vendors["news"].claims()
    before = scene.broker.snapshot()
    scene.clock.now_s += 1
    with pytest.raises(Late, match="report_after_delta"):
        scene.broker.redeem(claim)
    assert scene.broker.snapshot() == before
    scene.clock.now_s -= 1
    assert scene.broker.redeem(claim) == UNIT_MICRO


def test_after_the_end_and_the_window_reports_are_late() -> None:
    scene = Scene()
    scene.spend(scene.buy(40))
    (claim,) = scene.vendors["news"].claims()
    scene.clock.now_s += 31 * 86_400 + 121
    with pytest.raises(Late, match="claim_after_submit_window"):
        scene.broker.redeem(claim)


def test_an_opening_dated_after_the_list_went_out_is_not_paid() -> None:
    scene = Scene()
    instrument = scene.buy(40)
    scene.give_back(instrument)
    scene.clock.now_s += LIST_S + 121
    opening = opening_in(scene.pay(instrument))
    report = _report(scene, opening, instrument)
    with pytest.raises(Revoked, match="opened_after_revocation"):
        scene.broker.redeem(report)
    back_dated = signed(
        msgspec.structs.replace(opening, time_s=opening.time_s - LIST_S), instrument
    )
    assert scene.broker.redeem(_report(scene, back_dated, instrument)) == UNIT_MICRO


def test_an_opening_that_its_payer_told_of_is_paid_though_the_broker_was_a_day_behind() -> None:
    scene = Scene()
    left = scene.spend(scene.buy(40))
    (claim,) = scene.vendors["news"].claims()
    scene.clock.now_s -= DAY_S - 600
    scene.give_back(left)
    scene.clock.now_s += DAY_S - 600
    assert scene.broker.redeem(claim) == UNIT_MICRO


def test_back_dated_openings_are_paid_out_of_the_reserve_alone() -> None:
    """Payer and vendor together get no more than was sold, however they date their openings."""
    scene = Scene()
    instrument = scene.buy(40)
    at_once_micro = scene.give_back(instrument)["returnedMicro"]
    paid_micro, left = 0, instrument
    for _ in range(4):
        paid = scene.pay(left, tokens=10)
        try:
            paid_micro += scene.broker.redeem(_of(paid.payload))
        except Revoked:
            break
        left = scene.payer.purse.conclude(paid, _accepted(), scene.clock.at()).instruments[0]
    assert (at_once_micro, paid_micro) == (3000, 1000)


def test_a_segment_that_is_told_of_late_is_paid_no_more_than_waits_for_it() -> None:
    scene = Scene()
    hand = Hand(scene, length=40, segment=20)
    _given_back(scene, hand)
    assert scene.broker.redeem(_said(hand, 0, 1)) == UNIT_MICRO
    with pytest.raises(Revoked, match="opened_after_revocation"):
        scene.broker.redeem(_said(hand, 0, 11))
    assert scene.broker.redeem(_said(hand, 0, 10)) == 9 * UNIT_MICRO, "a quarter waited"


def test_a_second_opening_of_what_came_back_sets_nothing_more_apart() -> None:
    scene = Scene()
    hand = Hand(scene, length=40, segment=10)
    _given_back(scene, hand)
    assert scene.broker.redeem(_said(hand, 0, 1, "daily"), "daily") == UNIT_MICRO
    scene.clock.now_s += 600
    with pytest.raises(Conflict, match="segment_opened_twice"):
        scene.broker.redeem(_said(hand, 0, 1))
    with pytest.raises(Revoked, match="opened_after_revocation"):
        scene.broker.redeem(_said(hand, 1, 10))
    scene.pass_time(DELTA_S + 120 - 600)
    assert scene.broker.balances["outstanding/"] == 0, "it is settled when it was to be"


def test_tokens_for_one_vendor_are_paid_to_that_one() -> None:
    scene = Scene(mode="specific")
    instrument = scene.buy(40)
    paid = scene.pay(instrument)
    opening = signed(msgspec.structs.replace(opening_in(paid), vendor="daily"), instrument)
    report = {"openings": [msgspec.to_builtins(opening)], "tokens": paid.payload["tokens"]}
    with pytest.raises(WrongVendor, match="claim_of_another_vendor"):
        scene.broker.redeem(report, "daily")


def _given_back(scene: Scene, hand: Hand) -> None:
    """By a payer who tells of no opening."""
    message = {"serial": hand.certificate.serial}
    scene.broker.run("take_back", message, scene.payer.account)


def _said(hand: Hand, segment: int, position: int, vendor: str = "news") -> Json:
    """A report of one segment."""
    return {
        "openings": [hand.opening([segment], vendor)],
        "tokens": [hand.token(segment, position)],
    }


def _of(payload: Json) -> Json:
    return {"openings": [payload["opening"]], "tokens": payload["tokens"]}


def _accepted() -> Accepted:
    return Accepted()


def _report(scene: Scene, opening: object, instrument: Instrument) -> Json:
    token = scene.pay(instrument).payload["tokens"][0]
    return {"openings": [msgspec.to_builtins(opening)], "tokens": [token]}


def test_what_the_broker_has_not_sold_it_does_not_pay() -> None:
    scene = Scene()
    scene.spend(scene.buy(40))
    (claim,) = scene.vendors["news"].claims()
    serial = claim["openings"][0]["certificate"]["serial"]
    del scene.broker.records[f"agent/issued/{serial}".encode()]
    with pytest.raises(Revoked, match="certificate_unknown"):
        scene.broker.redeem(claim)


def test_a_report_is_of_one_certificate_and_one_vendor_and_says_each_thing_once() -> None:
    scene = Scene()
    first, second = scene.buy(40), scene.buy(40)
    one, two = (opening_in(scene.pay(each)) for each in (first, second))
    elsewhere = opening_in(scene.pay(first, "daily"))
    for openings in ((), (one, two), (one, elsewhere), (one, one)):
        with pytest.raises(Unfit):
            Report(openings=openings, tokens=())
    token = scene.pay(first).payload["tokens"][0]
    opening = msgspec.to_builtins(one)
    for tokens, refusal in (
        ([], Unfit),
        ([token, token], Unfit),
        ([[1, 1, token[2]]], OutOfRange),
        ([[0, 0, token[2]]], OutOfRange),
        ([[0, 11, token[2]]], OutOfRange),
        ([[0, 1, codec.b64u(bytes(16))]], Forged),
    ):
        with pytest.raises(refusal):
            scene.broker.redeem({"openings": [opening], "tokens": tokens})
    assert counter_id(tokens_of(first).certificate.serial, 0) not in scene.broker.counters
