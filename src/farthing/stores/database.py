"""One SQLite file as we open it, and a batch of works in one transaction.

A work is a function of the connection. `Database.commit` runs a batch of them and says of each what
it returned or raised; whoever calls it decides when, and on which thread. Settings as in SQLite's
"Write-Ahead Logging", with `synchronous=FULL`, which syncs at every commit. Source: ours.
"""

import contextlib
import errno
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

import apsw

from farthing.errors import Broken, Misconfigured, Refusal
from farthing.marks import Stale

T = TypeVar("T")
Work = Callable[[apsw.Connection], T]
Answer = tuple[Any, BaseException | None]
"""What a work returned, and what it raised."""

SWITCH_ATTEMPTS = 50  # two processes may make one file at the same moment
SWITCH_PAUSE_S = 0.02  # 50 of these are a second: longer than making a file takes
BUSY_POLL_S = 0.0005  # SQLite's own pauses, up to 100 ms, starve one process beside a busy other
BUSY_POLLS_MAX = 10_000  # 5 s: another process's transaction takes milliseconds
WRITER_CACHE_KIB = 64 * 1024  # holds the inner pages of ten million marks
WAL_PAGES = 2_000  # 8 MiB of log before it is copied into the file
WAL_SIZE_MAX_BYTES = 64 * 1024 * 1024  # a log that a slow reader let grow is cut back to this


class Item(Protocol):
    """One work of a batch."""

    @property
    def work(self) -> Work[Any]:
        """What to run."""

    @property
    def atomic(self) -> bool:
        """Whether it is rolled back alone if it raises."""


class Writer(Protocol):
    """Whoever commits works to one file, a batch at a time."""

    async def do(self, work: Work[T], *, atomic: bool = False) -> T:
        """What `work` returned, after its commit; what it raised; `Broken` if the disk failed."""

    def do_now(self, work: Work[T], *, atomic: bool = False) -> T:
        """As `do`, at once."""

    def read(self, work: Work[T]) -> T:
        """What `work` returns on one snapshot of committed state."""

    def close(self) -> None:
        """Answer what is queued, and close the file."""


class _Spoiled(Exception):  # noqa: N818 - a signal inside this module, not an error
    """A work left the transaction in doubt: none of the batch may commit."""

    def __init__(self, cause: BaseException) -> None:
        super().__init__()
        self.cause = cause


class Database:
    """One open file: connections to it, and batches on the writing one."""

    def __init__(self, path: Path, schema: str, *, application_id: int, version: int) -> None:
        """Open or create the database at `path`, mode 0600.

        `schema` makes the tables of a new file. `application_id` (31 bits) says what kind of file
        it is and `version` which tables it has: another kind or version is `Misconfigured`, as is
        a path that cannot be opened; a file that stays locked is `Broken`.
        """
        self._path = path
        try:
            _create(path)
            self.connection = self.connect(WRITER_CACHE_KIB)
            _prepare(self.connection, schema, application_id=application_id, version=version)
        except (apsw.Error, OSError) as wrong:
            raise self.refusal_of(wrong) from wrong

    def refusal_of(self, wrong: apsw.Error | OSError) -> Refusal:
        """What a failure of SQLite or of the disk means for this file, and what to do."""
        return refusal_of(wrong, self._path.name)

    def connect(self, cache_kib: int) -> apsw.Connection:
        """One more connection; whoever asks closes it. SQLite's errors."""
        connection = apsw.Connection(str(self._path), flags=apsw.SQLITE_OPEN_READWRITE)
        connection.set_busy_handler(wait_for_the_others)
        connection.pragma("cache_size", -cache_kib)
        # Else a statement with `LIMIT ?` is planned anew each time that it is run.
        connection.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, 1)
        return connection

    def snapshot(self, connection: apsw.Connection, work: Work[T]) -> T:
        """What `work` returns on one snapshot of committed state; nothing it writes stays."""
        try:
            connection.execute("BEGIN")
            try:
                return work(connection)
            finally:
                connection.execute("ROLLBACK")
        except apsw.Error as wrong:
            raise self.refusal_of(wrong) from wrong

    def commit(self, batch: Sequence[Item]) -> list[Answer]:
        """Run the batch in one transaction; result and error of each, in order."""
        answers: list[Answer] = []
        culprit: BaseException | None = None
        try:
            self.connection.execute("BEGIN IMMEDIATE")
            for item in batch:
                answers.append(self._attempt(item))
            self.connection.execute("COMMIT")
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

    def _attempt(self, item: Item) -> Answer:
        connection = self.connection
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
            if self.connection.in_transaction:
                self.connection.execute("ROLLBACK")

    def _undone(self, cause: BaseException) -> Refusal:
        if isinstance(cause, apsw.Error):
            refusal = self.refusal_of(cause)
        else:
            refusal = Broken(
                "batch_undone", "another request failed in the same commit; repeat this one"
            )
        refusal.__cause__ = cause
        return refusal


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


def wait_for_the_others(polls: int) -> bool:
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
        case apsw.IOError():  # a full disk too, where the log's index finds no room
            return Broken(
                "store_disk_failing",
                f"the disk of {name} is full or failing: free some space, see the system's log,"
                " and try again",
            )
        case apsw.CorruptError():
            return Broken("store_corrupt", f"{name} is damaged; restore it from a backup")
        case apsw.Error():
            return Broken("store_failed", f"{name}: {type(wrong).__name__}; see the system's log")
