"""Copies the log of a database into its file while the writer goes on.

SQLite copies a log that has grown long inside the commit that made it so (a *checkpoint*), and
everybody waits for that commit. Here a thread copies what there is, on a connection of its own. The
writer copies what has come since, which is little, and has the log begin anew; for that it waits a
moment for others who write or read. What a failure leaves undone stays in the log, which has
everything, and is done later. Source: SQLite's "Write-Ahead Logging", 3.2; ours.
"""

import contextlib
import threading
import time
from collections.abc import Callable

import apsw

from farthing.stores import database

WAIT_POLLS = 20  # of half a millisecond: readers of a gate are quicker, and commits wait as long


class Checkpoints:
    """Of one writing connection; for the writer's thread."""

    def __init__(self, writer: apsw.Connection, connect: Callable[[], apsw.Connection]) -> None:
        """`connect` makes the thread's connection."""
        self._writer, self._connect = writer, connect
        self._pages = 0
        self._due = database.WAL_PAGES
        self._thread: threading.Thread | None = None
        writer.set_wal_hook(self._hear)  # which takes the place of SQLite's own checkpoints

    def take_turn(self) -> None:
        """To be called between commits: begins to copy a long log, or ends what was begun."""
        if self._thread is None:
            if self._pages >= self._due:
                self._begin()
        elif not self._thread.is_alive():
            self._thread = None
            self._end()

    def wait(self) -> None:
        """Until the thread has done what was begun."""
        thread = self._thread
        if thread is not None:
            thread.join()

    def _hear(self, _connection: apsw.Connection, _name: str, pages: int) -> int:
        self._pages = pages
        self._due = min(self._due, database.WAL_PAGES + pages)  # another may have begun it anew
        return apsw.SQLITE_OK

    def _begin(self) -> None:
        thread = threading.Thread(target=self._copy_beside, name="checkpoint", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # there are no more threads to be had
            self._end()
        else:
            self._thread = thread

    def _end(self) -> None:
        self._writer.set_busy_handler(_wait_a_moment)
        try:
            is_whole = copy(self._writer, apsw.SQLITE_CHECKPOINT_RESTART)
        finally:
            self._writer.set_busy_handler(database.wait_for_the_others)
        self._due = database.WAL_PAGES + (0 if is_whole else self._pages)

    def _copy_beside(self) -> None:
        with contextlib.suppress(apsw.Error):
            connection = self._connect()
            try:
                copy(connection, apsw.SQLITE_CHECKPOINT_PASSIVE)
            finally:
                connection.close()


def copy(connection: apsw.Connection, mode: int) -> bool:
    """Copy as much as this mode of checkpoint can; whether that was all."""
    try:
        logged, copied = connection.wal_checkpoint(mode=mode)
    except apsw.Error:  # others are at it, or the disk: the log has it all
        return False
    return logged == copied


def _wait_a_moment(polls: int) -> bool:
    if polls >= WAIT_POLLS:
        return False
    time.sleep(database.BUSY_POLL_S)
    return True
