"""Marks in one SQLite file, shared by any number of gate processes; the default store.

- A payment is one row; its marks name it by its row number, which is never used again.
- A counter's row names the payment that holds its next place; where that place is stands with the
  payment, so that a release needs no search.
- Every command decides before it writes, or undoes what it tried: a refusal changes nothing.
- Commands that only read do not wait for the writer.
"""

from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import apsw

from farthing.holding import (
    decide_hold,
    decide_mark,
    next_fence,
    require_distinct,
    require_fence,
    require_over,
)
from farthing.marks import (
    RELEASED_KEPT_S,
    Acknowledge,
    Add,
    Claim,
    Command,
    Confirm,
    Find,
    Forget,
    Held,
    Hold,
    LeaseSerials,
    Mark,
    Memory,
    Once,
    Payment,
    Pending,
    Place,
    Put,
    Read,
    Release,
    Search,
    Settled,
    State,
    Take,
    Tally,
    Total,
)
from farthing.stores import sqlite_tables as sql
from farthing.stores.commit import Committer
from farthing.stores.database import Writer
from farthing.stores.sqlite_tables import Taken, read_taken, write_taken

_HELD = 1
_CONFIRMED = 2
# As the statements say.
_STATES: dict[int, State] = {_HELD: "held", _CONFIRMED: "confirmed", 3: "released"}


class SqliteMarks:
    """Answers the commands of `farthing.marks` from one file."""

    def __init__(self, store: Path | Writer) -> None:
        """Open the file at a path, or use an open `Writer` of one; refusals as of `Committer`."""
        self.writer: Writer = (
            Committer(store, sql.SCHEMA, application_id=sql.APPLICATION_ID, version=sql.VERSION)
            if isinstance(store, Path)
            else store
        )

    def do(self, command: Command) -> Coroutine[Any, Any, Any]:
        """The answer to `command`, durable; its refusals; `Broken`."""
        work = WRITES.get(type(command))
        if work is None:
            return self._look_up(command)
        return self.writer.do(lambda connection: work(connection, command))

    async def _look_up(self, command: Command) -> Any:
        read = _READS[type(command)]
        return self.writer.read(lambda connection: read(connection, command))

    def do_now(self, command: Command) -> Any:
        """As `do`, blocking the calling thread."""
        read = _READS.get(type(command))
        if read is not None:
            return self.writer.read(lambda connection: read(connection, command))
        work = WRITES[type(command)]
        return self.writer.do_now(lambda connection: work(connection, command))

    def close(self) -> None:
        """Commit what is queued and close the file."""
        self.writer.close()


_Row = tuple[int, Payment]


def _row_of(found: tuple[Any, ...] | None) -> _Row | None:
    if found is None:
        return None
    row, k, digest, state, fence, lease_until_s, until_s, kept, outcome = found
    payment = Payment(
        k=k,
        digest=digest,
        state=_STATES[state],
        fence=fence,
        lease_until_s=lease_until_s,
        kept=kept,
        outcome=outcome,
        until_s=until_s,
    )
    return row, payment


def _find_row(connection: apsw.Connection, k: str) -> _Row | None:
    return _row_of(connection.execute(sql.FIND, (k,)).fetchone())


def _find(connection: apsw.Connection, find: Find) -> Payment | None:
    found = _find_row(connection, find.k)
    return None if found is None else found[1]


def _search(connection: apsw.Connection, search: Search) -> tuple[Payment, ...]:
    rows = connection.execute(sql.SEARCH, (search.text, search.count)).fetchall()
    return tuple(found[1] for row in rows if (found := _row_of(row)) is not None)


def _read(connection: apsw.Connection, read: Read) -> Memory:
    counters: dict[bytes, Place] = {}
    for key in read.keys.counters:
        for place, link, _ in connection.execute(sql.COUNTER, (key,)):
            if place is not None:
                counters[key] = Place(to=place, link=link)
    records: dict[bytes, bytes] = {}
    for key in read.keys.records:
        records.update(connection.execute(sql.RECORD, (key,)))
    for prefix in read.keys.prefixes:
        records.update(_under(connection, prefix))
    return Memory(counters=counters, records=records)


def _under(connection: apsw.Connection, prefix: bytes) -> apsw.Cursor:
    """Keys and values of the records whose key begins with `prefix`."""
    head = prefix.rstrip(b"\xff")
    if not head:  # no key is above all that begin so
        return connection.execute(sql.RECORDS_FROM, (prefix,))
    end = head[:-1] + bytes([head[-1] + 1])
    return connection.execute(sql.RECORDS_BETWEEN, (prefix, end))


def _hold(connection: apsw.Connection, hold: Hold) -> Held | Settled:
    taken = _taken_of(hold)
    entered = _enter(connection, hold, taken, _HELD, hold.outcome)
    return entered or _hold_in_full(connection, hold, taken)


def _taken_of(hold: Hold) -> bytes:
    onces: list[bytes] = []
    advances: list[tuple[bytes, int, bytes, int]] = []
    for mark in hold.marks:
        if isinstance(mark, Once):
            onces.append(mark.id)
        else:
            advances.append((mark.id, mark.to, mark.link, mark.until_s))
    return write_taken(Taken(onces, advances))


def _enter(
    connection: apsw.Connection, hold: Hold, taken: bytes, state: int, outcome: bytes
) -> Held | None:
    """The common case in half the statements: a new payment on marks that nobody has.

    None, and nothing changed, where it is not so; then every case is told apart. Of one that is
    confirmed at once the counter moves, which is the last of its marks.
    """
    fence = next_fence(None, hold.now_s)
    times = (hold.lease_until_s, hold.until_s)
    values = (hold.k, hold.digest, state, fence, *times, taken, hold.kept, outcome)
    connection.execute(sql.INSERT, values)
    if not connection.changes():
        return None
    row = connection.last_insert_rowid()
    for at, mark in enumerate(hold.marks):
        if isinstance(mark, Once):
            connection.execute(sql.INSERT_ONCE, (mark.id, row, mark.until_s))
        elif state == _HELD:
            connection.execute(sql.SEIZE_COUNTER, (row, mark.id, mark.over))
        else:
            place = (mark.to, mark.link, mark.id, mark.over, mark.until_s)
            connection.execute(sql.MOVE_COUNTER, place)
        if not connection.changes():
            _free(connection, hold.marks[:at])
            connection.execute(sql.DELETE_PAYMENT, (row,))
            return None
    return Held(fence=fence, kept=hold.kept, resumed=False)


def _free(connection: apsw.Connection, marks: tuple[Mark, ...]) -> None:
    for mark in marks:
        if isinstance(mark, Once):
            connection.execute(sql.DELETE_ONCE, (mark.id,))
        else:
            connection.execute(sql.FREE_COUNTER, (mark.id,))


def _hold_in_full(connection: apsw.Connection, hold: Hold, taken: bytes) -> Held | Settled:
    found = _find_row(connection, hold.k)
    stored = None if found is None else found[1]
    step, _ = decide_hold(stored, hold)
    fence = next_fence(stored, hold.now_s)
    times = (hold.lease_until_s, hold.until_s)
    if found is not None and step == "repeat":
        return Settled(outcome=found[1].outcome)
    if found is not None and step == "resume":
        connection.execute(sql.RESUME, (fence, *times, found[0]))
        return Held(fence=fence, kept=found[1].kept, resumed=True)
    for loser in _losers(connection, hold):
        _give_back(connection, loser)
    if found is None:
        values = (hold.k, hold.digest, _HELD, fence, *times, taken, hold.kept, hold.outcome)
        connection.execute(sql.INSERT, values)
        row = connection.last_insert_rowid()
    else:
        row = found[0]
        connection.execute(sql.HOLD_AGAIN, (fence, *times, taken, hold.kept, hold.outcome, row))
    for mark in hold.marks:
        if isinstance(mark, Once):
            connection.execute(sql.INSERT_ONCE, (mark.id, row, mark.until_s))
        else:
            connection.execute(sql.HOLD_COUNTER, (mark.id, mark.until_s, row))
        assert connection.changes(), "a mark that was free is not"
    return Held(fence=fence, kept=hold.kept, resumed=False)


def _losers(connection: apsw.Connection, hold: Hold) -> set[int]:
    """The payments whose lease is over and whose marks `hold` may take; or a refusal."""
    require_distinct(hold.marks)
    losers: set[int] = set()
    for mark in hold.marks:
        if isinstance(mark, Once):
            holder = connection.execute(sql.ONCE, (mark.id,)).get
        else:
            counter = connection.execute(sql.COUNTER, (mark.id,)).fetchone()
            place, link, holder = (None, b"", None) if counter is None else counter
            require_over(mark, None if place is None else Place(to=place, link=link))
        if holder is not None:
            found = _row_of(connection.execute(sql.FIND_ROW, (holder,)).fetchone())
            decide_mark(None if found is None else found[1], now_s=hold.now_s)
            losers.add(holder)
    return losers


def _give_back(connection: apsw.Connection, row: int) -> None:
    """Release a payment: its marks go, its row stays to tell."""
    taken = read_taken(connection.execute(sql.RELEASE, (RELEASED_KEPT_S, row)).get)
    for key in taken.onces:
        connection.execute(sql.DELETE_ONCE, (key,))
    for key, *_ in taken.advances:
        connection.execute(sql.DELETE_UNUSED, (key,))
        connection.execute(sql.FREE_COUNTER, (key,))


def _confirm(connection: apsw.Connection, confirm: Confirm) -> None:
    held = connection.execute(sql.HELD, (confirm.k, confirm.fence)).get
    if held is None:
        require_fence(_find(connection, Find(k=confirm.k)), confirm.fence)
        raise AssertionError("a held payment was not found")
    row, marks, until_s = held
    connection.execute(sql.CONFIRM, (confirm.outcome, row))
    for key, place, link, mark_until_s in read_taken(marks).advances:
        connection.execute(sql.ADVANCE, (place, link, mark_until_s, key))
    _write_facts(connection, confirm, until_s)


def _write_facts(connection: apsw.Connection, done: Confirm | Take, until_s: int) -> None:
    """Records and claims of a payment that is confirmed."""
    for record in done.records:
        if isinstance(record, Put):
            connection.execute(sql.PUT, (record.key, record.value, record.until_s))
        elif isinstance(record, Add):
            connection.execute(sql.ADD, (record.key, b"%d" % record.amount, record.until_s))
        else:
            connection.execute(sql.DELETE_RECORD, (record.key,))
    for claim in done.claims:
        connection.execute(
            sql.CLAIM,
            (
                claim.scheme,
                claim.key,
                claim.order,
                claim.value_micro,
                claim.body,
                claim.moment,
                until_s,
            ),
        )


def _take(connection: apsw.Connection, take: Take) -> Held | Settled:
    hold = take.hold
    if all(isinstance(mark, Once) for mark in hold.marks[:-1]):  # what has moved is never undone
        entered = _enter(connection, hold, _taken_of(hold), _CONFIRMED, take.outcome)
        if entered is not None:
            _write_facts(connection, take, hold.until_s)
            return entered
    answer = _hold(connection, hold)
    if isinstance(answer, Held):
        confirm = Confirm(
            k=take.hold.k,
            fence=answer.fence,
            outcome=take.outcome,
            records=take.records,
            claims=take.claims,
        )
        _confirm(connection, confirm)
    return answer


def _release(connection: apsw.Connection, release: Release) -> None:
    found = _find_row(connection, release.k)
    require_fence(None if found is None else found[1], release.fence)
    assert found is not None
    _give_back(connection, found[0])


def _lease_serials(connection: apsw.Connection, lease: LeaseSerials) -> int:
    following: int = connection.execute(sql.LEASE, (lease.series, lease.count)).get
    return following - lease.count


def _pending(connection: apsw.Connection, pending: Pending) -> tuple[tuple[int, Claim], ...]:
    statement = sql.KEPT_CLAIMS if pending.paid_too else sql.PENDING
    bounds: tuple[Any, ...] = (pending.scheme, pending.after, pending.count)
    if pending.key:
        statement = statement.replace("row > ?", "row > ? AND key = ?")
        bounds = (pending.scheme, pending.after, pending.key, pending.count)
    rows = connection.execute(statement, bounds)
    return tuple(
        (
            row,
            Claim(
                scheme=scheme,
                key=key,
                order=order,
                value_micro=value_micro,
                body=body,
                moment=moment,
            ),
        )
        for row, scheme, key, order, value_micro, body, moment in rows
    )


def _tally(connection: apsw.Connection, _: Tally) -> tuple[Total, ...]:
    return tuple(
        Total(scheme=scheme, claims=claims, earned_micro=earned, pending_micro=pending)
        for scheme, claims, earned, pending in connection.execute(sql.TALLY)
    )


def _acknowledge(connection: apsw.Connection, told: Acknowledge) -> None:
    for statement, pairs in ((sql.REFUSE, told.refused), (sql.ACKNOWLEDGE, told.done)):
        connection.executemany(statement, [(told.scheme, *pair) for pair in pairs])


def _forget(connection: apsw.Connection, forget: Forget) -> int:
    bounds = (forget.now_s, forget.count)
    past: list[tuple[int, int]] = list(connection.execute(sql.PAST_PAYMENTS, bounds))
    for row, state in past:
        if state == _HELD:
            _give_back(connection, row)
        connection.execute(sql.DELETE_PAYMENT, (row,))
    gone = len(past)
    for statement in sql.FORGET:
        connection.execute(statement, bounds)
        gone += connection.changes()
    return gone


_Work = Callable[[apsw.Connection, Any], Any]
_READS: dict[type[Any], _Work] = {
    Read: _read,
    Find: _find,
    Search: _search,
    Pending: _pending,
    Tally: _tally,
}
WRITES: dict[type[Any], _Work] = {
    Hold: _hold,
    Confirm: _confirm,
    Take: _take,
    Release: _release,
    LeaseSerials: _lease_serials,
    Acknowledge: _acknowledge,
    Forget: _forget,
}
