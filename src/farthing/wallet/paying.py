"""Paying for a stream while it is read: a thread of its own, so that reading never waits.

One voucher is on its way at a time, by a second thread; the next is written meanwhile, out of
another chain, where a stream is so fast that it is due by then. Two chains take turns so: each has
one payment in doubt at most, whatever is lost or killed.
"""

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any, Self

import msgspec

from farthing.errors import Refusal
from farthing.wallet.choice import Guide
from farthing.wallet.commands import Command, Purchase, Request
from farthing.wallet.courier import Courier
from farthing.wallet.driver import Driver, drive
from farthing.wallet.dues import Dues
from farthing.wallet.errand import Flow
from farthing.wallet.policy import Cap
from farthing.wallet.settling import release
from farthing.wallet.streams import Opened, hand_in, write, write_beside

Writing = Callable[[Guide, Request, Opened, int], Flow[Purchase] | Flow[Purchase | None]]


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
        self._has_another = True
        """Whether there may be a chain beside the one that a voucher on its way is of."""

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
            on_its_way: Future[None] | None = None
            while count := self._next():
                written = self._write(count, on_its_way)
                if on_its_way is not None:
                    on_its_way.result()
                if written is not None:
                    on_its_way = line.submit(self._hand_in, written)
        if self._courier is not None:
            self._courier.close()
        with self._changed:
            self._end()
        if self.is_over and not self._closed:
            self._hang_up()

    def _next(self) -> int:
        """How many ticks the next voucher pays, once it is due; 0 where none will be."""
        with self._changed:
            while not self._changed.wait_for(self._is_due, self._wait_s):
                self._asked = True  # it counts otherwise: within the grace that does no harm
            return self._begin()

    def _write(self, count: int, on_its_way: Future[None] | None) -> Purchase | None:
        """A voucher of so many ticks, beside the one on its way or after it; None if refused."""
        if on_its_way is not None:
            if self._has_another and not on_its_way.done():
                beside = self._drive(write_beside, count)
                if beside is not None:
                    return beside
                self._has_another = False  # it is looked for once: each time is a commit
            on_its_way.result()
        return self._drive(write, count) if self.refusal is None else None

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
        except Refusal as refusal:
            self._refuse(refusal)
            return
        with self._changed:
            self._taken(voucher)
            self._changed.notify()

    def _refuse(self, refusal: Refusal) -> None:
        with self._changed:
            self.refusal = self.refusal or refusal
            self._changed.notify()
