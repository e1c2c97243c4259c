"""Paying for a stream while it is read: a thread of its own, so that reading never waits.

Vouchers are handed in by a second thread, while the next one is written: see `turns.py`. What is
the same whoever drives it, by threads or by tasks, is `Vouchers`.
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
from farthing.wallet.driver import Driver, Session, drive
from farthing.wallet.dues import Dues
from farthing.wallet.errand import Flow
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


class Vouchers(Dues):
    """Pays for one stream by the wallet's flows; how these are driven is for who derives."""

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

        `needed`: ticks after which there is nothing left to pay for. `hang_up` ends the wait for a
        vendor that is not paid any more.
        """
        super().__init__(driver.guide.policy, opened, most_micro, needed)
        self._hang_up = hang_up
        self._driver = driver
        policy = driver.guide.policy.within(Cap(micro=most_micro))
        self._guide = msgspec.structs.replace(driver.guide, policy=policy)
        self._request = request
        self._opened = opened
        self._changed = threading.Condition()
        """Held while the sums change."""

    def came(self, ticks: int, whole: int, *, asked: bool = False) -> None:
        """So many ticks have begun, and so many are over; `asked`: the vendor awaits a voucher."""
        if not self._is_news(ticks, whole, asked=asked):
            return
        with self._changed:
            self._note(ticks, asked=asked)
            if self._is_due():  # whoever pays is not woken for each part that comes
                self._notify()

    def _notify(self) -> None:
        """Wake who pays; the sums are held."""
        self._changed.notify()

    def _writing(self, session: Session, flow: Writing, count: int) -> Flow[Purchase | None]:
        """What the flow writes; None where it refuses, or has nothing at hand."""
        try:
            written = yield from flow(self._guide, self._request, self._opened, count)
        except Refusal as refusal:
            with self._changed:
                self._refuse(refusal, count)
            return None
        if written is not None:
            session.leave(written)
            with self._changed:
                self._under_way -= count - self._ticks_of(written)
        return written

    def _handing_in(self, session: Session, voucher: Purchase) -> Flow[None]:
        """Hand a voucher in, or take it back where the one before was not taken."""
        guide = self._driver.guide
        session.take(voucher)
        try:
            if self.refusal is not None:
                yield from release(guide, voucher)
                return
            yield from hand_in(guide, self._request, voucher)
            session.deliver(voucher)
            if not self.has_vouchers:  # which have no second half
                yield from session.after(voucher)
        except Refusal as refusal:
            with self._changed:
                self._not_paid(voucher, refusal)
        else:
            with self._changed:
                self._taken(voucher)
                self._notify()

    def _not_paid(self, voucher: Purchase, refusal: Refusal) -> None:
        if self._may_pay_anew(refusal):
            self._not_taken(voucher)
            self._notify()
        else:
            self._refuse(refusal, self._ticks_of(voucher))

    def _refuse(self, refusal: Refusal, ticks: int) -> None:
        """So many ticks are not paid, and no more will be."""
        if refusal.code == OVER:
            self._nothing_owed(ticks)
        else:
            self.refusal = self.refusal or refusal
        self._notify()

    def _finish(self) -> None:
        """No voucher is due any more, and none is on its way."""
        with self._changed:
            self._end()
        if self.is_over and not self._closed:
            self._hang_up()


class Paying(Vouchers):
    """Pays for one stream until it is left as a context manager, or something refuses.

    `hang_up` is called from another thread.
    """

    _courier: Courier | None
    _thread: threading.Thread
    _last: Future[None]
    """The voucher that is on its way, or was last."""

    def __enter__(self) -> Self:
        self._courier = Courier(self._request.url) if self._driver.is_direct else None
        self._last = Future()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self._closed = True
            self._notify()
        self._thread.join()

    def _run(self) -> None:
        with ThreadPoolExecutor(max_workers=1) as line:
            turns, answer = take_turns(self), None
            with suppress(StopIteration):
                while True:
                    answer = self._take(turns.send(answer), line)
        if self._courier is not None:
            self._courier.close()
        self._finish()

    def _take(self, turn: Turn, line: ThreadPoolExecutor) -> Any:
        match turn:
            case Due():
                return self._next()
            case IsUnderWay():
                return not self._last.done()
            case Settled():
                return self._last.result()
            case Write(flow=flow, count=count):
                with self._driver.session() as session:
                    return drive(self._writing(session, flow, count), session.answer)
            case HandIn(voucher=voucher):
                self._last = line.submit(self._hand_in, voucher)
                return None

    def _next(self) -> int:
        """How many ticks the next voucher pays, once it is due; 0 where none will be."""
        with self._changed:
            while not self._changed.wait_for(self._is_due, self._wait_s):
                self._asked = True  # it counts otherwise: within the grace that does no harm
            return self._begin()

    def _hand_in(self, voucher: Purchase) -> None:
        with self._driver.session() as session:
            answer: Callable[[Command], Any] = session.answer
            if self._courier is not None:
                answer = partial(self._courier.answer, answer)
            drive(self._handing_in(session, voucher), answer)
