import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from farthing.broker import journal
from farthing.broker.operations import LAPSE_RETRY_S
from farthing.broker.reservations import RESERVED_S
from farthing.broker.settling import AlreadyCaptured, Payment, ReservationVoid, Settled
from farthing.errors import (
    Busy,
    Expired,
    Forged,
    OutOfRange,
    Replayed,
    Underpaid,
    Unfunded,
    Unknown,
    Unsupported,
)
from farthing.ledger import accounts
from tests.unit.broker.coupon import KEPT_S, LIFE_S
from tests.unit.broker.desk import Desk, with_desk

Talk = Callable[[Desk, dict[str, Any]], Awaitable[None]]


def with_coupon(path: Path, talk: Talk) -> None:
    """A vendor v7 with 10 % commission, and a coupon of 300 bought by alice."""

    async def prepared(desk: Desk) -> None:
        await desk.open("alice")
        await desk.open("v7", role="vendor", commission_e4=1_000)
        await desk.open("v8", role="vendor")
        await desk.top_up("alice", 1_000, "bank-1")
        await talk(desk, await desk.coupon("alice", 300, "k1"))

    with_desk(path, prepared)


def of(coupon: dict[str, Any], charge: int = 300) -> Payment:
    return Payment(scheme="coupon", payload=coupon, amount_micro=charge)


def tab(index: int, charge: int) -> Payment:
    payload = {"payer": "alice", "index": index}
    return Payment(scheme="tab", payload=payload, amount_micro=charge)


def test_settle_pays_the_vendor_less_commission_and_repeats_its_answer(tmp_path: Path) -> None:
    async def talk(desk: Desk, coupon: dict[str, Any]) -> None:
        settling, v7 = desk.engine.settling, desk.account("v7")
        first = await settling.settle(of(coupon), v7)
        assert (first.amount_micro, first.reservation) == (300, 0)
        assert first.for_payer == {"thanks": coupon["id"]}
        assert await settling.settle(of(coupon), v7) == first
        assert await settling.settle(of(coupon), v7, "void") == first
        assert desk.balance(accounts.vendor("v7")) == -270
        assert desk.balance(accounts.COMMISSION) == -30

    with_coupon(tmp_path, talk)


def test_what_is_decided_in_batches_only_is_neither_settled_nor_reserved(tmp_path: Path) -> None:
    async def talk(desk: Desk, _: dict[str, Any]) -> None:
        settling, v7 = desk.engine.settling, desk.account("v7")
        last = tab(5, 5)
        last.payload["closing"] = True
        before = desk.balances()
        for step in (settling.verify, settling.settle):
            with pytest.raises(Unsupported, match="settle_unsupported"):
                await step(last, v7)
        with pytest.raises(Unsupported, match="settle_unsupported"):
            await settling.settle(last, v7, "void")
        assert desk.balances() == before

    with_coupon(tmp_path, talk)


def test_verify_moves_nothing(tmp_path: Path) -> None:
    async def talk(desk: Desk, coupon: dict[str, Any]) -> None:
        settling, v7 = desk.engine.settling, desk.account("v7")
        before = desk.balances()
        assert (await settling.verify(of(coupon), v7)).paid_micro == 300
        assert desk.balances() == before
        with pytest.raises(Forged):
            await settling.verify(of(coupon | {"micro": 301}), v7)
        await settling.settle(of(coupon), v7)

    with_coupon(tmp_path, talk)


def test_reserve_holds_the_money_and_capture_pays_it(tmp_path: Path) -> None:
    async def talk(desk: Desk, coupon: dict[str, Any]) -> None:
        settling, v7 = desk.engine.settling, desk.account("v7")
        reserved = await settling.settle(of(coupon), v7, "void")
        assert reserved.reservation == 1
        assert reserved.for_payer is None
        assert desk.balance(accounts.hold(reserved.tx)) == -300
        assert desk.balance(accounts.vendor("v7")) == 0
        assert desk.audit().schemes["coupon"].reserved_micro == 300
        assert await settling.settle(of(coupon), v7, "void") == reserved
        captured = await settling.capture(reserved.tx, 1, v7)
        assert captured.for_payer == {"thanks": coupon["id"]}
        assert await settling.capture(reserved.tx, 1, v7) == captured
        assert desk.balance(accounts.hold(reserved.tx)) == 0
        assert desk.balance(accounts.vendor("v7")) == -270
        assert desk.audit().schemes["coupon"].redeemed_micro == 300
        with pytest.raises(AlreadyCaptured):
            await settling.void(reserved.tx, 1, v7)

    with_coupon(tmp_path, talk)


def test_void_frees_everything_and_the_next_reservation_has_the_next_number(
    tmp_path: Path,
) -> None:
    async def talk(desk: Desk, coupon: dict[str, Any]) -> None:
        settling, v7 = desk.engine.settling, desk.account("v7")
        before = {name: micro for name, micro in desk.balances().items() if micro}
        first = await settling.settle(of(coupon), v7, "void")
        await settling.void(first.tx, 1, v7)
        await settling.void(first.tx, 1, v7)
        assert {name: micro for name, micro in desk.balances().items() if micro} == before
        with pytest.raises(ReservationVoid):
            await settling.capture(first.tx, 1, v7)
        second = await settling.settle(of(coupon), v7, "void")
        assert (second.tx, second.reservation) == (first.tx, 2)
        await settling.void(first.tx, 1, v7)
        with pytest.raises(ReservationVoid):
            await settling.capture(first.tx, 1, v7)
        await settling.capture(second.tx, 2, v7)

    with_coupon(tmp_path, talk)


def test_another_payment_on_held_marks_is_busy_then_replayed(tmp_path: Path) -> None:
    async def talk(desk: Desk, coupon: dict[str, Any]) -> None:
        settling, v7, v8 = desk.engine.settling, desk.account("v7"), desk.account("v8")
        reserved = await settling.settle(of(coupon), v7, "void")
        with pytest.raises(Busy):
            await settling.settle(of(coupon), v8, "void")
        run = desk.engine.operations.run
        with pytest.raises(Busy):
            await run("coupon", "take_back", coupon, desk.account("alice"), "k2")
        await settling.capture(reserved.tx, 1, v7)
        with pytest.raises(Replayed):
            await settling.settle(of(coupon), v8, "void")
        with pytest.raises(Replayed):
            await run("coupon", "take_back", coupon, desk.account("alice"), "k2")

    with_coupon(tmp_path, talk)


@pytest.mark.parametrize(("at_end", "earned"), [("void", 0), ("capture", 270)])
def test_a_reservation_ends_by_itself_as_it_was_told(
    tmp_path: Path, at_end: Any, earned: int
) -> None:
    async def talk(desk: Desk, coupon: dict[str, Any]) -> None:
        settling, v7 = desk.engine.settling, desk.account("v7")
        reserved = await settling.settle(of(coupon), v7, at_end)
        desk.now_s += RESERVED_S - 1
        assert await desk.engine.tick() == 0
        desk.now_s += 1
        assert await desk.engine.tick() == 1
        assert desk.balance(accounts.vendor("v7")) == -earned
        if at_end == "void":
            with pytest.raises(ReservationVoid):
                await settling.capture(reserved.tx, 1, v7)
        else:
            assert (await settling.capture(reserved.tx, 1, v7)).amount_micro == 300

    with_coupon(tmp_path, talk)


def test_a_lapsed_reservation_is_no_longer_busy_for_others(tmp_path: Path) -> None:
    async def talk(desk: Desk, coupon: dict[str, Any]) -> None:
        settling, v7, v8 = desk.engine.settling, desk.account("v7"), desk.account("v8")
        await settling.settle(of(coupon), v7, "void")
        desk.now_s += RESERVED_S
        assert (await settling.settle(of(coupon), v8)).amount_micro == 300
        with pytest.raises(Replayed):
            await settling.settle(of(coupon), v7, "void")

    with_coupon(tmp_path, talk)


@pytest.mark.parametrize(("ahead_s", "ended"), [(RESERVED_S, 0), (RESERVED_S + 1, 1)])
def test_a_clock_that_was_ahead_holds_nothing_for_longer(
    tmp_path: Path, ahead_s: int, ended: int
) -> None:
    async def talk(desk: Desk, coupon: dict[str, Any]) -> None:
        settling, v7 = desk.engine.settling, desk.account("v7")
        desk.now_s += ahead_s
        reserved = await settling.settle(of(coupon), v7, "void")
        desk.now_s -= ahead_s
        assert await desk.engine.tick() == ended, "a small step back ends nothing"
        if ended:
            with pytest.raises(ReservationVoid):
                await settling.capture(reserved.tx, 1, v7)
            assert (await settling.settle(of(coupon), v7)).amount_micro == 300

    with_coupon(tmp_path, talk)


def test_settle_without_reserve_captures_what_was_reserved(tmp_path: Path) -> None:
    async def talk(desk: Desk, coupon: dict[str, Any]) -> None:
        settling, v7 = desk.engine.settling, desk.account("v7")
        reserved = await settling.settle(of(coupon), v7, "void")
        settled = await settling.settle(of(coupon), v7)
        assert settled == await settling.capture(reserved.tx, 1, v7)

    with_coupon(tmp_path, talk)


def test_a_smaller_capture_gives_the_rest_back_to_the_account(tmp_path: Path) -> None:
    async def talk(desk: Desk, coupon: dict[str, Any]) -> None:
        settling, v7 = desk.engine.settling, desk.account("v7")
        reserved = await settling.settle(tab(500, 400), v7, "void")
        assert desk.balance(accounts.payer("alice")) == -200
        with pytest.raises(OutOfRange):
            await settling.capture(reserved.tx, 1, v7, 501)
        await settling.capture(reserved.tx, 1, v7, 400)
        with pytest.raises(OutOfRange):
            await settling.capture(reserved.tx, 1, v7, 399)
        assert desk.balance(accounts.payer("alice")) == -300
        assert desk.balance(accounts.vendor("v7")) == -360

    with_coupon(tmp_path, talk)


def test_a_coupon_is_not_cut(tmp_path: Path) -> None:
    async def talk(desk: Desk, coupon: dict[str, Any]) -> None:
        settling, v7 = desk.engine.settling, desk.account("v7")
        reserved = await settling.settle(of(coupon), v7, "void")
        with pytest.raises(OutOfRange):
            await settling.capture(reserved.tx, 1, v7, 299)
        await settling.capture(reserved.tx, 1, v7)

    with_coupon(tmp_path, talk)


def test_refusals_change_nothing(tmp_path: Path) -> None:
    async def talk(desk: Desk, coupon: dict[str, Any]) -> None:
        settling, v7, v8 = desk.engine.settling, desk.account("v7"), desk.account("v8")
        before = desk.committer.read(lambda db: [*journal.rows(db)])
        with pytest.raises(Underpaid):
            await settling.settle(of(coupon, 301), v7)
        with pytest.raises(Unfunded):
            await settling.settle(tab(701, 1), v7, "void")
        reserved = await settling.settle(of(coupon), v7, "void")
        with pytest.raises(Unknown):
            await settling.capture(reserved.tx, 1, v8)
        with pytest.raises(Unknown):
            await settling.void("tx_nothing", 1, v7)
        await settling.void(reserved.tx, 1, v7)
        after = desk.committer.read(lambda db: [*journal.rows(db)])
        assert after[: len(before)] == before
        assert len(after) == len(before) + 2

    with_coupon(tmp_path, talk)


def test_a_used_up_mark_is_refused_when_reserving_not_when_capturing(tmp_path: Path) -> None:
    async def talk(desk: Desk, coupon: dict[str, Any]) -> None:
        settling = desk.engine.settling
        cheque = {"payer": "alice", "id": "1", "micro": 50}
        payment = Payment(scheme="cheque", payload=cheque, amount_micro=50)
        await settling.settle(payment, desk.account("v7"))
        with pytest.raises(Replayed):
            await settling.settle(payment, desk.account("v8"), "void")

    with_coupon(tmp_path, talk)


def test_what_is_reserved_does_not_lapse_under_it(tmp_path: Path) -> None:
    async def talk(desk: Desk, coupon: dict[str, Any]) -> None:
        settling, v7 = desk.engine.settling, desk.account("v7")
        desk.now_s += LIFE_S - 10
        await desk.coupon("alice", 300, "another, which stays outstanding")
        reserved = await settling.settle(of(coupon), v7, "void")
        desk.now_s += 20
        await desk.engine.tick()
        assert desk.balance(accounts.BREAKAGE) == 0
        await settling.capture(reserved.tx, 1, v7)
        desk.now_s += LAPSE_RETRY_S
        await desk.engine.tick()
        assert desk.balance(accounts.BREAKAGE) == 0
        assert desk.balance(accounts.vendor("v7")) == -270

    with_coupon(tmp_path, talk)


def test_what_lapsed_under_no_reservation_any_more_is_tried_again(tmp_path: Path) -> None:
    async def talk(desk: Desk, coupon: dict[str, Any]) -> None:
        desk.now_s += LIFE_S - 10
        await desk.engine.settling.settle(of(coupon), desk.account("v7"), "void")
        desk.now_s += 20
        await desk.engine.tick()
        desk.now_s += LAPSE_RETRY_S
        await desk.engine.tick()
        assert desk.balance(accounts.BREAKAGE) == -300

    with_coupon(tmp_path, talk)


def test_credit_that_is_repaid_under_a_reservation_comes_back_as_money(tmp_path: Path) -> None:
    async def talk(desk: Desk, coupon: dict[str, Any]) -> None:
        await desk.open("bob", credit_limit_micro=100)
        settling, v7 = desk.engine.settling, desk.account("v7")
        asked = Payment(scheme="tab", payload={"payer": "bob", "index": 60}, amount_micro=60)
        await settling.settle(asked, v7, "void")
        assert desk.balance(accounts.credit("bob")) == 60
        await desk.top_up("bob", 90, "bank-bob")
        assert desk.balance(accounts.credit("bob")) == 0
        desk.now_s += RESERVED_S
        await desk.engine.tick()
        assert desk.balance(accounts.payer("bob")) == -90
        assert desk.balance(accounts.credit("bob")) == 0

    with_coupon(tmp_path, talk)


def test_thirty_two_at_once_on_one_coupon_pay_once(tmp_path: Path) -> None:
    async def talk(desk: Desk, coupon: dict[str, Any]) -> None:
        callers = [desk.account("v7"), desk.account("v8")] * 16
        outcomes = await asyncio.gather(
            *(desk.engine.settling.settle(of(coupon), caller, "void") for caller in callers),
            return_exceptions=True,
        )
        won = {outcome.tx for outcome in outcomes if isinstance(outcome, Settled)}
        assert len(won) == 1
        assert sum(isinstance(outcome, Busy) for outcome in outcomes) == 16
        (tx,) = won
        captures = await asyncio.gather(
            *(desk.engine.settling.capture(tx, 1, callers[0]) for _ in range(32)),
            return_exceptions=True,
        )
        assert len({repr(outcome) for outcome in captures}) == 1
        earned = desk.balance(accounts.vendor("v7")) + desk.balance(accounts.vendor("v8"))
        assert earned + desk.balance(accounts.COMMISSION) == -300

    with_coupon(tmp_path, talk)


def test_one_reservation_that_cannot_be_ended_stops_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is tried again, and ends as soon as it can."""

    async def talk(desk: Desk, coupon: dict[str, Any]) -> None:
        settling, v7, v8 = desk.engine.settling, desk.account("v7"), desk.account("v8")
        stuck = await settling.settle(of(coupon), v7, "capture")
        post = desk.engine.books.post

        def refuse(connection: Any, cause: tuple[str, ...], *rest: Any, **named: Any) -> None:
            if stuck.tx in cause:
                raise Replayed("request_already_done", "so the journal says")
            post(connection, cause, *rest, **named)

        monkeypatch.setattr(desk.engine.books, "post", refuse)
        other = await desk.coupon("alice", 300, "k2")
        desk.now_s += RESERVED_S
        assert (await settling.settle(of(other), v8)).amount_micro == 300
        assert await desk.engine.tick() == 0, "put off"
        monkeypatch.undo()
        assert desk.balance(accounts.hold(stuck.tx)) == -300
        desk.now_s += RESERVED_S
        await desk.engine.tick()
        assert desk.balance(accounts.hold(stuck.tx)) == 0
        assert desk.balance(accounts.vendor("v7")) == -270

    with_coupon(tmp_path, talk)


def test_a_finished_transaction_is_forgotten_after_its_marks_time(tmp_path: Path) -> None:
    async def talk(desk: Desk, coupon: dict[str, Any]) -> None:
        settling, v7 = desk.engine.settling, desk.account("v7")
        settled = await settling.settle(of(coupon), v7)
        desk.now_s += KEPT_S
        while await desk.engine.tick():
            pass
        assert await settling.settle(of(coupon), v7) == settled
        desk.now_s += 1
        while await desk.engine.tick():
            pass
        with pytest.raises(Expired):
            await settling.settle(of(coupon), v7)

    with_coupon(tmp_path, talk)
