"""Marks and records of the mints: what was seen, where counters stand, what is due.

The same kinds of fact as at the gate (`farthing.marks`), but confirmed at once: the one writer
reads and decides in the same transaction. What a reservation would change is *held*: whoever else
reads or writes it meanwhile is `Busy`.
"""

from collections.abc import Iterable
from typing import Literal

import apsw
import msgspec

from farthing.broker.reservations import OVERDUE, times
from farthing.errors import Busy, Replayed
from farthing.marks import Advance, Delete, Keys, Mark, Memory, Once, Place, Put, Record
from farthing.schemes import registry
from farthing.schemes.contract import Applied

PREFIX_ROWS_MAX = 10_000  # records read for one decision: a collision coin's period, a day's wins


def read(connection: apsw.Connection, keys: Keys) -> Memory:
    """What stands under these keys; `Busy` if a reservation holds one of them."""
    counters: dict[bytes, Place] = {}
    records: dict[bytes, bytes] = {}
    for key in (*keys.counters, *keys.records):
        require_free(connection, key)
    for key in keys.counters:
        row = connection.execute("SELECT place, link FROM counters WHERE id = ?", (key,)).fetchone()
        if row is not None:
            counters[key] = Place(to=row[0], link=row[1])
    for key in keys.records:
        value = value_of(connection, key)
        if value is not None:
            records[key] = value
    for prefix in keys.prefixes:
        records.update(_under(connection, prefix))
    return Memory(counters=counters, records=records)


def value_of(connection: apsw.Connection, key: bytes) -> bytes | None:
    """What one record says, held or not; None where there is none."""
    row = connection.execute("SELECT value FROM records WHERE key = ?", (key,)).fetchone()
    return None if row is None else row[0]


def following(
    connection: apsw.Connection, prefix: bytes, after: bytes, count: int
) -> list[tuple[bytes, bytes]]:
    """(key, value) of up to `count` records below `prefix` with keys above `after`, in order."""
    rows = connection.execute(
        "SELECT key, value FROM records WHERE key > ? AND key < ? ORDER BY key LIMIT ?",
        (after, _after(prefix), count),
    )
    return list(rows)


def _under(connection: apsw.Connection, prefix: bytes) -> dict[bytes, bytes]:
    end = _after(prefix)
    held = connection.execute(
        "SELECT tx FROM holds WHERE key >= ? AND key < ? LIMIT 1", (prefix, end)
    ).fetchone()
    if held is not None:
        raise _busy(connection, held[0])
    rows = connection.execute(
        "SELECT key, value FROM records WHERE key >= ? AND key < ? ORDER BY key LIMIT ?",
        (prefix, end, PREFIX_ROWS_MAX),
    )
    return {key: value for key, value in rows}  # noqa: C416 - dict() cannot see the types


def _after(prefix: bytes) -> bytes:
    """The first key that is behind all keys with this prefix; prefixes end below 0xff."""
    assert prefix[-1] < 0xFF, "a prefix begins with the scheme's name"
    return prefix[:-1] + bytes([prefix[-1] + 1])


def write(connection: apsw.Connection, scheme: str, applied: Applied) -> None:
    """Marks, records and due times of a decision; `Replayed`, and `Busy` where one is held."""
    for mark in applied.marks:
        _mark(connection, mark)
    prefix = registry.published_of(scheme)
    for record in applied.records:
        require_free(connection, record.key)
        if prefix and isinstance(record, Put) and record.key.startswith(prefix):
            record = _numbered(connection, scheme, record)
        _record(connection, record)
    for at_s, key in applied.due:
        queue(connection, scheme, key, at_s)


def notes_of(applied: Applied) -> tuple[str, ...]:
    """The marks, and the records that serve as marks, as the journal notes them."""
    marks = tuple(
        f"once {mark.id.hex()} {mark.until_s}"
        if isinstance(mark, Once)
        else f"advance {mark.id.hex()} {mark.over} {mark.to} {mark.until_s}"
        for mark in applied.marks
    )
    return marks + tuple(
        f"once {record.key.hex()} {record.until_s}"
        if isinstance(record, Put)
        else f"free {record.key.hex()}"
        for record in applied.records
        if record.once
    )


def queue(connection: apsw.Connection, scheme: str, key: bytes, at_s: int) -> None:
    """Let `lapse` look at a record at this time."""
    connection.execute("INSERT OR IGNORE INTO due VALUES (?, ?, ?)", (at_s, scheme, key))


def _mark(connection: apsw.Connection, mark: Mark) -> None:
    require_free(connection, mark.id)
    if isinstance(mark, Once):
        connection.execute(
            "INSERT INTO once VALUES (?, ?) ON CONFLICT DO NOTHING", (mark.id, mark.until_s)
        )
        if connection.changes() != 1:
            raise Replayed("claim_already_paid", "this was redeemed before")
        return
    _advance(connection, mark)


def _advance(connection: apsw.Connection, mark: Advance) -> None:
    row = connection.execute("SELECT place FROM counters WHERE id = ?", (mark.id,)).fetchone()
    assert (0 if row is None else row[0]) == mark.over, "a mint decides on what it has recalled"
    connection.execute(
        "INSERT INTO counters VALUES (?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET "
        "place = excluded.place, link = excluded.link, until_s = max(until_s, excluded.until_s)",
        (mark.id, mark.to, mark.link, mark.until_s),
    )


def _record(connection: apsw.Connection, record: Record) -> None:
    match record:
        case Put():
            connection.execute(_PUT, (record.key, record.value, record.until_s))
        case Delete():
            connection.execute("DELETE FROM records WHERE key = ?", (record.key,))


# As long as anybody has wanted it kept: what is shown late must not shorten it.
_PUT = (
    "INSERT INTO records VALUES (?, ?, ?) ON CONFLICT (key) DO UPDATE SET "
    "value = excluded.value, until_s = max(until_s, excluded.until_s)"
)


def _numbered(connection: apsw.Connection, scheme: str, record: Put) -> Put:
    """A name on a published list, with its number before the value; a known name keeps both."""
    found = connection.execute("SELECT value FROM records WHERE key = ?", (record.key,)).fetchone()
    if found is not None and number_in(found[0]):
        value = found[0]
    else:
        number = newest_number(connection, scheme) + 1
        connection.execute(_COUNT, (_counter_of(scheme), number, number))
        value = b"%d %b" % (number, record.value)
    return Put(key=record.key, value=value, until_s=record.until_s, once=record.once)


_COUNT = (
    "INSERT INTO counters VALUES (?, ?, x'', 9223372036854775807)"
    " ON CONFLICT (id) DO UPDATE SET place = ?"
)


def _counter_of(scheme: str) -> bytes:
    return f"{scheme}/listed".encode()


def number_in(value: bytes) -> int:
    """The number of a name on a list; 0 for one from before lists were numbered."""
    number, _, _ = value.partition(b" ")
    return int(number) if number.isdigit() else 0


def listed(connection: apsw.Connection, prefix: bytes, above: int = 0) -> list[str]:
    """The names on a published list with numbers above this one, all of them for 0, in order."""
    rows = connection.execute(
        "SELECT key, value FROM records WHERE key >= ? AND key < ? ORDER BY key",
        (prefix, _after(prefix)),
    )
    return [
        key[len(prefix) :].decode() for key, value in rows if not above or number_in(value) > above
    ]


def newest_number(connection: apsw.Connection, scheme: str) -> int:
    """The highest number that a name on this scheme's list has; 0 without a name."""
    row = connection.execute(
        "SELECT place FROM counters WHERE id = ?", (_counter_of(scheme),)
    ).fetchone()
    return int(row[0]) if row is not None else 0


def skip_numbers(connection: apsw.Connection, scheme: str, count: int) -> None:
    """Leave numbers out: those of names that were listed after the books' moment are out."""
    number = newest_number(connection, scheme) + count
    connection.execute(_COUNT, (_counter_of(scheme), number, number))


def parted(applied: Applied, shared: bytes) -> tuple[Applied, Applied]:
    """A decision without the records below `shared`, and these alone with when they are due."""
    if not shared:
        return applied, Applied()
    records = tuple(record for record in applied.records if record.key.startswith(shared))
    due = tuple(pair for pair in applied.due if pair[1].startswith(shared))
    own = msgspec.structs.replace(
        applied,
        records=tuple(record for record in applied.records if record not in records),
        due=tuple(pair for pair in applied.due if pair not in due),
    )
    return own, Applied(records=records, due=due)


def touched(applied: Applied) -> list[bytes]:
    """Everything that a decision changes."""
    return [mark.id for mark in applied.marks] + [record.key for record in applied.records]


def require_unspent(connection: apsw.Connection, marks: Iterable[Mark]) -> None:
    """`Replayed` if one of the `Once` marks is used up."""
    for mark in marks:
        if isinstance(mark, Once):
            row = connection.execute("SELECT 1 FROM once WHERE id = ?", (mark.id,)).fetchone()
            if row is not None:
                raise Replayed("claim_already_paid", "this was redeemed before")


def state_of(connection: apsw.Connection, key: bytes) -> Literal["free", "held", "used"]:
    """What has become of a record that is written once."""
    if connection.execute("SELECT 1 FROM records WHERE key = ?", (key,)).fetchone() is not None:
        return "used"
    held = connection.execute("SELECT 1 FROM holds WHERE key = ?", (key,)).fetchone()
    return "free" if held is None else "held"


def hold(connection: apsw.Connection, keys: Iterable[bytes], tx: str) -> None:
    """Keep these for one reservation; `Busy` if another has one of them."""
    for key in dict.fromkeys(keys):
        require_free(connection, key)
        connection.execute("INSERT INTO holds VALUES (?, ?)", (key, tx))


def let_go(connection: apsw.Connection, tx: str) -> None:
    """End all holds of one reservation."""
    connection.execute("DELETE FROM holds WHERE tx = ?", (tx,))


def require_free(connection: apsw.Connection, key: bytes) -> None:
    """`Busy` if a reservation holds `key`, with the time when it ends at the latest."""
    held = connection.execute("SELECT tx FROM holds WHERE key = ?", (key,)).fetchone()
    if held is not None:
        raise _busy(connection, held[0])


def _busy(connection: apsw.Connection, tx: str) -> Busy:
    row = connection.execute("SELECT until_s FROM reservations WHERE tx = ?", (tx,)).fetchone()
    until = {"untilS": row[0]} if row is not None else {}  # else another broker is being asked
    return Busy("mark_held", "a reservation holds this; ask again in a second", **until)


def next_due(connection: apsw.Connection, now_s: int) -> tuple[str, bytes, bytes] | None:
    """(scheme, key, value) of the record that is due first, taken from the queue; None if none is.

    What is due without a record is dropped: it was deleted in time.
    """
    while True:
        row = connection.execute(
            "SELECT at_s, scheme, key FROM due WHERE at_s <= ? ORDER BY at_s LIMIT 1", (now_s,)
        ).fetchone()
        if row is None:
            return None
        connection.execute("DELETE FROM due WHERE at_s = ? AND scheme = ? AND key = ?", row)
        found = connection.execute("SELECT value FROM records WHERE key = ?", (row[2],)).fetchone()
        if found is not None:
            return row[1], row[2], found[0]


def forget(connection: apsw.Connection, now_s: int, count: int) -> int:
    """Drop up to `count` of each kind past their time; how many went.

    A record at which `lapse` is still to look stays: money may hang on it.
    """
    gone = 0
    for statement in (
        "DELETE FROM once WHERE id IN (SELECT id FROM once WHERE until_s < ? LIMIT ?)",
        "DELETE FROM counters WHERE id IN (SELECT id FROM counters WHERE until_s < ? LIMIT ?)",
        # What was looked at and refused waits for another look, much less than an hour.
        "DELETE FROM records WHERE key IN (SELECT key FROM records WHERE until_s < ?1 AND key NOT"
        " IN (SELECT key FROM due WHERE at_s <= ?1 + 3600) LIMIT ?2)",
        "DELETE FROM answers WHERE (scope, key) IN "
        "(SELECT scope, key FROM answers WHERE until_s < ? LIMIT ?)",
        "DELETE FROM reservations WHERE tx IN "
        "(SELECT tx FROM reservations WHERE state IN ('captured', 'void') AND until_s < ? LIMIT ?)",
    ):
        connection.execute(statement, (now_s, count))
        gone += connection.changes()
    return gone


def is_due(connection: apsw.Connection, now_s: int) -> bool:
    """Whether time alone has anything to do: it asks each second, and mostly there is nothing."""
    return bool(connection.execute(_DUE, times(now_s)).get)


_DUE = f"""
SELECT EXISTS (SELECT 1 FROM due WHERE at_s <= ?1)
 OR EXISTS ({OVERDUE})
 OR EXISTS (SELECT 1 FROM reservations WHERE state IN ('captured', 'void') AND until_s < ?1)
 OR EXISTS (SELECT 1 FROM once WHERE until_s < ?1)
 OR EXISTS (SELECT 1 FROM counters WHERE until_s < ?1)
 OR EXISTS (SELECT 1 FROM records WHERE until_s < ?1)
 OR EXISTS (SELECT 1 FROM answers WHERE until_s < ?1)
"""  # noqa: S608 - a constant
