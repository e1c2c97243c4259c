"""Paying for a stream while it is read: a thread of its own, so that reading never waits.

The reader says how many ticks have begun; this pays for them and some ahead, in one voucher: one
ahead at first, twice as many each time, and at most `grace`; and the next voucher when half of that
is left. So the payer risks `grace` ticks, and so does the vendor, who goes on for as many while a
voucher is on its way.
"""

import threading
from collections.abc import Callable
from typing import Self

from farthing.errors import Refusal
from farthing.schemes.streams import TICKS_MAX
from farthing.wallet.commands import Request
from farthing.wallet.driver import Driver, drive
from farthing.wallet.policy import Policy
from farthing.wallet.streams import Opened, pay_on

AHEAD_BITS = 6  # 2^6 ticks: as many as a voucher pays
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
        self._request = request
        self._opened = opened
        self._grace = meter.grace
        self._price_micro = opened.purchase.price_micro
        self._wait_s = float(meter.count * PATIENCE) if meter.unit == "seconds" else None
        self._needed = needed
        self._ticks_max = most_micro // self._price_micro
        self._each_max = _each_max(driver.guide.policy, self._price_micro)
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._begun = 1
        self._whole = 0
        self._asked = False
        self._closed = False
        self._under_way = 0
        self.ticks = 1
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
            self._changed.notify()

    def _run(self) -> None:
        while True:
            with self._changed:
                if not self._changed.wait_for(self._is_due, self._wait_s):
                    self._asked = True  # it counts otherwise: within the grace that does no harm
                    continue
                count = self._count()
                self._asked = False
                self._under_way = count
            if count:
                self._pay(count)
            if not count or self.refusal is not None:
                # At the limit, refused, or closed with nothing owed.
                with self._changed:
                    self.ended, self._under_way = True, 0
                if self.is_over and not self._closed:
                    self._hang_up()
                return

    def _is_due(self) -> bool:
        if self._closed:
            return True
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
        wanted = min(self._wanted(), self._needed, self._ticks_max) - self.ticks
        return max(0, min(wanted, TICKS_MAX, self._each_max))

    def _pay(self, count: int) -> None:
        driver = self._driver
        try:
            with driver.session() as session:
                flow = pay_on(driver.guide, self._request, self._opened, count)
                made = drive(flow, session.answer)
                session.deliver(made)
        except Refusal as refusal:
            self.refusal = refusal
            return
        with self._changed:
            self.ticks += made.price_micro // self._price_micro
            self._under_way = 0
            self.vouchers += 1


def _each_max(policy: Policy, price_micro: int) -> int:
    """Ticks of one voucher within the budget of a payment; a dearer tick is asked about."""
    return max(1, policy.limits.per_payment_micro // price_micro)
