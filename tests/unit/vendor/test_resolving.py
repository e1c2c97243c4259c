"""Holds that a crash left behind are ended by whoever asks for them, the broker's word included."""

import pytest

from farthing import marks
from farthing.errors import Broken, Busy, HoldLost, Refusal, Unavailable, Undecided
from farthing.schemes.chain.payword import FAMILY
from farthing.schemes.contract import Dialect, Key
from farthing.vendor.booking import read_kept, read_outcome
from farthing.vendor.commands import Answer, AskOrigin
from farthing.vendor.offering import CHALLENGE_KEY
from farthing.vendor.resolving import LEASE_S, Begun
from farthing.wire import receipts
from farthing.wire.offers import Credential
from tests.kit.shop import (
    PRICE_MICRO,
    ROUTE,
    SCHEMES,
    WAYS,
    Buyer,
    Payment,
    Shop,
    Walking,
    asking,
    code_of,
    is_released,
    receipt_in,
)
from tests.unit.vendor.test_reserving import Facilitator

BEFORE = ROUTE + 'clearing = "before"\n'
HOLD_S = 60
COMMANDS_MAX = 30  # more than any walk here has
every_scheme = pytest.mark.parametrize("scheme", SCHEMES)
every_way = pytest.mark.parametrize(("scheme", "dialect"), WAYS)


def opened(scheme: str) -> tuple[Shop, Buyer, Facilitator]:
    shop, broker = Shop(BEFORE), Facilitator()
    shop.broker = broker
    return shop, Buyer(shop, scheme), broker


def cut(shop: Shop, payment: Payment, commands: int) -> bool:
    """The process dies after so many commands; whether the walk had ended."""
    walking = shop.start(payment.header)
    ended = walking.go(commands) is not None
    walking.drop()
    shop.restart()
    return ended


def ask(shop: Shop, payment: Payment) -> Answer:
    return shop.outcome({"k": payment.k, "payload": payment.payload})


def state_in(answer: Answer) -> str:
    """What the outcome door says, in a word."""
    body = answer.body or b""
    return code_of(answer) or next(
        word for word in ("confirmed", "released") if f'"state":"{word}"'.encode() in body
    )


def end(shop: Shop, found: marks.Payment) -> object:
    """What `end` returns."""
    walk = shop.gate.resolving.end(found, shop.clock.at())
    answer: object = None
    try:
        while True:
            command = walk.send(answer) if answer is not None else next(walk)
            answer = shop.carry_out(command) or ()
    except StopIteration as ended:
        return ended.value


class Ending:
    """A walk of `end`, a few commands at a time."""

    def __init__(self, shop: Shop, found: marks.Payment) -> None:
        self._shop = shop
        self._walk = shop.gate.resolving.end(found, shop.clock.at())
        self._answer: object = None
        self._wrong: Exception | None = None
        self._is_over = False

    def go(self, commands: int = COMMANDS_MAX) -> bool:
        """Whether it has come to its end, or refused."""
        for _ in range(commands):
            if self._is_over:
                break
            try:
                if self._wrong is not None:
                    command = self._walk.throw(self._wrong)
                else:
                    command = self._walk.send(self._answer)
            except (StopIteration, Refusal):
                self._is_over = True
                break
            self._answer = self._wrong = None
            try:
                self._answer = self._shop.carry_out(command)
            except Refusal as wrong:
                self._wrong = wrong
        return self._is_over


def held(shop: Shop, payment: Payment) -> tuple[Walking, marks.Payment]:
    """A payment whose origin is being asked."""
    slow = shop.start(payment.header)
    slow.until(AskOrigin)
    found = shop.find(payment.k)
    assert found is not None
    return slow, found


@every_scheme
def test_a_hold_that_clears_later_is_released_under_a_new_fence(scheme: str) -> None:
    shop = Shop()
    slow, found = held(shop, Buyer(shop, scheme).pay())
    shop.clock.now_s = found.lease_until_s
    assert end(shop, found) is None
    ended = shop.find(found.k)
    assert ended is not None
    assert ended.fence > found.fence
    assert ended.state == "released"
    answer = slow.go()
    assert answer is not None
    assert answer.status == 409, "the answer under the old fence is dropped"


@every_scheme
def test_whoever_is_quicker_what_the_broker_has_paid_is_confirmed(scheme: str) -> None:
    """The first attempt goes on at any moment while its hold, which is over, is ended."""
    raced = 0
    for before in range(1, COMMANDS_MAX):
        for between in range(COMMANDS_MAX):
            shop, buyer, broker = opened(scheme)
            payment = buyer.pay()
            slow = shop.start(payment.header)
            if slow.go(before) is not None:
                assert raced > COMMANDS_MAX
                return
            found = shop.find(payment.k)
            if found is None or found.state != "held":
                break
            shop.clock.now_s += HOLD_S
            ending = Ending(shop, found)
            is_over = ending.go(between)
            slow.go()
            ending.go()
            ended = shop.find(payment.k)
            assert ended is not None
            paid = broker.paid_micro == PRICE_MICRO
            assert (ended.state, paid) in {("confirmed", True), ("released", False)}
            raced += 1
            if is_over:
                break


def test_a_void_that_nobody_answers_ends_no_hold() -> None:
    """The capture may be on its way yet."""
    shop, buyer, broker = opened("millicent")
    payment = buyer.pay()
    held(shop, payment)
    shop.clock.now_s += HOLD_S
    broker.faults["void"] = [Unavailable("broker_unreachable")]
    assert state_in(ask(shop, payment)) == "outcome_unknown"
    shop.clock.now_s += LEASE_S
    assert state_in(ask(shop, payment)) == "released"


def test_a_hold_that_was_confirmed_meanwhile_has_its_outcome() -> None:
    shop = Shop()
    payment = Buyer(shop, "millicent").pay()
    slow, found = held(shop, payment)
    slow.go()
    confirmed = shop.find(payment.k)
    assert confirmed is not None
    assert end(shop, found) == read_outcome(confirmed.outcome)


@every_way
def test_killed_at_any_command_the_door_alone_says_what_became_of_it(
    scheme: str, dialect: Dialect
) -> None:
    for commands in range(1, COMMANDS_MAX):
        shop, buyer, broker = opened(scheme)
        payment = buyer.pay(dialect)
        if cut(shop, payment, commands):
            return
        shop.clock.now_s += HOLD_S
        state = state_in(ask(shop, payment))
        paid_micro = broker.paid_micro
        assert paid_micro == (PRICE_MICRO if state == "confirmed" else 0), commands
        assert "reserved" not in broker.state.values(), "nothing stays frozen"
        assert shop.earned_micro() == paid_micro, "the report knows"
        if state == "outcome_absent":
            continue
        assert state_in(ask(shop, payment)) == state
        answer = shop.get(payment.header)
        assert answer.status == 200, commands
        assert broker.paid_micro == PRICE_MICRO
        receipt = receipt_in(answer)
        assert receipt is not None
        if scheme == "millicent":
            assert receipt.change["valueMicro"] == 800
    raise AssertionError("the walk never ended")


@every_way
def test_what_the_broker_paid_before_a_crash_is_confirmed_with_its_receipt(
    scheme: str, dialect: Dialect
) -> None:
    shop, buyer, broker = opened(scheme)
    payment = buyer.pay(dialect)
    walking = shop.start(payment.header)
    walking.until(marks.Confirm)
    walking.drop()
    shop.restart()
    assert broker.paid_micro == PRICE_MICRO
    shop.clock.now_s += HOLD_S
    assert state_in(ask(shop, payment)) == "confirmed"
    receipt = receipt_in(shop.get(payment.header))
    assert receipt is not None
    assert (receipt.settlement, receipt.amount_micro) == ("final", PRICE_MICRO)
    key = buyer.purse.receipt_key(payment.paid.spent)
    if key:
        receipts.verify(receipt, mac_key=key)
    assert shop.claims(scheme) == []


@pytest.mark.parametrize("wrong", [Unavailable("broker_unreachable"), Busy("mark_held")])
def test_a_payment_sent_again_is_not_let_go_while_the_broker_may_have_paid_it(
    wrong: Refusal,
) -> None:
    shop, buyer, broker = opened("millicent")
    payment = buyer.pay()
    walking = shop.start(payment.header)
    walking.until(marks.Confirm)
    walking.drop()
    assert broker.paid_micro == PRICE_MICRO
    shop.clock.now_s += HOLD_S
    broker.faults["settle"] = [wrong]
    answer = shop.get(payment.header)
    assert code_of(answer) == "outcome_unknown"
    assert not is_released(answer)
    shop.clock.now_s += HOLD_S
    assert receipt_in(shop.get(payment.header)) is not None
    assert state_in(ask(shop, payment)) == "confirmed"


def test_a_payment_that_is_ended_later_keeps_its_idempotency_key() -> None:
    shop, buyer, _ = opened("payword")
    payment = buyer.pay()
    key = ("Idempotency-Key", "order-1")
    slow = shop.start(payment.header, key)
    slow.until(marks.Confirm)
    slow.drop()
    shop.clock.now_s += HOLD_S
    assert state_in(ask(shop, payment)) == "confirmed"
    other = buyer.pay(instrument=payment.paid.after)
    assert code_of(shop.get(other.header, key)) == "idempotency_key_reused"


@pytest.mark.parametrize("wrong", [Undecided("outcome_unknown"), Unavailable("broker_unreachable")])
def test_while_the_broker_does_not_say_nobody_does(wrong: Refusal) -> None:
    shop, buyer, broker = opened("millicent")
    payment = buyer.pay()
    cut(shop, payment, 5)
    shop.clock.now_s += HOLD_S
    broker.faults["settle"] = [wrong]
    assert state_in(ask(shop, payment)) == "outcome_unknown"
    assert state_in(ask(shop, payment)) == "in_progress"
    shop.clock.now_s += LEASE_S
    assert state_in(ask(shop, payment)) == "released"


def test_what_the_broker_refuses_for_good_is_released() -> None:
    shop, buyer, broker = opened("payword")
    payment = buyer.pay()
    cut(shop, payment, 5)
    shop.clock.now_s += HOLD_S
    extra = {"refusal": "Replayed", "code": "claim_already_paid"}
    broker.faults["settle"] = [{"success": False, "errorReason": "x", "extra": extra}]
    assert state_in(ask(shop, payment)) == "released"


def test_a_payment_that_cannot_be_taken_again_stays_undecided() -> None:
    shop, buyer, _ = opened("millicent")
    payment = buyer.pay()
    cut(shop, payment, 5)
    shop.clock.now_s += HOLD_S
    shop.ring.add(Key(id="2", purpose=CHALLENGE_KEY, secret=bytes(32)))
    shop.ring.revoke(CHALLENGE_KEY, "1")
    assert state_in(ask(shop, payment)) == "outcome_unknown"


@pytest.mark.parametrize("door", ["status", "page"])
def test_what_was_revoked_after_it_was_paid_is_ended_all_the_same(door: str) -> None:
    shop, buyer, broker = opened("payword")
    payment = buyer.pay()
    walking = shop.start(payment.header)
    walking.until(marks.Confirm)
    walking.drop()
    assert broker.paid_micro == PRICE_MICRO
    certificate = payment.payload["commitment"]["certificate"]
    listed = marks.Put(key=FAMILY.revoked_key(certificate["serial"]), value=b"", until_s=2**40)
    hold = marks.Hold(
        k="list/payword/1",
        digest=bytes(32),
        marks=(),
        kept=b"",
        now_s=0,
        lease_until_s=0,
        until_s=2**40,
    )
    shop.store.do_now(marks.Take(hold=hold, outcome=b"", records=(listed,)))
    shop.clock.now_s += HOLD_S
    if door == "status":
        assert state_in(ask(shop, payment)) == "confirmed"
    assert shop.get(payment.header).status == 200
    assert broker.paid_micro == PRICE_MICRO


def test_what_is_kept_of_a_payment_cannot_be_read_off_the_disk() -> None:
    shop, buyer, _ = opened("millicent")
    payment = buyer.pay()
    cut(shop, payment, 5)
    found = shop.find(payment.k)
    assert found is not None
    begun = read_kept(found.kept).begun
    assert begun
    assert payment.payload["scrip"]["cert"].encode() not in begun
    assert payment.payload["sig"].encode() not in begun
    credential = Credential(
        dialect="mpp",
        k="k",
        wire_name="millicent",
        variant="",
        payload=begun,
        offer=None,
        echo=None,
    )
    shown = repr(
        Begun(credential=credential, request=asking(), route=shop.book.routes[0].route, at_s=1)
    )
    assert shown == "Begun(1)"


@pytest.mark.parametrize("wrong", [Broken("disk_full"), HoldLost("hold_lost")])
def test_a_confirm_that_fails_after_the_broker_was_paid_lets_nothing_go(wrong: Refusal) -> None:
    shop, buyer, broker = opened("millicent")
    payment = buyer.pay()
    walking = shop.start(payment.header)
    walking.until(marks.Confirm)
    assert broker.paid_micro == PRICE_MICRO
    answer = walking.throw(wrong)
    assert answer is not None
    assert not is_released(answer), "the money is gone; the same payment goes on from here"
    shop.clock.now_s += HOLD_S
    assert shop.get(payment.header).status == 200
    assert broker.paid_micro == PRICE_MICRO


def test_while_the_broker_says_that_it_is_at_it_nothing_is_let_go() -> None:
    shop, buyer, broker = opened("millicent")
    payment = buyer.pay()
    pending = {"success": False, "transaction": "", "errorReason": "settlement_pending"}
    broker.faults["capture"] = [pending] * 2
    answer = shop.get(payment.header)
    assert code_of(answer) == "outcome_unknown"
    assert not is_released(answer)
    broker.faults.clear()
    shop.clock.now_s += HOLD_S
    assert shop.get(payment.header).status == 200
    assert broker.paid_micro == PRICE_MICRO
