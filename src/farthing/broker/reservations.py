"""The life of one settlement: reserved, then captured or void. One table says what happens.

A transaction (`tx`) belongs to one payload of one vendor. Each attempt at it has a number; capture
and void name the number, so an old one cannot touch a newer attempt. While it is reserved the money
stands in `liability/hold/<tx>` and the marks are held.
"""

from enum import Enum
from typing import Literal

import apsw
import msgspec

AtEnd = Literal["void", "capture"]

RESERVED_S = 60  # how long a reservation lives; the gate's origin has answered by then


class State(Enum):
    """Where a transaction stands."""

    ABSENT = "absent"
    RESERVED = "reserved"
    CAPTURED = "captured"
    VOID = "void"


class Event(Enum):
    """What is asked of it. `CAPTURE` and `VOID` name its current number."""

    RESERVE = "reserve"
    SETTLE = "settle"
    CAPTURE = "capture"
    VOID = "void"
    END = "end"
    """Its time is over, and it was to be void then."""
    END_CAPTURE = "end, capture"
    """Its time is over, and it was to be captured then."""


class Step(Enum):
    """What the broker does."""

    RESERVE = "reserve"
    PAY = "pay"
    CAPTURE = "capture"
    VOID = "void"
    REPEAT = "repeat"
    SAY_VOID = "say void"
    SAY_CAPTURED = "say captured"


# (state, event) -> (what happens, next state); a pair that is not here does not occur.
TABLE: dict[tuple[State, Event], tuple[Step, State]] = {
    (State.ABSENT, Event.RESERVE): (Step.RESERVE, State.RESERVED),
    (State.ABSENT, Event.SETTLE): (Step.PAY, State.CAPTURED),
    (State.RESERVED, Event.RESERVE): (Step.REPEAT, State.RESERVED),
    (State.RESERVED, Event.SETTLE): (Step.CAPTURE, State.CAPTURED),
    (State.RESERVED, Event.CAPTURE): (Step.CAPTURE, State.CAPTURED),
    (State.RESERVED, Event.VOID): (Step.VOID, State.VOID),
    (State.RESERVED, Event.END): (Step.VOID, State.VOID),
    (State.RESERVED, Event.END_CAPTURE): (Step.CAPTURE, State.CAPTURED),
    (State.CAPTURED, Event.RESERVE): (Step.REPEAT, State.CAPTURED),
    (State.CAPTURED, Event.SETTLE): (Step.REPEAT, State.CAPTURED),
    (State.CAPTURED, Event.CAPTURE): (Step.REPEAT, State.CAPTURED),
    (State.CAPTURED, Event.VOID): (Step.SAY_CAPTURED, State.CAPTURED),
    (State.VOID, Event.RESERVE): (Step.RESERVE, State.RESERVED),
    (State.VOID, Event.SETTLE): (Step.PAY, State.CAPTURED),
    (State.VOID, Event.CAPTURE): (Step.SAY_VOID, State.VOID),
    (State.VOID, Event.VOID): (Step.SAY_VOID, State.VOID),
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


def find(connection: apsw.Connection, tx: str) -> Reservation | None:
    """The transaction, or None."""
    row = connection.execute(
        f"SELECT {_COLUMNS} FROM reservations WHERE tx = ?",  # noqa: S608 - a constant
        (tx,),
    ).fetchone()
    return None if row is None else _read(row)


def overdue(connection: apsw.Connection, now_s: int) -> list[Reservation]:
    """Reservations whose time is over."""
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM reservations "  # noqa: S608 - a constant
        "WHERE state = 'reserved' AND until_s <= ? ORDER BY until_s LIMIT 100",
        (now_s,),
    )
    return [_read(row) for row in rows]


def _read(row: tuple[object, ...]) -> Reservation:
    names = Reservation.__struct_fields__
    return msgspec.convert(dict(zip(names, row, strict=True)), Reservation)


def write(connection: apsw.Connection, reservation: Reservation) -> None:
    """Write it whole."""
    values = [getattr(reservation, name) for name in Reservation.__struct_fields__]
    values[4] = reservation.state.value
    connection.execute(
        "INSERT OR REPLACE INTO reservations VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", values
    )
