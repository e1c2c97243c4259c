"""Group commit: one writer over one SQLite file.

Works queue up; the writer takes all that are there, runs them in one transaction and answers them
after the commit, so that one fsync pays for all of them. Several processes may share the file:
each transaction begins IMMEDIATE and waits for the others. Source: ours; settings as in SQLite's
"Write-Ahead Logging", with `synchronous=FULL`, which syncs at every commit.
"""

import asyncio
import contextlib
import errno
import os
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any, TypeVar

import apsw
import msgspec

from farthing.errors import Broken, Misconfigured, Refusal
from farthing.marks import Stale

T = TypeVar("T")
Work = Callable[[apsw.Connection], T]

BATCH_MAX = 512  # works in one transaction: about 20 ms of work, so nobody waits for long
SWITCH_ATTEMPTS = 50  # two processes may make one file at the same moment
SWITCH_PAUSE_S = 0.02  # 50 of these are a second: longer than making a file takes
BUSY_POLL_S = 0.0005  # SQLite's own pauses, up to 100 ms, starve one process beside a busy other
BUSY_POLLS_MAX = 10_000  # 5 s: another process's transaction takes milliseconds
WRITER_CACHE_KIB = 64 * 1024  # holds the inner pages of ten million marks
READER_CACHE_KIB = 8 * 1024  # per reading thread; the operating system caches the rest
WAL_PAGES = 2_000  # 8 MiB of log between checkpoints: more is faster, and stops everybody longer
WAL_SIZE_MAX_BYTES = 64 * 1024 * 1024  # a log that a slow reader let grow is cut back to this


class _Item(msgspec.Struct):
    """One work in the queue, and who waits for it."""

    work: Work[Any]
    atomic: bool
    loop: asyncio.AbstractEventLoop | None
    future: asyncio.Future[Any] | Future[Any]


_Answer = tuple[asyncio.Future[Any] | Future[Any], Any, BaseException | None]


class _Answered(asyncio.Future[Any]):
    """A task that waits for this is cancelled once it is done: commits are waited for."""

    def cancel(self, msg: Any = None) -> bool:
        """Refuse, which tells the task to remember it until it goes on."""
        return False


class _Spoiled(Exception):  # noqa: N818 - a signal inside this module, not an error
    """A work left the transaction in doubt: none of the batch may commit."""

    def __init__(self, cause: BaseException) -> None:
        super().__init__()
        self.cause = cause


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
        vfs: str = "",
    ) -> None:
        """Open or create the database at `path`, mode 0600.

        `schema` makes the tables of a new file. `application_id` (31 bits) says what kind of file
        it is and `version` which tables it has: another kind or version is `Misconfigured`, as is
        a path that cannot be opened; a file that stays locked is `Broken`. `vfs` names a
        registered SQLite VFS.
        """
        self._path = path
        self._vfs = vfs
        self._batch_max = batch_max
        self._queue: queue.SimpleQueue[list[_Item] | None] = queue.SimpleQueue()
        self._gathered: dict[asyncio.AbstractEventLoop, list[_Item]] = {}
        self._entrance = threading.Lock()
        self._closed = False
        self._local = threading.local()
        self._readers: list[apsw.Connection] = []
        try:
            _create(path)
            self._connection = self._connect(WRITER_CACHE_KIB)
            _prepare(self._connection, schema, application_id=application_id, version=version)
        except (apsw.Error, OSError) as wrong:
            raise refusal_of(wrong, path.name) from wrong
        self._thread = threading.Thread(
            target=self._run, name=f"committer {path.name}", daemon=True
        )
        self._thread.start()

    async def do(self, work: Work[T], *, atomic: bool = False) -> T:
        """What `work` returned, after its commit; what it raised; `Broken` if the disk failed.

        A task cancelled while it waits has no influence on the transaction: the work commits
        whole or not at all, and only then does the task learn that it was cancelled. What one turn
        of the event loop asks for is handed over together: the writer is woken once.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = _Answered(loop=loop)
        item = _Item(work, atomic, loop, future)
        with self._entrance:
            self._require_open()
            gathered = self._gathered.get(loop)
            if gathered is not None:
                gathered.append(item)
            else:
                self._gathered[loop] = [item]
                loop.call_soon(self._hand_over, loop)
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
            connection.execute("BEGIN")
            try:
                return work(connection)
            finally:
                connection.execute("ROLLBACK")
        except apsw.Error as wrong:
            raise refusal_of(wrong, self._path.name) from wrong

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
        for connection in [*self._readers, self._connection]:
            connection.close()

    def _require_open(self) -> None:
        if self._closed:
            raise Broken("store_closed", "the store is closed; start the program again")

    def _hand_over(self, loop: asyncio.AbstractEventLoop) -> None:
        with self._entrance:
            items = self._gathered.pop(loop, None)
            if items is not None:  # else the end has handed them over
                self._queue.put(items)

    def _connect(self, cache_kib: int) -> apsw.Connection:
        connection = apsw.Connection(
            str(self._path), flags=apsw.SQLITE_OPEN_READWRITE, vfs=self._vfs or None
        )
        connection.set_busy_handler(_wait_for_the_others)
        connection.pragma("cache_size", -cache_kib)
        return connection

    def _open_reader(self) -> apsw.Connection:
        with self._entrance:
            self._require_open()
            try:
                connection = self._connect(READER_CACHE_KIB)
                connection.execute("PRAGMA query_only = ON")
            except (apsw.Error, OSError) as wrong:
                raise refusal_of(wrong, self._path.name) from wrong
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
                self._answer(batch, self._commit(batch))

    def _commit(self, batch: list[_Item]) -> list[tuple[Any, BaseException | None]]:
        """Run the batch in one transaction; result and error of each, in order."""
        answers: list[tuple[Any, BaseException | None]] = []
        culprit: BaseException | None = None
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            for item in batch:
                answers.append(self._attempt(item))
            self._connection.execute("COMMIT")
            return answers
        except _Spoiled as spoiled:
            culprit = cause = spoiled.cause
        except BaseException as wrong:  # noqa: BLE001 - the thread must live to answer everybody
            cause = wrong
        self._roll_back()
        at = len(answers)  # where the culprit stands, if it was a work
        answers = [(None, self._undone(cause)) for _ in batch]
        if culprit is not None and not isinstance(culprit, apsw.Error):
            answers[at] = (None, culprit)
        return answers

    def _attempt(self, item: _Item) -> tuple[Any, BaseException | None]:
        connection = self._connection
        if item.atomic:
            connection.execute("SAVEPOINT work")
        try:
            result = item.work(connection)
        except BaseException as error:  # whatever it is, it belongs to the waiter, who raises it
            if item.atomic and _leaves_the_file_sound(error):
                connection.execute("ROLLBACK TO work")
                connection.execute("RELEASE work")
            elif not isinstance(error, Refusal | Stale):
                raise _Spoiled(error) from error
            return None, error
        if item.atomic:
            connection.execute("RELEASE work")
        return result, None

    def _roll_back(self) -> None:
        with contextlib.suppress(apsw.Error):  # the next BEGIN says what is wrong with the file
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")

    def _undone(self, cause: BaseException) -> Refusal:
        if isinstance(cause, apsw.Error):
            refusal = refusal_of(cause, self._path.name)
        else:
            refusal = Broken(
                "batch_undone", "another request failed in the same commit; repeat this one"
            )
        refusal.__cause__ = cause
        return refusal

    def _answer(self, batch: list[_Item], answers: list[tuple[Any, BaseException | None]]) -> None:
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


def _prepare(
    connection: apsw.Connection, schema: str, *, application_id: int, version: int
) -> None:
    """Bring the file to our settings; make the tables of an empty one."""
    for attempt in range(SWITCH_ATTEMPTS):
        try:
            if connection.pragma("journal_mode") == "wal":
                break
            connection.pragma("journal_mode", "wal")
        except apsw.BusyError:  # for this switch SQLite does not wait by itself
            if attempt == SWITCH_ATTEMPTS - 1:
                raise
            time.sleep(SWITCH_PAUSE_S)
    connection.pragma("synchronous", "FULL")
    connection.pragma("foreign_keys", "ON")
    connection.pragma("wal_autocheckpoint", WAL_PAGES)
    connection.pragma("journal_size_limit", WAL_SIZE_MAX_BYTES)
    connection.execute("BEGIN IMMEDIATE")
    try:
        found = (connection.pragma("application_id"), connection.pragma("user_version"))
        tables = connection.execute("SELECT count(*) FROM sqlite_schema").get
        if found == (0, 0) and tables == 0:
            connection.execute(schema)
            connection.pragma("application_id", application_id)
            connection.pragma("user_version", version)
        elif found[0] != application_id:
            raise Misconfigured(
                "store_of_another_kind", "this file holds something else; name another path"
            )
        elif found[1] != version:
            raise Misconfigured(
                "store_of_another_version",
                f"the file has version {found[1]}, this program reads {version}; "
                "start the program that wrote it, or restore a backup of this version",
            )
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def _create(path: Path) -> None:
    """Make an empty file that its owner alone may read; SQLite gives its log the same mode.

    A file that exists is not even opened: to close it again would drop the locks that SQLite has
    on it in this process (fcntl(2)).
    """
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))


def _wait_for_the_others(polls: int) -> bool:
    """Whether to try again for the lock that another connection has."""
    time.sleep(BUSY_POLL_S)
    return polls < BUSY_POLLS_MAX


def _leaves_the_file_sound(error: BaseException) -> bool:
    """Whether a rollback to a savepoint undoes all that came with `error`."""
    return not isinstance(error, apsw.Error) or isinstance(error, apsw.ConstraintError)


def refusal_of(wrong: apsw.Error | OSError, name: str) -> Refusal:
    """What a failure of SQLite or of the disk means, and what to do; `name` is the file's."""
    match wrong:
        case OSError(errno=errno.ENOSPC) | apsw.FullError():
            return Broken("disk_full", f"no space left for {name}; free some and try again")
        case OSError() | apsw.CantOpenError():
            why = os.strerror(wrong.errno or errno.EIO) if isinstance(wrong, OSError) else ""
            return Misconfigured(
                "store_unopenable",
                f"cannot open {name} or its log: {why or 'no such file'}; "
                "name a file in a directory that may be written",
            )
        case apsw.NotADBError():
            return Misconfigured("store_not_a_database", f"{name} is no SQLite file")
        case apsw.ReadOnlyError() | apsw.PermissionsError() | apsw.AuthError():
            return Misconfigured("store_read_only", f"{name} and its directory must be writable")
        case apsw.BusyError() | apsw.LockedError():
            return Broken("store_locked", f"another program holds {name}; end it and try again")
        case apsw.CorruptError():
            return Broken("store_corrupt", f"{name} is damaged; restore it from a backup")
        case apsw.Error():
            return Broken("store_failed", f"{name}: {type(wrong).__name__}; see the system's log")
