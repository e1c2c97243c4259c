"""When a stream is paid for, how much at once, and when no more."""

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from farthing.errors import Unavailable
from farthing.schemes import registry
from farthing.schemes.streams import Meter
from farthing.vendor.metering import Stream, ended
from farthing.wallet import paying as module
from farthing.wallet import turns
from farthing.wallet.commands import Purchase, Request, SendRequest
from farthing.wallet.errand import Flow
from farthing.wallet.paying import Paying
from farthing.wallet.policy import DAY_S, Limits
from farthing.wallet.releasing import hand_over
from farthing.wallet.streams import hand_in, open_stream
from tests.unit.wallet.gate_town import PRICE_MICRO, town
from tests.unit.wallet.world import World, get

STREAM = f'[[route]]\npath = "/file"\nprice = "{PRICE_MICRO}u"\nper = "1kB"\ngrace = 8\n'
WAIT_S = 20  # for a thread of this process
A_LOT = 2**40


class Desk:
    """A driver over a world, whose vouchers are seen as they go out."""

    is_direct = False

    def __init__(self, world: World) -> None:
        self.world = world
        self.guide = world.guide()
        self.counts: list[int] = []
        self.written: list[Purchase] = []
        self.taken: list[Purchase] = []
        self.gate_is_open = threading.Event()
        self.gate_is_open.set()
        self.paid = threading.Condition()
        self.fails = False
        self.fails_left = 0
        """How many more times, where that has an end."""
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

    def after(self, purchase: Purchase) -> Flow[bool | None]:
        return hand_over(self.guide, purchase)

    def leave(self, purchase: Purchase) -> None:
        with self.paid:
            self.written.append(purchase)
            self.paid.notify()

    def take(self, purchase: Purchase) -> None:
        self.taken.append(purchase)

    def wait_for(self, count: int, vouchers: list[Any] | None = None) -> None:
        """Until so many vouchers are out, or on such a list."""
        seen = self.counts if vouchers is None else vouchers
        with self.paid:
            assert self.paid.wait_for(lambda: len(seen) >= count, WAIT_S)

    def limit_to(self, ticks: int) -> None:
        """No voucher may be for more."""
        self.world.limits = Limits(
            per_payment_micro=ticks * PRICE_MICRO, per_site_day_micro=10**7, per_day_micro=10**7
        )
        self.guide = self.world.guide()


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    world = town(tmp_path, "tick")
    world.site.open("tick", more=STREAM)
    world.limits = Limits(per_payment_micro=10**6, per_site_day_micro=10**7, per_day_micro=10**7)
    desk = Desk(world)

    def seen(guide: Any, request: Request, voucher: Purchase) -> Any:
        assert desk.gate_is_open.wait(WAIT_S)
        if desk.fails:
            desk.fails_left -= 1
            desk.fails = desk.fails_left != 0
            raise Unavailable("voucher_not_taken")
        yield from hand_in(guide, request, voucher)
        with desk.paid:
            desk.counts.append(voucher.price_micro // PRICE_MICRO)
            desk.paid.notify()

    monkeypatch.setattr(module, "hand_in", seen)
    return desk


def paying_on(desk: Desk, *, most_micro: int = A_LOT, needed: int = A_LOT) -> Paying:
    opened = desk.world.run(open_stream(desk.guide, get("/file")))
    driver: Any = desk
    return Paying(driver, get("/file"), opened, most_micro, needed, desk.hang_up)


def topped(desk: Desk, more: str = "", **how: int) -> Paying:
    """Paying on a stream that PayWord has opened."""
    desk.world.schemes = {"payword": registry.by_name("payword")}
    desk.world.site.open("payword", more=more + STREAM, price_micro=4 * PRICE_MICRO)
    desk.guide = desk.world.guide()
    return paying_on(desk, **how)


@pytest.mark.parametrize("pays", [paying_on, topped])
def test_nothing_is_paid_before_a_tick_is_owed_and_then_ever_more_ahead(
    desk: Desk, pays: Callable[[Desk], Paying]
) -> None:
    with pays(desk) as paying:
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


def test_a_whole_voucher_is_written_while_another_is_on_its_way_and_of_another_chain(
    desk: Desk,
) -> None:
    desk.limit_to(4)
    with paying_on(desk, needed=16) as paying:
        desk.gate_is_open.clear()
        paying.came(16, 15)
        desk.wait_for(2, desk.written)
        assert (paying.ticks, paying.ticks_sent, desk.counts) == (1, 9, [])
        first, second = (voucher.paid.spent.id for voucher in desk.written)
        assert first != second
        desk.gate_is_open.set()
    assert (paying.ticks, desk.counts) == (16, [4, 4, 4, 3])
    assert desk.world.site.earned_micro() == 16 * PRICE_MICRO


def test_less_than_a_whole_one_waits_for_the_one_on_its_way(desk: Desk) -> None:
    with paying_on(desk, needed=9) as paying:
        desk.gate_is_open.clear()
        paying.came(2, 1)
        desk.wait_for(1, desk.written)
        paying.came(5, 4)
        paying.came(8, 7)
        time.sleep(0.05)  # for one that would be written too soon
        assert len(desk.written) == 1
        desk.gate_is_open.set()
        desk.wait_for(2)
    assert desk.counts == [2, 6]


def test_what_was_written_and_not_sent_is_taken_back_after_a_refusal(desk: Desk) -> None:
    desk.limit_to(4)
    with paying_on(desk) as paying:
        desk.gate_is_open.clear()
        paying.came(16, 15)
        desk.wait_for(2, desk.written)
        desk.fails = True
        desk.gate_is_open.set()
    assert paying.refusal is not None
    assert (paying.ticks, desk.counts, len(desk.written)) == (1, [], 2)
    first, second = (voucher.id for voucher in desk.written)
    states = dict(desk.world.store.file.rows("SELECT id, state FROM purchases"))
    assert (states[first], states[second]) == ("sent", "released")
    holders = dict(desk.world.store.file.rows("SELECT id, state FROM instruments"))
    assert holders[desk.written[1].paid.spent.id] == "ready"


def test_a_wallet_without_another_chain_looks_for_one_once(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[int] = []

    def nothing(guide: Any, request: Any, opened: Any, ticks: int) -> Any:
        looked.append(ticks)
        yield from ()

    monkeypatch.setattr(turns, "write_beside", nothing)
    desk.limit_to(4)
    with paying_on(desk, needed=16) as paying:
        paying.came(16, 15)
    assert (paying.ticks, desk.counts) == (16, [4, 4, 4, 3])
    assert len(looked) <= 1


def test_a_whole_top_up_waits_for_the_one_on_its_way(desk: Desk) -> None:
    with topped(desk, needed=33) as paying:
        desk.gate_is_open.clear()
        paying.came(2, 1)
        desk.wait_for(1, desk.written)
        paying.came(33, 32)
        time.sleep(0.05)  # for one that would be written too soon
        assert len(desk.written) == 1
        desk.gate_is_open.set()
    assert (paying.ticks, desk.counts) == (33, [2, 30])


@pytest.mark.parametrize("times", [1, 2])
def test_a_top_up_that_is_not_taken_is_paid_anew_once(desk: Desk, times: int) -> None:
    with topped(desk, needed=8) as paying:
        desk.fails, desk.fails_left = True, times
        paying.came(4, 3)
        if times == 1:
            desk.wait_for(1)
            paying.came(8, 7)
    if times == 1:
        assert (paying.ticks, paying.refusal) == (8, None)
    else:
        assert paying.refusal is not None
        assert (paying.refusal.code, paying.ticks) == ("voucher_not_taken", 1)


def test_what_comes_after_the_end_of_a_stream_is_no_refusal(desk: Desk) -> None:
    with topped(desk, needed=8) as paying:
        paying.came(2, 1)
        desk.wait_for(1)
        meter = Meter(unit="seconds", count=1, grace=1)
        over = Stream(name=paying._opened.name, meter=meter, price_micro=1, pause_s=1)
        now_s = desk.world.now_s()
        desk.world.site.marks.do_now(ended(over, 3 * PRICE_MICRO, now_s, now_s + DAY_S))
        paying.came(8, 7)
    assert (paying.ticks, desk.counts, paying.refusal) == (3, [2], None)


def test_where_the_fewest_ticks_are_several_whole_steps_are_paid(desk: Desk) -> None:
    units = f"[payword]\nunit_micro = {4 * PRICE_MICRO}\n"
    with topped(desk, units, most_micro=15 * PRICE_MICRO) as paying:
        assert paying.ticks == 4
        paying.came(3, 2)
        paying.came(6, 5)
        desk.wait_for(1)
        paying.came(40, 39)
    assert (paying.ticks, desk.counts, paying.refusal) == (12, [4, 4], None)


def test_vouchers_of_a_wallet_that_goes_direct_have_a_connection_of_their_own(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []

    class Courier:
        def __init__(self, url: str) -> None:
            said.append(url)

        def answer(self, others: Any, command: Any) -> Any:
            if isinstance(command, SendRequest) and command.leg == "paid":
                said.append("voucher")
            return others(command)

        def close(self) -> None:
            said.append("closed")

    monkeypatch.setattr(module, "Courier", Courier)
    desk.is_direct = True
    with paying_on(desk, needed=9) as paying:
        paying.came(9, 8)
    assert said == [get("/file").url, *["voucher"] * paying.vouchers, "closed"]
