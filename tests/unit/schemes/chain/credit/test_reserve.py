"""What is prepaid lies apart for one vendor and day and pays its claims; the rest goes back."""

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farthing import codec
from farthing.crypto import signing
from farthing.errors import (
    Expired,
    Forged,
    Late,
    Mismatch,
    OutOfRange,
    Refusal,
    Unfit,
    Unsupported,
    WrongVendor,
)
from farthing.schemes.chain.credit.certificate import SUBMIT_S
from farthing.schemes.chain.credit.purse import Card
from farthing.schemes.chain.credit.reserve import Reserve, given_back, read
from farthing.schemes.chain.payword import PAYWORD
from farthing.schemes.chain.tick import FAMILY, TICK, TICKS_MAX
from farthing.schemes.chain.times import DAY_S, SKEW_S
from farthing.schemes.contract import At
from tests.kit.parties import Broker, Clock, Payer, Ring, payer_account
from tests.kit.payword import TODAY, certifying_key
from tests.kit.prepaid import (
    ACCOUNT,
    KEPT,
    TICKS,
    UNIT_MICRO,
    WHOLE_MICRO,
    Scene,
    claim_of,
    opened_of,
    promised,
)


def test_no_part_of_a_price_is_prepaid() -> None:
    scene = Scene()
    assert scene.payer.purse.least_micro(scene.offer(8)) == 8 * UNIT_MICRO
    on_credit = Scene(opening="credit")
    assert on_credit.payer.purse.least_micro(on_credit.offer(8)) == UNIT_MICRO


def test_what_is_prepaid_is_not_billed_and_its_vendor_closes_it_while_its_day_lasts() -> None:
    scene = Scene()
    for prepaid in (scene.prepay(), scene.open()):
        assert not scene.payer.purse.is_billed(prepaid)
        ends_at_s = (TODAY + 1) * DAY_S
        asked = scene.payer.purse.give_back(prepaid, At(now_s=ends_at_s - 1))
        assert (asked.operation, asked.to, asked.vendor_id) == ("take_back", "vendor", "news")
        with pytest.raises(Unsupported, match="rest_comes_back"):
            scene.payer.purse.give_back(prepaid, At(now_s=ends_at_s))


def test_what_is_prepaid_leaves_the_account_at_once_and_needs_no_credit() -> None:
    scene = Scene()
    prepaid = scene.prepay()
    assert scene.broker.balances == {"credit/ann": -WHOLE_MICRO, KEPT: WHOLE_MICRO}
    certificate = msgspec.json.decode(prepaid.body, type=Card).certificate
    assert (certificate.vendor, certificate.expires_at_s) == ("news", (TODAY + 1) * DAY_S)
    assert certificate.payer != ACCOUNT.id


def test_a_purse_prepays_no_more_than_one_chain_can_pay() -> None:
    limit_micro = Scene().ask(UNIT_MICRO * (TICKS_MAX + 1)).message["limitMicro"]
    assert limit_micro == UNIT_MICRO * TICKS_MAX


def test_a_vendor_is_paid_out_of_it_tick_by_tick() -> None:
    scene = Scene()
    opened = scene.open()
    for ticks in (1, 64):
        paid = scene.payer.pay(opened, scene.offer(ticks))
        assert paid.after is not None
        scene.vendor.serve(paid.payload, scene.offer(ticks))
        opened = paid.after
    assert sum(scene.broker.redeem(claim) for claim in scene.vendor.claims()) == 6_500
    assert scene.broker.balances == {
        "credit/ann": -WHOLE_MICRO,
        "vendor/news": 6_500,
        KEPT: WHOLE_MICRO - 6_500,
    }


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(1, TICKS), max_size=6))
def test_what_was_prepaid_is_what_was_paid_and_what_went_back(places: list[int]) -> None:
    scene = Scene()
    opened = scene.open()
    for place in places:
        scene.broker.redeem(claim_of(opened, place))
        assert scene.broker.redeem(claim_of(opened, place)) == 0
    paid_micro = UNIT_MICRO * max(places, default=0)
    last_s = (TODAY + 1) * DAY_S + SUBMIT_S + SKEW_S
    scene.wait(last_s)
    assert scene.broker.balances[KEPT] == WHOLE_MICRO - paid_micro, "it may still be claimed"
    scene.wait(last_s + 1)
    balances = scene.broker.balances
    assert (balances[KEPT], balances["credit/ann"]) == (0, -paid_micro)
    assert balances.get("vendor/news", 0) == paid_micro


def test_what_comes_after_the_deadline_is_late() -> None:
    scene = Scene()
    opened = scene.open()
    scene.clock.now_s = (TODAY + 1) * DAY_S + SUBMIT_S + SKEW_S
    claim = claim_of(opened, 5)
    account = msgspec.structs.replace(ACCOUNT, id="news", role="vendor")
    checked = scene.broker.mint.check("redeem", claim, account, scene.clock.at())
    scene.wait(scene.clock.now_s + 1)
    before = scene.broker.snapshot()
    memory = scene.broker.read(scene.broker.mint.recall(checked))
    with pytest.raises(Late, match="claim_after_submit_window"):  # checked in time, applied late
        scene.broker.mint.apply(checked, memory, scene.clock.at())
    with pytest.raises(Late):
        scene.broker.redeem(claim)
    assert scene.broker.snapshot() == before


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [({"vendor": "other"}, WrongVendor), ({"day": TODAY + 1}, Expired)],
)
def test_it_pays_no_other_vendor_and_no_other_day(
    changes: dict[str, Any], refusal: type[Refusal]
) -> None:
    scene = Scene()
    opened, prepaid = scene.open(), scene.prepay()
    other = promised(opened, **changes)
    vendor = scene.shop(other.vendor)
    scene.clock.now_s += DAY_S * (other.day - TODAY) - SKEW_S
    payload = {"commitment": msgspec.to_builtins(other), "links": claim_of(opened, 1)["links"]}
    paid = payload | {"action": "pay", "stream": ""}
    with pytest.raises(refusal):
        vendor.serve(paid, vendor.offer(UNIT_MICRO))
    account = msgspec.structs.replace(ACCOUNT, id=other.vendor, role="vendor")
    with pytest.raises(refusal):
        scene.broker.mint.check("redeem", payload, account, scene.clock.at())
    at = At(now_s=other.day * DAY_S)
    with pytest.raises(OutOfRange, match="prepaid_for_another"):
        scene.payer.purse.open(prepaid, vendor.offer(UNIT_MICRO), at)


def test_whom_it_is_for_is_signed_by_the_broker() -> None:
    scene = Scene()
    opened = scene.open()
    certificate = opened_of(opened).commitment.certificate
    for vendor in ("other", ""):
        changed = msgspec.structs.replace(certificate, vendor=vendor)
        with pytest.raises(Forged):
            changed.verify(FAMILY, scene.ring, scene.clock.now_s)


def test_who_wants_to_be_prepaid_takes_no_credit_and_is_not_offered_any() -> None:
    trusting = Scene(opening="credit")
    rich = payer_account(credit_limit_micro=8 * WHOLE_MICRO)
    payer = Payer(TICK, trusting.ring, trusting.clock, rich)
    general = payer.buy(trusting.broker, WHOLE_MICRO, "")
    _, opened = payer.purse.open(general, trusting.offer(), trusting.clock.at())
    paid = payer.pay(opened, trusting.offer())
    strict = trusting.shop("news", opening="prepaid")
    with pytest.raises(Mismatch, match="opening_on_credit"):
        strict.serve(paid.payload, strict.offer(UNIT_MICRO))
    with pytest.raises(OutOfRange, match="opening_on_credit"):
        payer.pay(opened, strict.offer(UNIT_MICRO))
    with pytest.raises(OutOfRange, match="opening_on_credit"):
        payer.purse.open(general, strict.offer(UNIT_MICRO), trusting.clock.at())
    assert paid.after is not None
    on = payer.pay(paid.after, strict.offer(UNIT_MICRO))
    assert on.after is not None, "what is open already goes on"


def test_what_was_prepaid_is_taken_where_credit_would_be() -> None:
    scene = Scene()
    trusting = scene.shop("news")
    paid = scene.payer.pay(scene.open(), scene.offer())
    assert trusting.serve(paid.payload, trusting.offer(UNIT_MICRO)).taken.value_micro == UNIT_MICRO


@pytest.mark.parametrize(("day", "is_right"), [(-2, False), (-1, True), (0, True), (1, False)])
def test_it_is_prepaid_for_the_day_that_it_is(day: int, *, is_right: bool) -> None:
    scene = Scene()
    scene.clock.now_s = TODAY * DAY_S + SKEW_S - 1
    asked = scene.ask()
    message = asked.message | {"day": TODAY + day}
    if is_right:
        assert scene.broker.run("issue", message, ACCOUNT).answer
        return
    with pytest.raises(Unfit, match="prepaid_for_another_day"):
        scene.broker.run("issue", message, ACCOUNT)


def test_another_certificate_than_was_asked_for_is_forged() -> None:
    scene = Scene()
    asked = scene.ask()
    answer: Any = scene.answer_to(asked)
    answer["certificate"]["vendor"] = "other"
    with pytest.raises(Forged, match="certificate_not_as_asked"):
        scene.payer.purse.receive(asked, answer, scene.clock.at())


def test_a_scheme_that_is_on_credit_only_certifies_nothing_that_is_prepaid() -> None:
    clock, key = Clock(), certifying_key()
    public = codec.b64u(signing.public_of(bytes(32)))
    message = {"day": TODAY, "limitMicro": 1, "publicKey": public, "vendor": "news"}
    with pytest.raises(Unsupported, match="prepaid_unsupported"):
        Broker(PAYWORD, Ring(key), clock).run("issue", message, ACCOUNT)


def test_what_is_over_is_neither_paid_nor_given_back_again() -> None:
    over = Reserve(account="ann", is_over=True, rest_micro=0, until_s=1)
    kept = over.put(b"k").value
    assert given_back(b"k", kept) is None
    with pytest.raises(Late):
        read(kept)
