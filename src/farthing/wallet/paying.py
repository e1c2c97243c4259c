"""Paying for a stream while it is read: a thread of its own, so that reading never waits.

The reader says how many ticks have begun; this pays for them and some ahead, in one voucher: one
ahead at first, twice as many each time, and at most `grace`; and the next voucher when half of that
is left. So the payer risks `grace` ticks, and so does the vendor, who goes on for as many while a
voucher is on its way. Where one payment pays for several ticks at least, it is whole steps of them.

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
from farthing.schemes.streams import TICKS_MAX
from farthing.wallet.choice import Guide
from farthing.wallet.commands import Command, Purchase, Request
from farthing.wallet.courier import Courier
from farthing.wallet.driver import Driver, drive
from farthing.wallet.errand import Flow
from farthing.wallet.policy import Cap, Policy
from farthing.wallet.settling import release
from farthing.wallet.streams import NOT_TAKEN, Opened, hand_in, write, write_beside

AHEAD_BITS = 6  # 2^6 ticks: as many as a voucher pays
Writing = Callable[[Guide, Request, Opened, int], Flow[Purchase] | Flow[Purchase | None]]
PATIENCE = 2  # intervals without a tick after which a vendor that counts seconds is paid one ahead


class Paying:
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
        self._hang_up = hang_up
        meter = opened.meter
        assert meter is not None, "a stream that is paid for"
        assert opened.purchase is not None, "likewise"
        self._driver = driver
        policy = driver.guide.policy.within(Cap(micro=most_micro))
        self._guide = msgspec.structs.replace(driver.guide, policy=policy)
        self._courier = Courier(request.url) if driver.is_direct else None
        self._request = request
        self._opened = opened
        self._grace = meter.grace
        self._step = meter.ticks
        self._price_micro = opened.purchase.price_micro // meter.ticks
        self._wait_s = float(meter.count * PATIENCE) if meter.unit == "seconds" else None
        self._needed = needed
        self._ticks_max = most_micro // self._price_micro
        self._each_max = _each_max(driver.guide.policy, self._price_micro, meter.ticks)
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._begun = 1
        self._whole = 0
        self._asked = False
        self._closed = False
        self._under_way = 0
        self._pays_anew = False
        self._has_another = opened.has_vouchers
        """Whether there may be a chain beside the one that a voucher on its way is of."""
        self.ticks = meter.ticks
        """Paid and taken."""
        self.vouchers = 0
        self.ended = False
        """Whether nothing more will be paid."""
        self.refusal: Refusal | None = None
        """Why, unless the limit is reached."""

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()
        self._driver.store.flush()  # of the last voucher, how it ended

    @property
    def ticks_sent(self) -> int:
        """Those of a voucher on its way included."""
        return self.ticks + self._under_way

    @property
    def paid_micro(self) -> int:
        """Micro-units that the vendor has taken."""
        return self.ticks * self._price_micro

    @property
    def is_over(self) -> bool:
        """Whether all has come that was and will be paid."""
        return self.ended and self._whole >= self.ticks

    def came(self, ticks: int, whole: int, *, asked: bool = False) -> None:
        """So many ticks have begun, and so many are over; `asked`: the vendor awaits a voucher."""
        self._whole = whole
        if ticks <= self._begun and not asked:
            return
        with self._changed:
            self._begun, self._asked = max(ticks, self._begun), asked
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
        with self._changed:  # at the limit, refused, or closed with nothing owed
            self.ended, self._under_way = True, 0
        if self.is_over and not self._closed:
            self._hang_up()

    def _next(self) -> int:
        """How many ticks the next voucher pays, once it is due; 0 where none will be."""
        with self._changed:
            while not self._changed.wait_for(self._is_due, self._wait_s):
                self._asked = True  # it counts otherwise: within the grace that does no harm
            count = 0 if self.refusal is not None else self._count()
            self._asked = False
            self._under_way += count
            return count

    def _is_due(self) -> bool:
        if self._closed or self.refusal is not None:
            return True
        if self._under_way:  # beside it only a whole voucher is worth another chain
            return self._count() == self._each_max
        # Half of what is paid ahead is left while the next voucher is on its way.
        due = self._ahead if self._asked else self._ahead // 2
        return self.ticks < min(self._begun + due, self._needed)

    @property
    def _ahead(self) -> int:
        """How many ticks may be paid ahead by now."""
        return min(self._grace, 1 << min(self.vouchers, AHEAD_BITS))

    def _wanted(self) -> int:
        """How many ticks are to be paid in all, once more are due; at the end what is owed."""
        return self._begun if self._closed else self._begun + self._ahead

    def _count(self) -> int:
        """How many ticks the next voucher pays; 0 at the payer's limit."""
        wanted = min(self._wanted(), self._needed) - self.ticks_sent
        steps = -(-max(0, min(wanted, self._each_max)) // self._step)
        affordable = (self._ticks_max - self.ticks_sent) // self._step
        return max(0, min(steps, affordable)) * self._step

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
            self._under_way -= count - written.price_micro // self._price_micro
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
                if not self._opened.has_vouchers:  # which have no second half
                    drive(session.after(voucher), session.answer)
        except Refusal as refusal:
            if not self._may_pay_anew(refusal):
                self._refuse(refusal)
                return
            self._end(voucher, taken=False)
        else:
            self._end(voucher, taken=True)

    def _end(self, voucher: Purchase, *, taken: bool) -> None:
        ticks = voucher.price_micro // self._price_micro
        self._pays_anew = not taken
        with self._changed:
            self._under_way -= ticks
            if taken:
                self.ticks += ticks
                self.vouchers += 1
            self._changed.notify()

    def _may_pay_anew(self, refusal: Refusal) -> bool:
        """Whether a top-up for which nothing was charged is paid once more, as a page is."""
        is_top_up = not self._opened.has_vouchers
        return is_top_up and refusal.code == NOT_TAKEN and not self._pays_anew

    def _refuse(self, refusal: Refusal) -> None:
        with self._changed:
            self.refusal = self.refusal or refusal
            self._changed.notify()


def _each_max(policy: Policy, price_micro: int, step: int) -> int:
    """Ticks of one payment within its budget, in whole steps; a dearer step is asked about."""
    return max(1, min(TICKS_MAX, policy.limits.per_payment_micro // price_micro) // step) * step
