"""When a stream is paid for, how much at once, and when no more."""

import threading
from pathlib import Path
from typing import Any

import pytest

from farthing.errors import Unavailable
from farthing.wallet import paying as module
from farthing.wallet.commands import Purchase, Request
from farthing.wallet.paying import Paying
from farthing.wallet.policy import Limits
from farthing.wallet.streams import Opened, open_stream, pay_on
from tests.unit.wallet.gate_town import PRICE_MICRO, town
from tests.unit.wallet.world import World, get

STREAM = f'[[route]]\npath = "/file"\nprice = "{PRICE_MICRO}u"\nper = "1kB"\ngrace = 8\n'
WAIT_S = 20  # for a thread of this process
A_LOT = 2**40


class Desk:
    """A driver over a world, whose vouchers are seen as they go out."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.guide = world.guide()
        self.counts: list[int] = []
        self.paid = threading.Condition()
        self.fails = False
        self.store = world.store
        self.left = threading.Event()
        self.hang_up = self.left.set

    def session(self) -> "Desk":
        return self

    def __enter__(self) -> "Desk":
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def answer(self, command: Any) -> Any:
        return self.world.answer(command)

    def deliver(self, purchase: Purchase) -> None:
        self.world.store.deliver(purchase)

    def wait_for(self, count: int) -> None:
        """Until so many vouchers are out."""
        with self.paid:
            assert self.paid.wait_for(lambda: len(self.counts) >= count, WAIT_S)


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    world = town(tmp_path, "tick")
    world.site.open("tick", more=STREAM)
    world.limits = Limits(per_payment_micro=10**6, per_site_day_micro=10**7, per_day_micro=10**7)
    desk = Desk(world)

    def seen(guide: Any, request: Request, opened: Opened, ticks: int) -> Any:
        if desk.fails:
            raise Unavailable("voucher_not_taken")
        made = yield from pay_on(guide, request, opened, ticks)
        with desk.paid:
            desk.counts.append(ticks)
            desk.paid.notify()
        return made

    monkeypatch.setattr(module, "pay_on", seen)
    return desk


def paying_on(desk: Desk, *, most_micro: int = A_LOT, needed: int = A_LOT) -> Paying:
    opened = desk.world.run(open_stream(desk.guide, get("/file")))
    driver: Any = desk
    return Paying(driver, get("/file"), opened, most_micro, needed, desk.hang_up)


def test_nothing_is_paid_before_a_tick_is_owed_and_then_ever_more_ahead(desk: Desk) -> None:
    with paying_on(desk) as paying:
        paying.came(1, 1 - 1)
        assert desk.counts == []
        for number, begun in enumerate((2, 4, 7, 12, 21), start=1):
            paying.came(begun, begun - 1)
            desk.wait_for(number)
    assert desk.counts == [2, 3, 5, 9, 9], "1, 2, 4, 8 and 8 ahead"
    assert (paying.ticks, paying.vouchers, paying.refusal) == (29, 5, None)
    assert desk.world.site.earned_micro() == 29 * PRICE_MICRO == paying.paid_micro


def test_what_is_owed_at_the_end_is_paid(desk: Desk) -> None:
    with paying_on(desk, needed=19) as paying:
        paying.came(19, 19 - 1)
    assert paying.ticks == 19


def test_a_voucher_pays_64_ticks_at_most_and_no_more_than_the_budget_of_a_payment(
    desk: Desk,
) -> None:
    with paying_on(desk, needed=100) as paying:
        paying.came(100, 100 - 1)
    assert max(desk.counts) == 64
    desk.counts.clear()
    desk.world.limits = Limits(per_payment_micro=3 * PRICE_MICRO, per_site_day_micro=10**7)
    desk.guide = desk.world.guide()
    with paying_on(desk, needed=10) as paying:
        paying.came(10, 10 - 1)
    assert desk.counts == [3, 3, 3]


def test_nothing_is_paid_above_the_payers_limit(desk: Desk) -> None:
    with paying_on(desk, most_micro=5 * PRICE_MICRO) as paying:
        paying.came(40, 40 - 1)
    assert (paying.ticks, paying.ended, paying.refusal) == (5, True, None)


def test_a_vendor_who_asks_is_paid_within_the_grace(desk: Desk) -> None:
    with paying_on(desk) as paying:
        for number in range(1, 4):
            paying.came(1, 1 - 1, asked=True)
            desk.wait_for(number)
        assert paying.ticks_sent <= 1 + 8


def test_a_refusal_ends_the_payments_and_is_kept(desk: Desk) -> None:
    with paying_on(desk) as paying:
        desk.fails = True
        paying.came(5, 5 - 1)
    assert paying.ended
    assert paying.refusal is not None
    assert (paying.refusal.code, paying.ticks) == ("voucher_not_taken", 1)


def test_who_waits_at_the_limit_is_told_to_leave_once_all_that_was_paid_has_come(
    desk: Desk,
) -> None:
    with paying_on(desk, most_micro=5 * PRICE_MICRO) as paying:
        paying.came(3, 2)
        desk.wait_for(1)
        paying.came(7, 6)
        assert desk.left.wait(WAIT_S)
        assert (paying.is_over, paying.ticks) == (True, 5)


def test_nobody_is_told_to_leave_before_all_that_was_paid_has_come(desk: Desk) -> None:
    with paying_on(desk, most_micro=5 * PRICE_MICRO) as paying:
        paying.came(5, 4)
        desk.wait_for(1)
        paying.came(5, 4, asked=True)
        paying._thread.join(WAIT_S)
        assert (paying.ended, paying.is_over, desk.left.is_set()) == (True, False, False)
        paying.came(5, 5)
        assert paying.is_over


def test_who_leaves_is_not_told_to(desk: Desk) -> None:
    with paying_on(desk) as paying:
        paying.came(1, 1)
    assert (paying.is_over, desk.left.is_set()) == (True, False)
