"""The life of one settlement: reserved, then captured or void. One table says what happens.

A transaction (`tx`) belongs to one payload of one vendor. Each attempt at it has a number; capture
and void name the number, so an old one cannot touch a newer attempt. While it is reserved the money
stands in `liability/hold/<tx>` and the marks are held.
"""

from typing import Literal

import apsw
import msgspec

AtEnd = Literal["void", "capture"]

RESERVED_S = 60  # how long a reservation lives; the gate's origin has answered by then


State = Literal["absent", "reserved", "captured", "void"]
"""Where a transaction stands."""

Event = Literal["reserve", "settle", "capture", "void", "end", "end, capture"]
"""What is asked of it.

`capture` and `void` name its current number. At the ends its time is over, and it was to be void
then, or captured.
"""

Step = Literal["reserve", "pay", "capture", "void", "repeat", "say void", "say captured"]
"""What the broker does."""

# (state, event) -> (what happens, next state); a pair that is not here does not occur.
TABLE: dict[tuple[State, Event], tuple[Step, State]] = {
    ("absent", "reserve"): ("reserve", "reserved"),
    ("absent", "settle"): ("pay", "captured"),
    ("reserved", "reserve"): ("repeat", "reserved"),
    ("reserved", "settle"): ("capture", "captured"),
    ("reserved", "capture"): ("capture", "captured"),
    ("reserved", "void"): ("void", "void"),
    ("reserved", "end"): ("void", "void"),
    ("reserved", "end, capture"): ("capture", "captured"),
    ("captured", "reserve"): ("repeat", "captured"),
    ("captured", "settle"): ("repeat", "captured"),
    ("captured", "capture"): ("repeat", "captured"),
    ("captured", "void"): ("say captured", "captured"),
    ("void", "reserve"): ("reserve", "reserved"),
    ("void", "settle"): ("pay", "captured"),
    ("void", "capture"): ("say void", "void"),
    ("void", "void"): ("say void", "void"),
}


class Reservation(msgspec.Struct, frozen=True, kw_only=True):
    """One transaction as the store remembers it."""

    tx: str
    party: str
    scheme: str
    number: int
    """Which attempt; counted from 1."""
    state: State
    until_s: int
    """When a reservation ends, or when the rest may be forgotten."""
    at_end: AtEnd
    amount_micro: int
    """What the vendor gets."""
    applied: bytes
    """The mint's decision, sealed; empty once it is carried out or void."""
    postings: bytes
    """What the reservation took away, as JSON."""
    answer: bytes
    """The answer to a capture, sealed; empty before."""


_COLUMNS = "tx, party, scheme, number, state, until_s, at_end, amount, applied, postings, answer"
_RESERVED = f"SELECT {_COLUMNS} FROM reservations WHERE state='reserved'"  # noqa: S608 - a constant
OVERDUE = f"{_RESERVED} AND until_s <= ?1 UNION ALL {_RESERVED} AND until_s > ?2 LIMIT 100"
"""Those whose time is over by ?1, or ends after ?2, as `times` has them."""


def find(connection: apsw.Connection, tx: str) -> Reservation | None:
    """The transaction, or None."""
    row = connection.execute(
        f"SELECT {_COLUMNS} FROM reservations WHERE tx = ?",  # noqa: S608 - a constant
        (tx,),
    ).fetchone()
    return None if row is None else _read(row)


def times(now_s: int) -> tuple[int, int]:
    """Now, and after when no reservation ends but one that a clock has made that was ahead."""
    return now_s, now_s + 2 * RESERVED_S


def overdue(connection: apsw.Connection, now_s: int) -> list[Reservation]:
    """Reservations whose time is over, or too late to be believed."""
    return [_read(row) for row in connection.execute(OVERDUE, times(now_s))]


def _read(row: tuple[object, ...]) -> Reservation:
    names = Reservation.__struct_fields__
    return msgspec.convert(dict(zip(names, row, strict=True)), Reservation)


def write(connection: apsw.Connection, reservation: Reservation) -> None:
    """Write it whole."""
    connection.execute(
        "INSERT OR REPLACE INTO reservations VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        msgspec.structs.astuple(reservation),
    )


def end_of(overdue: Reservation) -> Step:
    """What is done with one whose time is over."""
    event: Event = "end" if overdue.at_end == "void" else "end, capture"
    return TABLE[overdue.state, event][0]


def put_off(connection: apsw.Connection, reservation: Reservation, now_s: int) -> None:
    """End it, or have it ended, as much later as a new one would."""
    write(connection, msgspec.structs.replace(reservation, until_s=now_s + RESERVED_S))
