"""Old purchases are taken out of the wallet's file, and the disk gets back what they took.

A purchase that has ended is kept for its receipt: it proves a payment, and finds what its vendor
gives back. Both are over a season after it, and then it is history, which its owner may keep or
not. What is open, what is worth something and what has not expired stays, however old it is; so
does the last purchase, by which a wallet knows when it was used. Source: ours.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from farthing.errors import OutOfRange
from farthing.wallet.file import File
from farthing.wallet.policy import DAY_S

DAYS_MIN = 90  # a certificate lives for 30 days and is claimed in 2; who disagrees has 30 more
ROWS = 1_000  # of one transaction: payments of the same wallet wait for no more

_OLD = {  # by table: which rows, and the columns that name them
    "purchases": (
        "rowid",
        "day < ?1 AND state IN ('done', 'released') AND rowid < (SELECT MAX(rowid) FROM purchases)",
    ),
    "asks": ("id", "created_at_s < ?1 * 86400 AND state <> 'open'"),
    "instruments": ("broker, scheme, id", "expires_at_s < ?1 * 86400 AND state = 'spent'"),
}
_COUNTS = [
    f"SELECT COUNT(*) FROM {table} WHERE {where}"  # noqa: S608 - our own texts
    for table, (_, where) in _OLD.items()
]
_DELETIONS = {
    table: f"DELETE FROM {table} WHERE ({names}) IN"  # noqa: S608 - our own texts
    f" (SELECT {names} FROM {table} WHERE {where} LIMIT ?2)"
    for table, (names, where) in _OLD.items()
}


class Forgotten(msgspec.Struct, frozen=True, kw_only=True):
    """What went."""

    purchases: int
    asks: int
    """Orders, returns and releases at brokers and vendors."""
    instruments: int
    """Spent ones that have expired."""
    before_bytes: int
    after_bytes: int
    """Of the file."""


def forget(
    file: File, days: int, now_s: int, progress: Callable[[int, int], None] = lambda *_: None
) -> Forgotten:
    """Take out what ended more than `days` ago; `progress` hears how many rows of how many.

    Stopped anywhere it has taken out some, and the next call goes on. `OutOfRange` for less than a
    season, `Busy` where another process holds the file, `Broken` if the disk fails or is full.
    """
    if days < DAYS_MIN:
        raise OutOfRange(
            "kept_too_short",
            f"{DAYS_MIN} days at least: until then a receipt proves a payment or brings it back",
        )
    before_day = now_s // DAY_S - days
    before_bytes = file.path.stat().st_size
    with file.write() as db:
        total = sum(db.execute(statement, (before_day,)).get for statement in _COUNTS)
    gone = dict.fromkeys(_OLD, 0)
    for table, statement in _DELETIONS.items():
        while count := _take_out(file, statement, (before_day, ROWS)):
            gone[table] += count
            progress(sum(gone.values()), total)
    if total:
        file.shrink()
    return Forgotten(
        purchases=gone["purchases"],
        asks=gone["asks"],
        instruments=gone["instruments"],
        before_bytes=before_bytes,
        after_bytes=file.path.stat().st_size,
    )


def _take_out(file: File, statement: str, values: tuple[Any, ...]) -> int:
    with file.write() as db:
        db.execute(statement, values)
        return db.changes()
