"""Clearing before the goods go out, against a broker that keeps its books in a dictionary."""

from typing import Any

import msgspec
import pytest

from farthing import codec
from farthing.errors import OriginFailed, Refusal, Unavailable, Undecided
from farthing.schemes.chain.payword import PaywordTill
from farthing.schemes.contract import Json, Taken
from farthing.vendor.commands import AskBroker, AskOrigin
from farthing.vendor.reserving import Reserved
from tests.kit.shop import (
    PAGE,
    PRICE_MICRO,
    ROUTE,
    Buyer,
    Shop,
    code_of,
    is_released,
    receipt_in,
    status,
)

BEFORE = ROUTE.replace('"millicent", ', "") + 'clearing = "before"\n'
LEASE_S = 60
SHOPS_MAX = 30  # more commands than any walk here has


class Facilitator:
    """`settle`, `capture` and `void` of one broker, idempotent as the wire format says."""

    def __init__(self) -> None:
        self.state: dict[str, str] = {}
        self.number: dict[str, int] = {}
        self.amount_micro: dict[str, int] = {}
        self.said: list[str] = []
        self.faults: dict[str, list[Refusal | dict[str, Json]]] = {}
        self.loses_reply = False

    @property
    def paid_micro(self) -> int:
        return sum(self.amount_micro[tx] for tx, state in self.state.items() if state == "paid")

    def __call__(self, command: AskBroker) -> Json:
        self.said.append(command.call)
        fault = self.faults[command.call].pop(0) if self.faults.get(command.call) else None
        if isinstance(fault, Refusal) and not self.loses_reply:
            raise fault
        answer = getattr(self, "_" + command.call)(command.message)
        if isinstance(fault, Refusal):
            raise fault
        return fault if fault is not None else answer

    def _settle(self, message: dict[str, Json]) -> Json:
        assert message["reserve"] == {}, "a gate never pays before the origin answered"
        tx = "tx_" + codec.b64u(codec.digest(message["paymentPayload"]["payload"]))
        if self.state.get(tx) != "paid":
            if self.state.get(tx) != "reserved":
                self.number[tx] = self.number.get(tx, 0) + 1
            self.state[tx] = "reserved"
            self.amount_micro[tx] = int(message["paymentRequirements"]["amount"])
        return self._done(tx)

    def _capture(self, message: dict[str, Json]) -> Json:
        tx = message["transaction"]
        if self.number[tx] != message["reservation"] or self.state[tx] == "void":
            return {"success": False, "transaction": tx, "errorReason": "reservation_void"}
        self.state[tx] = "paid"
        return self._done(tx)

    def _void(self, message: dict[str, Json]) -> Json:
        tx = message["transaction"]
        if self.state[tx] == "paid":
            return {"success": False, "transaction": tx, "errorReason": "already_captured"}
        if self.number[tx] == message["reservation"]:
            self.state[tx] = "void"
        return {"success": False, "transaction": tx, "errorReason": "reservation_void"}

    def _done(self, tx: str) -> Json:
        extra: dict[str, Json] = {"forPayer": {"paid": True}}
        if self.state[tx] == "reserved":
            extra = {"reservation": self.number[tx], "reservedUntilS": 1}
        return {"success": True, "transaction": tx, "network": "farthing:x", "extra": extra}

    def lapse(self) -> None:
        """A minute goes by."""
        for tx, state in self.state.items():
            self.state[tx] = "void" if state == "reserved" else state


def opened() -> tuple[Shop, Buyer, Facilitator]:
    shop, broker = Shop(BEFORE, verified=False), Facilitator()
    shop.broker = broker
    return shop, Buyer(shop, "payword"), broker


def test_the_broker_reserves_the_origin_answers_the_broker_pays() -> None:
    shop, buyer, broker = opened()
    payment = buyer.pay()
    shop.said.clear()
    answer = shop.get(payment.header)
    assert answer.status == 200
    order = [name for name in shop.said if name in {"Hold", "AskBroker", "AskOrigin", "Confirm"}]
    assert order == ["Hold", "AskBroker", "AskOrigin", "AskBroker", "Confirm"]
    assert broker.said == ["settle", "capture"]
    assert broker.paid_micro == PRICE_MICRO
    assert shop.claims("payword") == [], "what is paid leaves no claim"
    receipt = receipt_in(answer)
    assert receipt is not None
    assert receipt.settlement == "final"
    assert shop.get(payment.header).headers == answer.headers
    assert broker.said == ["settle", "capture"]


@pytest.mark.parametrize("fails", ["answers 500", "hangs"])
def test_an_origin_that_fails_voids_the_reservation(fails: str) -> None:
    shop, buyer, broker = opened()
    payment = buyer.pay()
    shop.origin = status(500) if fails == "answers 500" else lambda _: OriginFailed("hung")
    answer = shop.get(payment.header)
    assert is_released(answer)
    assert broker.said == ["settle", "void"]
    assert broker.paid_micro == 0
    shop.origin = lambda _: PAGE
    assert shop.get(payment.header).status == 200
    assert broker.paid_micro == PRICE_MICRO


def test_a_broker_that_refuses_is_heard_and_the_origin_never_asked() -> None:
    shop, buyer, broker = opened()
    payment = buyer.pay()
    refusal = {"refusal": "Unfunded", "code": "balance_short"}
    broker.faults["settle"] = [
        {"success": False, "errorReason": "insufficient_funds", "extra": refusal}
    ]
    answer = shop.get(payment.header)
    assert (answer.status, code_of(answer)) == (403, "balance_short"), "never 402 after a call"
    assert is_released(answer)
    assert shop.visits == []


def test_a_broker_out_of_reach_moves_nothing() -> None:
    shop, buyer, broker = opened()
    payment = buyer.pay()
    broker.faults["settle"] = [Unavailable("broker_unreachable")]
    answer = shop.get(payment.header)
    assert (answer.status, code_of(answer)) == (503, "broker_unreachable")
    assert is_released(answer)
    assert shop.get(payment.header).status == 200


STRANGE: list[Json] = [{}, None, [], {"success": "yes"}, {"success": True, "extra": None}]


@pytest.mark.parametrize("answer", [*STRANGE, {"success": False, "extra": {}}])
def test_a_broker_that_answers_strangely_charges_nothing_yet(answer: Json) -> None:
    shop, buyer, broker = opened()
    payment = buyer.pay()
    shop.broker = lambda _: answer
    assert shop.get(payment.header).status == 503
    assert shop.visits == []
    shop.broker = broker
    shop.clock.now_s += LEASE_S
    assert shop.get(payment.header).status == 200


def test_a_capture_that_nobody_answers_is_finished_by_the_same_bytes() -> None:
    shop, buyer, broker = opened()
    payment = buyer.pay()
    broker.faults["capture"] = [Undecided("outcome_unknown")]
    broker.loses_reply = True
    answer = shop.get(payment.header)
    assert (answer.status, code_of(answer)) == (503, "outcome_unknown")
    assert not is_released(answer)
    assert broker.paid_micro == PRICE_MICRO
    question = {"k": payment.k, "payload": payment.payload}
    busy = shop.outcome(question)
    assert (busy.status, code_of(busy)) == (409, "in_progress")
    shop.clock.now_s += LEASE_S
    done = shop.get(payment.header)
    assert done.status == 200
    assert broker.paid_micro == PRICE_MICRO
    assert shop.get(payment.header).headers == done.headers
    assert msgspec.json.decode(shop.outcome(question).body or b"")["state"] == "confirmed"


def test_a_reservation_that_ended_meanwhile_charges_nothing() -> None:
    shop, buyer, broker = opened()
    payment = buyer.pay()
    walking = shop.start(payment.header)
    walking.until(AskOrigin)
    broker.lapse()
    answer = walking.go()
    assert answer is not None
    assert (answer.status, code_of(answer)) == (503, "reservation_void")
    assert is_released(answer)
    assert shop.get(payment.header).status == 200
    assert broker.paid_micro == PRICE_MICRO


@pytest.mark.parametrize("void", ["heard", "not heard"])
def test_a_capture_that_was_not_heard_but_copied_is_not_called_free(void: str) -> None:
    """Whoever reads the wire to the broker had sent it before the broker was gone."""
    shop, buyer, broker = opened()
    payment = buyer.pay()
    broker.loses_reply = True
    broker.faults["capture"] = [Unavailable("broker_unreachable")]
    broker.faults["void"] = [] if void == "heard" else [Unavailable("broker_unreachable")]
    answer = shop.get(payment.header)
    assert (answer.status, code_of(answer)) == (503, "outcome_unknown")
    assert not is_released(answer)
    assert broker.said == ["settle", "capture", "void"]
    shop.clock.now_s += LEASE_S
    assert shop.get(payment.header).status == 200
    assert broker.paid_micro == PRICE_MICRO


@pytest.mark.parametrize("void", ["heard", "not heard"])
def test_a_capture_that_was_not_heard_is_charged_once_at_most(void: str) -> None:
    shop, buyer, broker = opened()
    payment = buyer.pay()
    broker.faults["capture"] = [Unavailable("broker_unreachable")]
    broker.faults["void"] = [] if void == "heard" else [Unavailable("broker_unreachable")]
    answer = shop.get(payment.header)
    assert is_released(answer) is (void == "heard"), "a void that is heard says it all"
    shop.clock.now_s += LEASE_S
    ended = shop.outcome({"k": payment.k, "payload": payment.payload})
    assert msgspec.json.decode(ended.body or b"")["state"] == "released"
    assert broker.paid_micro == 0


def test_what_somebody_else_had_captured_is_not_called_free_by_a_site_that_fails() -> None:
    shop, buyer, broker = opened()
    payment = buyer.pay()
    walking = shop.start(payment.header)
    walking.until(AskOrigin)
    (tx,) = broker.state
    broker.state[tx] = "paid"
    shop.origin = status(500)
    answer = walking.go()
    assert answer is not None
    assert (answer.status, code_of(answer)) == (503, "outcome_unknown")
    shop.origin = lambda _: PAGE
    shop.clock.now_s += LEASE_S
    assert shop.get(payment.header).status == 200
    assert broker.paid_micro == PRICE_MICRO


def test_a_hold_that_was_ended_while_the_broker_was_slow_to_reserve_is_not_paid() -> None:
    shop, buyer, broker = opened()
    payment = buyer.pay()
    slow = shop.start(payment.header)
    slow.until(AskBroker)
    shop.clock.now_s += LEASE_S
    ended = shop.outcome({"k": payment.k, "payload": payment.payload})
    assert msgspec.json.decode(ended.body or b"")["state"] == "released"
    answer = slow.go()
    assert answer is not None
    assert (answer.status, code_of(answer)) == (409, "hold_lost")
    assert receipt_in(answer) is None
    assert not is_released(answer), "by now others may be at it: only the outcome tells"
    assert "capture" not in broker.said
    assert broker.paid_micro == 0
    assert shop.get(payment.header).status == 200, "the same payment is good for another try"
    assert broker.paid_micro == PRICE_MICRO


def test_killed_at_any_command_it_is_paid_once_and_never_frozen() -> None:
    for count in range(1, SHOPS_MAX):
        shop, buyer, broker = opened()
        payment = buyer.pay()
        walking = shop.start(payment.header)
        ended = walking.go(count)
        walking.drop()
        if ended is not None:
            assert count > 5
            return
        shop.clock.now_s += LEASE_S
        broker.lapse()
        shop.restart()
        answer = shop.get(payment.header)
        assert answer.status == 200, count
        assert broker.paid_micro == PRICE_MICRO
        assert shop.get(payment.header).headers == answer.headers
        found = shop.find(payment.k)
        assert found is not None
        assert found.state == "confirmed"
    raise AssertionError("the walk never ended")


def test_what_is_for_the_payer_is_in_no_repr() -> None:
    reserved = Reserved(transaction="tx_1", number=0, for_payer={"key": "TEST-SECRET"})
    assert "TEST-SECRET" not in repr(reserved)


def test_what_is_out_already_is_paid_by_the_broker_without_the_site(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    take = PaywordTill.take

    def taken(till: PaywordTill, *args: Any, **named: Any) -> Taken:
        return msgspec.structs.replace(take(till, *args, **named), delivered=True)

    monkeypatch.setattr(PaywordTill, "take", taken)
    shop, buyer, broker = opened()
    payment = buyer.pay()
    answer = shop.get(payment.header)
    assert (answer.status, answer.body, shop.visits) == (200, b"", [])
    assert broker.paid_micro == PRICE_MICRO
    assert shop.get(payment.header) == answer
