"""The vouchers of one stream in their turn: whoever drives this says by which threads or tasks.

One voucher is on its way at a time; the next is written meanwhile, out of another chain, where a
stream is so fast that it is due by then. Two chains take turns so: each has one payment in doubt at
most, whatever is lost or killed.
"""

from collections.abc import Callable, Generator
from typing import Any

import msgspec

from farthing.wallet.choice import Guide
from farthing.wallet.commands import Purchase, Request
from farthing.wallet.dues import Dues
from farthing.wallet.errand import Flow
from farthing.wallet.streams import Opened, write, write_beside

Writing = Callable[[Guide, Request, Opened, int], Flow[Purchase] | Flow[Purchase | None]]


class Due(msgspec.Struct, frozen=True):
    """Wait until a voucher is due. Answer: how many ticks it pays, as of `Dues`; 0 for none."""


class IsUnderWay(msgspec.Struct, frozen=True):
    """Answer: whether the last voucher is still on its way."""


class Settled(msgspec.Struct, frozen=True):
    """Wait until the last voucher is on its way no more."""


class Write(msgspec.Struct, frozen=True):
    """Write a voucher by this flow. Answer: it; None where that is refused, or nothing is there."""

    flow: Writing
    count: int


class HandIn(msgspec.Struct, frozen=True):
    """Send a voucher on its way, and wait for nothing."""

    voucher: Purchase


Turn = Due | IsUnderWay | Settled | Write | HandIn


def take_turns(dues: Dues) -> Generator[Turn, Any, None]:
    """Every voucher until none is due any more; the last one may still be on its way."""
    is_any, has_another = False, dues.has_vouchers
    while count := (yield Due()):
        written: Purchase | None = None
        if is_any and has_another and (yield IsUnderWay()):
            written = yield Write(write_beside, count)
            has_another = written is not None  # it is looked for once: each time is a commit
        if is_any:
            yield Settled()
        if written is None and dues.refusal is None:
            written = yield Write(write, count)
        if written is not None:
            yield HandIn(written)
            is_any = True
