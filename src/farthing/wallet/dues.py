"""What is due on a stream: how many ticks the next voucher pays, and when.

The reader says how many ticks have begun; what is due is those and some ahead, in one voucher: one
ahead at first, twice as many each time, and at most `grace`; and the next voucher when half of that
is left. So the payer risks `grace` ticks, and so does the vendor, who goes on for as many while a
voucher is on its way. Where one payment pays for several ticks at least, it is whole steps of them.
Who pays, and by what threads, is for `paying.py`.
"""

from farthing.errors import Refusal
from farthing.schemes.streams import TICKS_MAX
from farthing.wallet.commands import Purchase
from farthing.wallet.policy import Policy
from farthing.wallet.streams import NOT_TAKEN, Opened

AHEAD_BITS = 6  # 2^6 ticks: as many as a voucher pays
PATIENCE = 2  # intervals without a tick after which a vendor that counts seconds is paid one ahead


class Dues:
    """What came of one stream, what was paid for it, and what is on its way."""

    def __init__(self, policy: Policy, opened: Opened, most_micro: int, needed: int) -> None:
        """As of `Paying`; `policy`: what is paid without a question."""
        meter = opened.meter
        assert meter is not None, "a stream that is paid for"
        assert opened.purchase is not None, "likewise"
        self._grace = meter.grace
        self._step = meter.ticks
        self._price_micro = opened.purchase.price_micro // meter.ticks
        self._wait_s = float(meter.count * PATIENCE) if meter.unit == "seconds" else None
        self._needed = needed
        self._ticks_max = most_micro // self._price_micro
        self._each_max = _each_max(policy, self._price_micro, meter.ticks)
        self._begun = 0
        self._whole = 0
        self._asked = False
        self._closed = False
        self._under_way = 0
        self._pays_anew = False
        self.has_vouchers = opened.has_vouchers
        """Whether vouchers pay on, of which another chain may have one; else it is topped up."""
        self.ticks = meter.ticks
        """Paid and taken."""
        self.vouchers = 0
        self.ended = False
        """Whether nothing more will be paid."""
        self.refusal: Refusal | None = None
        """Why, unless the limit is reached."""

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

    def _is_news(self, ticks: int, whole: int, *, asked: bool) -> bool:
        """Note what is over; whether more has begun, or is asked for."""
        self._whole = whole
        return ticks > self._begun or asked

    def _note(self, ticks: int, *, asked: bool) -> None:
        """So many have begun."""
        self._begun, self._asked = max(ticks, self._begun), asked

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

    def _begin(self) -> int:
        """How many ticks the voucher pays that is written now; 0 where none will be."""
        count = 0 if self.refusal is not None else self._count()
        self._asked = False
        self._under_way += count
        return count

    def _ticks_of(self, voucher: Purchase) -> int:
        return voucher.price_micro // self._price_micro

    def _taken(self, voucher: Purchase) -> None:
        """The vendor has it."""
        ticks = self._ticks_of(voucher)
        self.ticks += ticks
        self._under_way -= ticks
        self.vouchers += 1
        self._pays_anew = False

    def _not_taken(self, voucher: Purchase) -> None:
        """Nothing was charged, and it is paid anew."""
        self._under_way -= self._ticks_of(voucher)
        self._pays_anew = True

    def _nothing_owed(self, ticks: int) -> None:
        """Of a stream that is over so many ticks were not charged, and no more are wanted."""
        self._under_way -= ticks
        self._needed = self.ticks

    def _may_pay_anew(self, refusal: Refusal) -> bool:
        """Whether a top-up for which nothing was charged is paid once more, as a page is."""
        return not self.has_vouchers and refusal.code == NOT_TAKEN and not self._pays_anew

    def _end(self) -> None:
        """At the limit, refused, or closed with nothing owed."""
        self.ended, self._under_way = True, 0


def _each_max(policy: Policy, price_micro: int, step: int) -> int:
    """Ticks of one payment within its budget, in whole steps; a dearer step is asked about."""
    return max(1, min(TICKS_MAX, policy.limits.per_payment_micro // price_micro) // step) * step
