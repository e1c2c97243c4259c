"""The disks of a world: real SQLite files in memory, one writer each that commits at virtual times.

The files are opened, and batches are run, by the code that production runs; they lie in a file
system in memory where there is one, for a simulated power cut needs no real disk. What was not
committed when its process was killed is lost. What was committed stays, answered or not.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, TypeVar

import apsw
import msgspec

from farthing.errors import Broken
from farthing.stores.commit import BATCH_MAX, Answered
from farthing.stores.database import Database, Work

T = TypeVar("T")


class Timing(Protocol):
    """How long a disk takes, and what happens around a commit."""

    def commit_delay_s(self) -> float:
        """Until what is queued is committed."""

    def answer_delay_s(self) -> float:
        """From the commit to its answers."""

    def dies_before(self) -> bool:
        """Whether the process dies with this commit before it."""

    def dies_after(self) -> bool:
        """Whether it dies right after this commit, before it has answered anybody."""


class Seen(Protocol):
    """Looks at a file after each batch."""

    def __call__(self, connection: apsw.Connection, *, done: bool) -> None:
        """`done`: whether any of the batch was committed."""


class _Item(msgspec.Struct):
    """One work in the queue, and who waits for it."""

    work: Work[Any]
    atomic: bool
    future: asyncio.Future[Any]


class InlineWriter:
    """A `Writer` without a thread: group commits, at virtual times."""

    def __init__(
        self,
        path: Path,
        schema: str,
        *,
        application_id: int,
        version: int,
        timing: Timing,
        die: Callable[[str], None],
        seen: Seen,
    ) -> None:
        """As `Database`.

        `die` kills the process, with a reason; `seen` looks at the file after each batch, with
        whether it was committed.
        """
        self._database = Database(path, schema, application_id=application_id, version=version)
        self._timing = timing
        self._die = die
        self._seen = seen
        self.connection = self._database.connection
        hasten(self.connection)
        self._queue: list[_Item] = []
        self._is_due = False
        self._is_closed = False

    async def do(self, work: Work[T], *, atomic: bool = False) -> T:
        """As `Committer.do`."""
        self._require_open()
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = Answered(loop=loop)
        self._queue.append(_Item(work, atomic, future))
        if not self._is_due:
            self._is_due = True
            loop.call_later(self._timing.commit_delay_s(), self._commit)
        return await future

    def do_now(self, work: Work[T], *, atomic: bool = False) -> T:
        """As `Committer.do_now`, at once."""
        self._require_open()
        item = _Item(work, atomic, Answered(loop=asyncio.get_running_loop()))
        ((result, error),) = self._database.commit([item])
        self._seen(self.connection, done=error is None)
        if error is not None:
            raise error
        answer: T = result
        return answer

    def read(self, work: Work[T]) -> T:
        """As `Committer.read`."""
        self._require_open()
        return self._database.snapshot(self.connection, work)

    def close(self) -> None:
        """Close the file. What is queued is lost, as after a power cut."""
        if not self._is_closed:
            self._is_closed = True
            self.connection.close()

    def _require_open(self) -> None:
        if self._is_closed:
            raise Broken("store_closed", "the store is closed; start the program again")

    def _commit(self) -> None:
        self._is_due = False
        batch, self._queue = self._queue[:BATCH_MAX], self._queue[BATCH_MAX:]
        if not batch or self._is_closed:
            return
        if self._timing.dies_before():
            self._die("before a commit")
            return
        answers = self._database.commit(batch)
        self._seen(self.connection, done=any(error is None for _, error in answers))
        if self._timing.dies_after():
            self._die("after a commit")
            return
        loop = asyncio.get_running_loop()
        loop.call_later(self._timing.answer_delay_s(), _answer, batch, answers)
        if self._queue:
            self._is_due = True
            loop.call_later(self._timing.commit_delay_s(), self._commit)


def hasten(connection: apsw.Connection) -> None:
    """Leave out what only a real disk and other processes need: syncing, shared locks, a log.

    Nothing else changes: what is committed is in the file, and a process that dies takes nothing
    of it along, since none dies within a commit.
    """
    connection.pragma("synchronous", "off")
    connection.pragma("locking_mode", "exclusive")
    connection.pragma("journal_mode", "memory")


def _answer(batch: list[_Item], answers: list[tuple[Any, BaseException | None]]) -> None:
    for item, (result, error) in zip(batch, answers, strict=True):
        if item.future.done():
            continue
        if error is None:
            item.future.set_result(result)
        else:
            item.future.set_exception(error)
