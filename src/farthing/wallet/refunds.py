"""What vendors gave back: asked for at their outcome doors, kept once, written in the history.

A vendor cannot call a wallet, so the wallet asks about what it bought in the last days. The answer
moves nothing at the vendor: asked again, or by a wallet that was killed, it is the same piece.
"""

from typing import Any

import msgspec

from farthing import codec
from farthing.errors import Refusal, Unavailable
from farthing.schemes.contract import Instrument, Json
from farthing.wallet.choice import Guide
from farthing.wallet.commands import KeepRefund, Purchase, RecallDone, Response
from farthing.wallet.errand import Flow, look
from farthing.wallet.policy import DAY_S
from farthing.wallet.rows import Rows
from farthing.wallet.settling import ask_outcome

DonePage = tuple[tuple[Purchase, ...], tuple[int, str] | None]

PAGE_ROWS = 500  # purchases read at once; a recovery asks about all of them


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """What the wallet reads of an outcome."""

    refund: Json = None


def collect(guide: Guide, days: int) -> Flow[tuple[Purchase, ...]]:
    """Ask about the purchases of the last `days`, and keep what was given back for them.

    The purchases that were refunded. A vendor that does not answer is asked another time.
    """
    at = yield from look()
    schemes = tuple(name for name, scheme in guide.schemes.items() if scheme.purse.refunds)
    recall = RecallDone(schemes=schemes, since_s=at.now_s - days * DAY_S)
    silent: set[str] = set()
    refunded: list[Purchase] = []
    while True:
        page: DonePage = yield recall
        asked, below = page
        refunded += yield from _ask_about(guide, asked, silent)
        if below is None:
            return tuple(refunded)
        recall = msgspec.structs.replace(recall, below=below)


def _ask_about(guide: Guide, asked: tuple[Purchase, ...], silent: set[str]) -> Flow[list[Purchase]]:
    """Those of them that were refunded; sites that do not answer are added to `silent`."""
    refunded: list[Purchase] = []
    for purchase in asked:
        if purchase.site in silent:
            continue
        try:
            instrument = yield from _fetch(guide, purchase)
        except Unavailable:
            silent.add(purchase.site)
            continue
        except Refusal:  # we left its broker, or what came is not right
            continue
        if instrument is None:
            continue
        if (yield KeepRefund(purchase=purchase, instrument=instrument)):
            refunded.append(purchase)
    return refunded


def _fetch(guide: Guide, purchase: Purchase) -> Flow[Instrument | None]:
    """What was given back for it, or None; `Unavailable`, and refusals of what is not right."""
    answer = yield from ask_outcome(guide, purchase)
    if not isinstance(answer, Response):
        raise Unavailable("vendor_unreachable", f"{purchase.site} does not answer")
    found = codec.read_open(answer.body, Found) if answer.status == 200 else Found()
    if found.refund is None:
        return None
    purse = guide.purse(purchase.scheme, purchase.broker_id)
    return purse.accept_refund(purchase.paid, found.refund)


def do(rows: Rows, command: RecallDone | KeepRefund) -> Any:
    """What the store does about refunds: the answer to `command`."""
    return recall_done(rows, command) if isinstance(command, RecallDone) else keep(rows, command)


def recall_done(rows: Rows, command: RecallDone) -> DonePage:
    """The purchases that a refund may be for, some at a time."""
    marks = ",".join("?" * len(command.schemes))
    where = f"state='done' AND created_at_s>=? AND scheme IN ({marks})"
    values: tuple[Any, ...] = (command.since_s, *command.schemes)
    if command.below is not None:
        where += " AND (created_at_s, id) < (?, ?)"
        values += command.below
    found = rows.file.rows(
        f"SELECT created_at_s, id, sealed FROM purchases WHERE {where}"  # noqa: S608 - our own text
        " ORDER BY created_at_s DESC, id DESC LIMIT ?",
        (*values, PAGE_ROWS),
    )
    purchases = (rows.unseal(Purchase, "purchases", *row[1:]) for row in found)
    below = found[-1][:2] if len(found) == PAGE_ROWS else None
    return tuple(purchase for purchase in purchases if not purchase.refund), below


def keep(rows: Rows, command: KeepRefund) -> bool:
    """The instrument, once, and its name with the purchase."""
    made, instrument = command.purchase, command.instrument
    (row,) = rows.file.rows("SELECT sealed FROM purchases WHERE id=?", (made.id,))
    stored = rows.unseal(Purchase, "purchases", made.id, row[0])
    if stored.refund:
        return False
    known = rows.file.rows(
        "SELECT 1 FROM instruments WHERE broker=? AND scheme=? AND id=?",
        (made.broker_id, instrument.scheme, instrument.id),
    )
    if not known:  # it may be in use by now: what was noted here is lost if the page came after it
        rows.put_instrument(made.broker_id, made.site, instrument)
    noted = msgspec.structs.replace(stored, refund=instrument.id)
    rows.db.execute(
        "UPDATE purchases SET sealed=? WHERE id=?",
        (rows.seal(noted, "purchases", made.id), made.id),
    )
    return not known
