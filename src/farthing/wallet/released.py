"""Purchases that were taken as released, and that a vendor may take yet.

"No such payment" and "nothing was charged" are true when they are said. A payment that is still on
its way, or a copy of it, is taken when it arrives, as long as its offer stands by the vendor's
clock; so what was released is asked about until a word that came after that.
"""

from itertools import islice

from farthing.wallet.commands import Purchase, RecallReleased, Settle
from farthing.wallet.policy import DAY_S
from farthing.wallet.rows import Rows

LATE_S = 4 * DAY_S  # offers stand for minutes; their clock, ours then and ours now may be a day off
ASKED_AGAIN_S = 30 * DAY_S  # about what a vendor that never answers may have taken
ASKED_MAX = 1_000  # purchases of one recovery: one request each
RECALLED = 3  # looked at again when a vendor calls an instrument spent


def recall(rows: Rows, command: RecallReleased) -> tuple[Purchase, ...]:
    """Those of the instrument of `command.purchase`, the last few; without one all in doubt."""
    made = command.purchase
    if made is None:
        return _in_doubt(rows, command.now_s)
    found = rows.file.rows(
        "SELECT id, sealed FROM purchases WHERE state='released' AND id<>?"
        " AND broker=? AND scheme=? AND instrument=? ORDER BY created_at_s DESC LIMIT ?",
        (made.id, made.broker_id, made.scheme, made.paid.spent.id, RECALLED),
    )
    return tuple(rows.unseal(Purchase, "purchases", *row) for row in found)


def _in_doubt(rows: Rows, now_s: int) -> tuple[Purchase, ...]:
    """Those whose last word was said while their vendors could still take them.

    Whom nobody has asked about for longest come first, so that all have their turn.
    """
    found = rows.file.rows(
        "SELECT settled_at_s, id, sealed FROM purchases WHERE state='released'"
        " AND created_at_s>? ORDER BY settled_at_s, id",
        (now_s - ASKED_AGAIN_S,),
    )
    purchases = ((row[0], rows.unseal(Purchase, "purchases", *row[1:])) for row in found)
    doubtful = (made for said_at_s, made in purchases if said_at_s < _over_at_s(made))
    return tuple(islice(doubtful, ASKED_MAX))


def _over_at_s(made: Purchase) -> int:
    """From when no vendor takes a payment any more, by our own clock and on the safe side."""
    over_at_s = made.created_at_s + LATE_S
    if made.received.dialect != "private":
        return over_at_s
    return max(over_at_s, made.paid.spent.expires_at_s + DAY_S)  # no offer ends before it


def said_again(rows: Rows, command: Settle) -> None:
    """Its vendor says now what it said before."""
    rows.db.execute(
        "UPDATE purchases SET settled_at_s=? WHERE id=? AND state='released'",
        (command.now_s, command.purchase.id),
    )
