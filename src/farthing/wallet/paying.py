"""Paying for a stream while it is read: a thread of its own, so that reading never waits.

Vouchers are handed in by a second thread, while the next one is written: see `turns.py`.
"""

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Any, Self

import msgspec

from farthing.errors import Refusal
from farthing.wallet.commands import Command, Purchase, Request
from farthing.wallet.courier import Courier
from farthing.wallet.driver import Driver, drive
from farthing.wallet.dues import Dues
from farthing.wallet.policy import Cap
from farthing.wallet.settling import release
from farthing.wallet.streams import OVER, Opened, hand_in
from farthing.wallet.turns import (
    Due,
    HandIn,
    IsUnderWay,
    Settled,
    Turn,
    Write,
    Writing,
    take_turns,
)


class Paying(Dues):
    """Pays for one stream until it is left as a context manager, or something refuses."""

    def __init__(
        self,
        driver: Driver,
        request: Request,
        opened: Opened,
        most_micro: int,
        needed: int,
        hang_up: Callable[[], None],
    ) -> None:
        """`opened` was paid for; `most_micro`: nothing above it is paid, its opening included.

        `needed`: ticks after which there is nothing left to pay for. `hang_up`, from another
        thread, ends the wait for a vendor that is not paid any more.
        """
        super().__init__(driver.guide.policy, opened, most_micro, needed)
        self._hang_up = hang_up
        self._driver = driver
        policy = driver.guide.policy.within(Cap(micro=most_micro))
        self._guide = msgspec.structs.replace(driver.guide, policy=policy)
        self._courier = Courier(request.url) if driver.is_direct else None
        self._request = request
        self._opened = opened
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._last: Future[None] = Future()
        """The voucher that is on its way, or was last."""

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()
        self._driver.store.flush()  # of the last voucher, how it ended

    def came(self, ticks: int, whole: int, *, asked: bool = False) -> None:
        """So many ticks have begun, and so many are over; `asked`: the vendor awaits a voucher."""
        if not self._is_news(ticks, whole, asked=asked):
            return
        with self._changed:
            self._note(ticks, asked=asked)
            if self._is_due():  # whoever pays is not woken for each part that comes
                self._changed.notify()

    def _run(self) -> None:
        with ThreadPoolExecutor(max_workers=1) as line:
            turns, answer = take_turns(self), None
            with suppress(StopIteration):
                while True:
                    answer = self._take(turns.send(answer), line)
        if self._courier is not None:
            self._courier.close()
        with self._changed:
            self._end()
        if self.is_over and not self._closed:
            self._hang_up()

    def _take(self, turn: Turn, line: ThreadPoolExecutor) -> Any:
        match turn:
            case Due():
                return self._next()
            case IsUnderWay():
                return not self._last.done()
            case Settled():
                return self._last.result()
            case Write(flow=flow, count=count):
                return self._drive(flow, count)
            case HandIn(voucher=voucher):
                self._last = line.submit(self._hand_in, voucher)
                return None

    def _next(self) -> int:
        """How many ticks the next voucher pays, once it is due; 0 where none will be."""
        with self._changed:
            while not self._changed.wait_for(self._is_due, self._wait_s):
                self._asked = True  # it counts otherwise: within the grace that does no harm
            return self._begin()

    def _drive(self, flow: Writing, count: int) -> Purchase | None:
        """What the flow writes; None where it refuses, or has nothing at hand."""
        driver = self._driver
        try:
            with driver.session() as session:
                steps = flow(self._guide, self._request, self._opened, count)
                written = drive(steps, session.answer)
                if written is None:
                    return None
                session.leave(written)
        except Refusal as refusal:
            if refusal.code == OVER:
                self._stop(count)
            else:
                self._refuse(refusal)
            return None
        with self._changed:
            self._under_way -= count - self._ticks_of(written)
        return written

    def _hand_in(self, voucher: Purchase) -> None:
        driver = self._driver
        try:
            with driver.session() as session:
                session.take(voucher)
                if self.refusal is not None:  # the one before was not taken
                    drive(release(driver.guide, voucher), session.answer)
                    return
                answer: Callable[[Command], Any] = session.answer
                if self._courier is not None:
                    answer = partial(self._courier.answer, answer)
                drive(hand_in(driver.guide, self._request, voucher), answer)
                session.deliver(voucher)
                if not self.has_vouchers:  # which have no second half
                    drive(session.after(voucher), session.answer)
        except Refusal as refusal:
            if refusal.code == OVER:
                self._stop(self._ticks_of(voucher))
                return
            if not self._may_pay_anew(refusal):
                self._refuse(refusal)
                return
            self._ended(voucher, taken=False)
        else:
            self._ended(voucher, taken=True)

    def _ended(self, voucher: Purchase, *, taken: bool) -> None:
        with self._changed:
            if taken:
                self._taken(voucher)
            else:
                self._not_taken(voucher)
            self._changed.notify()

    def _stop(self, ticks: int) -> None:
        with self._changed:
            self._nothing_owed(ticks)
            self._changed.notify()

    def _refuse(self, refusal: Refusal) -> None:
        with self._changed:
            self.refusal = self.refusal or refusal
            self._changed.notify()
