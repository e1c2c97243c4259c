"""What a lost wallet held comes back to the account, and so to a new wallet of it.

    status asked -> every instrument that was sold -> each ended and given back -> the account

The broker ends an instrument before it gives anything back, and keeps what payments on their way
may claim until vendors can claim nothing more: so whoever goes on spending with the old wallet is
paid for out of that, and nothing comes back twice. Said again, it moves nothing again.
"""

from collections.abc import Callable

import msgspec

from farthing import codec, ids
from farthing.schemes.contract import Asked, Comeback, Instrument, Json, Lost
from farthing.wallet.book import Book
from farthing.wallet.choice import Guide
from farthing.wallet.commands import Ask
from farthing.wallet.errand import ID_BYTES, Flow, carry, look

Progress = Callable[[int, int], None]
_COMEBACK = codec.Reader(Comeback)


class Reissued(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one instrument."""

    broker_id: str
    scheme: str
    instrument_id: str
    currency: str
    returned_micro: int = 0
    """In the account now."""
    rest_micro: int = 0
    """What may still be claimed; the rest of it follows."""
    rest_at_s: int = 0
    """When, unix seconds."""
    is_in_use: bool = False
    """Whether a payment of this wallet has it: then it was not ended."""


def reissue(
    guide: Guide, book: Book, broker_id: str, progress: Progress
) -> Flow[tuple[Reissued, ...]]:
    """End every instrument that the broker has sold to the account; those used up are left out.

    Any refusal of the mint: then some may be ended already, and it can be said again.
    """
    done: list[Reissued] = []
    for scheme in guide.schemes:
        purse = guide.purse(scheme, broker_id)
        if not purse.reissues:
            continue
        sold = purse.reclaim((yield from _carried(guide, broker_id, scheme, purse.survey())))
        ours = {
            held.instrument.id: held.instrument
            for held in book.held(scheme)
            if held.broker_id == broker_id
        }
        in_use = book.in_use(broker_id, scheme)
        for number, lost in enumerate(sold, 1):
            found = Reissued(
                broker_id=broker_id,
                scheme=scheme,
                instrument_id=lost.id,
                currency=guide.brokers[broker_id].currency,
                is_in_use=lost.id in in_use,
            )
            if not found.is_in_use:
                found = yield from _end(guide, found, lost, ours.get(lost.id))
            if found.returned_micro or found.rest_micro or found.is_in_use:
                done.append(found)
            progress(number, len(sold))
    return tuple(done)


def _end(guide: Guide, found: Reissued, lost: Lost, own: Instrument | None) -> Flow[Reissued]:
    """One instrument; where this wallet has it, it says what it knows, and has spent it."""
    asked = lost.asked
    if own is not None:
        purse = guide.purse(found.scheme, found.broker_id)
        asked = purse.give_back(own, (yield from look()))
    answer = yield from _carried(guide, found.broker_id, found.scheme, asked, own)
    told = _COMEBACK.convert(answer)
    return msgspec.structs.replace(
        found,
        returned_micro=told.returned_micro,
        rest_micro=told.rest_micro,
        rest_at_s=told.rest_at_s,
    )


def _carried(
    guide: Guide, broker_id: str, scheme: str, asked: Asked, own: Instrument | None = None
) -> Flow[Json]:
    at = yield from look()
    ask = Ask(
        id=ids.new_id("ask", at.entropy[:ID_BYTES]),
        created_at_s=at.now_s,
        broker_id=broker_id,
        scheme=scheme,
        vendor_id=own.vendor_id if own is not None else "",
        site="",
        amount_micro=own.worth_micro if own is not None else 0,
        asked=asked,
        instrument_id=own.id if own is not None else "",
    )
    return (yield from carry(guide, ask))
