"""Group commit: one writer over one SQLite file.

Works queue up; the writer takes all that are there, runs them in one transaction and answers them
after the commit, so that one fsync pays for all of them. Several processes may share the file:
each transaction begins IMMEDIATE and waits for the others. What a batch is, and how the file is
opened, says `database.py`. Source: ours.
"""

import asyncio
import contextlib
import queue
import threading
from concurrent.futures import Future
from pathlib import Path
from typing import Any, TypeVar

import apsw
import msgspec

from farthing.errors import Broken, Refusal
from farthing.stores.checkpoints import Checkpoints
from farthing.stores.database import Answer, Database, Work
from farthing.stores.trouble import Trouble

__all__ = ["Answered", "Committer", "Work"]

T = TypeVar("T")
READER_CACHE_KIB = 8 * 1024  # per reading thread; the operating system caches the rest
CHECKPOINT_CACHE_KIB = 64  # pages of a log are copied without any cache

GATHER_S = 0.005  # at most so long: a commit costs a busy process more than this delay does
BATCH_MAX = 512  # works in one transaction: about 20 ms of work, so nobody waits for long


class _Item(msgspec.Struct):
    """One work in the queue, and who waits for it."""

    work: Work[Any]
    atomic: bool
    loop: asyncio.AbstractEventLoop | None
    future: asyncio.Future[Any] | Future[Any]


_Answer = tuple[asyncio.Future[Any] | Future[Any], Any, BaseException | None]


class Answered(asyncio.Future[Any]):
    """A task that waits for this is cancelled once it is done: commits are waited for."""

    def cancel(self, msg: Any = None) -> bool:
        """Refuse, which tells the task to remember it until it goes on."""
        return False


class Committer:
    """One writer thread over one database; works in, answers after the commit.

    A work is a function of the connection. It may run again only if its caller asks again. A work
    that decides before it writes may raise a `Refusal` or `Stale` as it is; one that may raise
    after writing asks for `atomic=True` and is rolled back alone. Any other exception out of a
    work that is not atomic spoils its batch: every waiter gets `Broken`, nothing is committed.
    """

    def __init__(
        self,
        path: Path,
        schema: str,
        *,
        application_id: int,
        version: int,
        batch_max: int = BATCH_MAX,
    ) -> None:
        """Open or create the database at `path`; arguments and refusals as of `Database`."""
        self._batch_max = batch_max
        self._queue: queue.SimpleQueue[list[_Item] | None] = queue.SimpleQueue()
        self._gathered: dict[asyncio.AbstractEventLoop, list[_Item]] = {}
        self._entrance = threading.Lock()
        self._closed = False
        self._local = threading.local()
        self._trouble = Trouble()
        self._readers: list[apsw.Connection] = []
        self._database = Database(path, schema, application_id=application_id, version=version)
        self.checkpoints = Checkpoints(
            self._database.connection, lambda: self._database.connect(CHECKPOINT_CACHE_KIB)
        )
        self._thread = threading.Thread(
            target=self._run, name=f"committer {path.name}", daemon=True
        )
        self._thread.start()

    async def do(self, work: Work[T], *, atomic: bool = False) -> T:
        """What `work` returned, after its commit; what it raised; `Broken` if the disk failed.

        A task cancelled while it waits has no influence on the transaction: the work commits
        whole or not at all, and only then does the task learn that it was cancelled. What comes
        in turns of the event loop that follow each other is handed over together.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = Answered(loop=loop)
        item = _Item(work, atomic, loop, future)
        with self._entrance:
            self._require_open()
            gathered = self._gathered.get(loop)
            if gathered is not None:
                gathered.append(item)
            else:
                self._gathered[loop] = [item]
                loop.call_soon(self._hand_over, loop, 1, loop.time() + GATHER_S)
        return await future

    def do_now(self, work: Work[T], *, atomic: bool = False) -> T:
        """As `do`, blocking the calling thread."""
        assert threading.current_thread() is not self._thread, "a work may not wait for another"
        future: Future[T] = Future()
        with self._entrance:  # so that nothing can queue up behind the end
            self._require_open()
            self._queue.put([_Item(work, atomic, None, future)])
        return future.result()

    def read(self, work: Work[T]) -> T:
        """What `work` returns on one snapshot of committed state; waits for no commit."""
        try:
            connection: apsw.Connection = self._local.connection
        except AttributeError:
            connection = self._open_reader()
        try:
            return self._database.snapshot(connection, work)
        except Refusal as refusal:
            self._trouble.tell(refusal)
            raise

    def close(self) -> None:
        """Commit and answer what is queued, then close the file. Closing twice is once."""
        with self._entrance:
            if self._closed:
                return
            self._closed = True
            for items in self._gathered.values():
                self._queue.put(items)
            self._gathered.clear()
            self._queue.put(None)
        self._thread.join()
        self.checkpoints.wait()
        for connection in [*self._readers, self._database.connection]:
            with contextlib.suppress(apsw.Error):  # then the log stays, and has what is committed
                connection.close()

    def _require_open(self) -> None:
        if self._closed:
            raise Broken("store_closed", "the store is closed; start the program again")

    def _hand_over(self, loop: asyncio.AbstractEventLoop, known: int, until_s: float) -> None:
        """Give the writer what was gathered, once a turn of the event loop adds nothing to it."""
        with self._entrance:
            items = self._gathered.get(loop)
            if items is None:  # the end has handed them over
                return
            if known < len(items) < self._batch_max and loop.time() < until_s:
                loop.call_soon(self._hand_over, loop, len(items), until_s)
                return
            del self._gathered[loop]
            self._queue.put(items)

    def _open_reader(self) -> apsw.Connection:
        with self._entrance:
            self._require_open()
            try:
                connection = self._database.connect(READER_CACHE_KIB)
                connection.execute("PRAGMA query_only = ON")
            except (apsw.Error, OSError) as wrong:
                raise self._database.refusal_of(wrong) from wrong
            self._readers.append(connection)
        self._local.connection = connection
        return connection

    def _run(self) -> None:
        waiting: list[_Item] = []
        is_open = True
        while is_open or waiting:
            try:
                while is_open and len(waiting) < self._batch_max:
                    items = self._queue.get(block=not waiting)
                    if items is None:
                        is_open = False
                    else:
                        waiting += items
            except queue.Empty:
                pass
            batch, waiting = waiting[: self._batch_max], waiting[self._batch_max :]
            if batch:
                answers = self._database.commit(batch)
                self._trouble.tell(answers[-1][1])  # a disk that fails undoes them all
                self._answer(batch, answers)
                self.checkpoints.take_turn()

    def _answer(self, batch: list[_Item], answers: list[Answer]) -> None:
        by_loop: dict[asyncio.AbstractEventLoop | None, list[_Answer]] = {}
        for item, (result, error) in zip(batch, answers, strict=True):
            by_loop.setdefault(item.loop, []).append((item.future, result, error))
        for loop, settled in by_loop.items():
            if loop is None:
                _settle(settled)
                continue
            try:
                loop.call_soon_threadsafe(_settle, settled)
            except RuntimeError:  # the loop is closed, and nobody waits any more
                continue


def _settle(answers: list[_Answer]) -> None:
    for future, result, error in answers:
        if future.done():  # its task was cancelled; the commit stands
            continue
        if error is None:
            future.set_result(result)
        elif isinstance(error, StopIteration):  # which no future can carry
            future.set_exception(RuntimeError("a work raised StopIteration"))
        else:
            future.set_exception(error)
