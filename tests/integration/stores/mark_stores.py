"""The stores that the conformance suite runs over: a new one joins with a row in `STORES`."""

from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any, Protocol

import apsw
import msgspec
import pytest

from farthing.marks import (
    Advance,
    Claim,
    Command,
    Find,
    Hold,
    Keys,
    Mark,
    Marks,
    Memory,
    Moment,
    Once,
    Place,
    Read,
    State,
)
from farthing.stores.memory import MemoryMarks
from farthing.stores.sqlite import SqliteMarks

NOW_S = 1_800_000_000
LEASE_S = 60
LATER_S = NOW_S + LEASE_S  # the first moment after a lease that began at NOW_S
UNTIL_S = NOW_S + 86_400


class OpenMarks(Marks, Protocol):
    """A store that somebody closes."""

    def close(self) -> None:
        """End."""


class ReopenedMarks:
    """SQLite as it is after a restart: the file is opened anew for every command."""

    def __init__(self, path: Path) -> None:
        self.path = path
        SqliteMarks(path).close()

    async def do(self, command: Command) -> Any:
        store = SqliteMarks(self.path)
        try:
            return await store.do(command)
        finally:
            store.close()

    def do_now(self, command: Command) -> Any:
        store = SqliteMarks(self.path)
        try:
            return store.do_now(command)
        finally:
            store.close()

    def close(self) -> None:
        """Nothing is open."""


class Store(msgspec.Struct, frozen=True, kw_only=True):
    """One row: how to open a store in an empty directory, and how to see all that is in it."""

    name: str
    open: Callable[[Path], OpenMarks]
    dump: Callable[[OpenMarks, Path], object]


def _dump_memory(store: OpenMarks, _: Path) -> object:
    assert isinstance(store, MemoryMarks)
    return deepcopy({name: held for name, held in vars(store).items() if name != "_answers"})


def _dump_file(_: OpenMarks, directory: Path) -> object:
    connection = apsw.Connection(str(directory / "marks.db"))
    try:
        tables = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")
        names = [str(name) for (name,) in tables if not str(name).startswith("sqlite_")]
        everything = 'SELECT * FROM "{}"'
        return {name: sorted(connection.execute(everything.format(name))) for name in names}
    finally:
        connection.close()


STORES = (
    Store(name="memory", open=lambda _: MemoryMarks(), dump=_dump_memory),
    Store(name="sqlite", open=lambda at: SqliteMarks(at / "marks.db"), dump=_dump_file),
    Store(name="reopened", open=lambda at: ReopenedMarks(at / "marks.db"), dump=_dump_file),
)


def once(name: bytes, until_s: int = UNTIL_S) -> Once:
    return Once(id=name, until_s=until_s)


def hold(k: str, *marks: Mark, now_s: int = NOW_S, **others: Any) -> Hold:
    """A hold of payment `k`, on its own mark unless others are given."""
    return Hold(
        k=k,
        digest=others.pop("digest", k.encode().ljust(32, b".")),
        marks=marks or (once(k.encode()),),
        kept=others.pop("kept", b"kept " + k.encode()),
        now_s=now_s,
        lease_until_s=now_s + LEASE_S,
        until_s=others.pop("until_s", UNTIL_S),
    )


def claim(key: bytes, order: int = 1, scheme: str = "payword", moment: Moment = "batch") -> Claim:
    return Claim(
        scheme=scheme,
        key=key,
        order=order,
        value_micro=100 * order,
        body=b'{"order":%d}' % order,
        moment=moment,
    )


def advance(over: int, to: int, *, name: bytes = b"chain", until_s: int = UNTIL_S) -> Advance:
    return Advance(id=name, over=over, to=to, link=b"link %d" % to, until_s=until_s)


class Bench:
    """A store under test."""

    def __init__(self, row: Store, directory: Path) -> None:
        self.name = row.name
        self._row = row
        self._directory = directory
        self.store = row.open(directory)

    def do(self, command: Command) -> Any:
        return self.store.do_now(command)

    def dump(self) -> object:
        return self._row.dump(self.store, self._directory)

    def refuses(self, command: Command, kind: type[Exception]) -> Exception:
        """`command` raises `kind`, and nothing in the store has changed."""
        before = self.dump()
        with pytest.raises(kind) as raised:
            self.do(command)
        assert self.dump() == before
        return raised.value

    def state(self, k: str) -> State:
        found = self.do(Find(k=k))
        return "absent" if found is None else found.state

    def place(self, name: bytes = b"chain") -> Place | None:
        memory: Memory = self.do(Read(keys=Keys(counters=(name,))))
        return memory.counters.get(name)
