"""Copies the log of a database into its file while the writer goes on.

SQLite copies a log that has grown long inside the commit that made it so (a *checkpoint*), and
everybody waits for that commit. Here a thread copies what there is, on a connection of its own, and
the writer what has come since, which is little; then its next commit begins the log anew. Whoever
reads or copies meanwhile makes a checkpoint end early, and the next one does the rest. What a
failure leaves undone stays in the log, which has everything. Source: SQLite's "Write-Ahead
Logging", 3.2; ours.
"""

import contextlib
import threading
from collections.abc import Callable

import apsw

from farthing.stores import database


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
                self._thread = threading.Thread(target=self._copy_beside, name="checkpoint")
                self._thread.start()
        elif not self._thread.is_alive():
            self._thread = None
            is_whole = copy(self._writer)
            self._due = database.WAL_PAGES + (0 if is_whole else self._pages)

    def close(self) -> None:
        """Wait for what was begun."""
        if self._thread is not None:
            self._thread.join()

    def _hear(self, _connection: apsw.Connection, _name: str, pages: int) -> int:
        self._pages = pages
        return apsw.SQLITE_OK

    def _copy_beside(self) -> None:
        with contextlib.suppress(apsw.Error):
            connection = self._connect()
            try:
                copy(connection)
            finally:
                connection.close()


def copy(connection: apsw.Connection) -> bool:
    """Copy as much as can be without waiting for anybody; whether that was all."""
    try:
        logged, copied = connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
    except apsw.Error:  # another process is at it, or the disk: the log has it all
        return False
    return logged == copied
