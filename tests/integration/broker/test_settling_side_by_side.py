"""Many payments draw on one record: they are reserved at the same time, and none waits."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from farthing.broker import facts
from farthing.broker.reservations import RESERVED_S
from farthing.broker.settling import Payment, Settled
from farthing.errors import Overlimit, Unsupported
from farthing.ledger import accounts
from farthing.marks import Keys
from tests.unit.broker.coupon import LAPSES_AT_S, NOT_RESERVED_MICRO, POT
from tests.unit.broker.desk import Desk
from tests.unit.broker.test_settling import with_coupon


def from_pot(number: int, micro: int = 10) -> Payment:
    payload = {"id": str(number), "micro": micro}
    return Payment(scheme="pot", payload=payload, amount_micro=micro)


async def fill(desk: Desk, micro: int) -> None:
    await desk.engine.operations.run("pot", "issue", {"micro": micro}, desk.account("alice"), "f")


def left_in_pot(desk: Desk) -> int:
    found = desk.committer.read(lambda db: facts.read(db, Keys(records=(POT,))))
    return int(found.records[POT])


def test_payments_on_one_pot_are_reserved_side_by_side_and_never_more_than_is_in_it(
    tmp_path: Path,
) -> None:
    async def talk(desk: Desk, coupon: dict[str, Any]) -> None:
        settling, v7 = desk.engine.settling, desk.account("v7")
        await fill(desk, 300)
        outcomes = await asyncio.gather(
            *(settling.settle(from_pot(number), v7, "void") for number in range(32)),
            return_exceptions=True,
        )
        reserved = [outcome for outcome in outcomes if isinstance(outcome, Settled)]
        assert len(reserved) == 30
        assert {type(o) for o in outcomes if not isinstance(o, Settled)} == {Overlimit}
        assert left_in_pot(desk) == 0
        for settled in reserved[::2]:
            await settling.void(settled.tx, 1, v7)
        assert left_in_pot(desk) == 150
        await settling.settle(from_pot(99, 150), v7)
        for settled in reserved[1::2]:
            await settling.capture(settled.tx, 1, v7)
        assert left_in_pot(desk) == 0
        assert desk.balance(accounts.vendor("v7")) == -270
        assert not [name for name in desk.balances() if name.startswith("liability/hold/")]

    with_coupon(tmp_path, talk)


def test_others_buy_into_a_pot_while_it_is_reserved_from(tmp_path: Path) -> None:
    async def talk(desk: Desk, coupon: dict[str, Any]) -> None:
        settling, v7 = desk.engine.settling, desk.account("v7")
        await fill(desk, 100)
        reserved = await settling.settle(from_pot(1, 100), v7, "void")
        run = desk.engine.operations.run
        await run("pot", "issue", {"micro": 50}, desk.account("alice"), "more")
        assert left_in_pot(desk) == 50
        await settling.void(reserved.tx, 1, v7)
        assert left_in_pot(desk) == 150

    with_coupon(tmp_path, talk)


def test_a_reservation_that_nobody_ends_goes_back_to_the_pot(tmp_path: Path) -> None:
    async def talk(desk: Desk, coupon: dict[str, Any]) -> None:
        await fill(desk, 100)
        await desk.engine.settling.settle(from_pot(1, 100), desk.account("v7"), "void")
        desk.now_s += RESERVED_S
        await desk.engine.tick()
        assert left_in_pot(desk) == 100
        assert desk.audit().schemes["pot"].outstanding_micro == 100

    with_coupon(tmp_path, talk)


def test_what_goes_back_to_a_pot_after_its_end_lapses_as_well(tmp_path: Path) -> None:
    async def talk(desk: Desk, coupon: dict[str, Any]) -> None:
        await fill(desk, 100)
        desk.now_s = LAPSES_AT_S - 1
        await desk.engine.settling.settle(from_pot(1, 60), desk.account("v7"), "void")
        desk.now_s += 2
        while await desk.engine.tick():
            pass
        assert desk.audit().schemes["pot"].expired_micro == 40
        desk.now_s += RESERVED_S
        while await desk.engine.tick():
            pass
        assert desk.audit().schemes["pot"].expired_micro == 100

    with_coupon(tmp_path, talk)


def test_what_could_not_be_put_back_is_not_reserved(tmp_path: Path) -> None:
    async def talk(desk: Desk, coupon: dict[str, Any]) -> None:
        settling, v7 = desk.engine.settling, desk.account("v7")
        await fill(desk, 100)
        with pytest.raises(Unsupported):
            await settling.settle(from_pot(1, NOT_RESERVED_MICRO), v7, "void")
        assert left_in_pot(desk) == 100
        await settling.settle(from_pot(1, NOT_RESERVED_MICRO), v7)

    with_coupon(tmp_path, talk)
