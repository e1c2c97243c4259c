"""A file that is made under another name, and put in place when it is whole.

What is cut short leaves a draft, which the next attempt removes: never a file that looks like what
was wanted and is not. Source: ours.
"""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

import apsw

from farthing.errors import Broken, Misconfigured
from farthing.stores.database import refusal_of

FILES = ("", "-wal", "-shm", "-journal")  # a database, and what SQLite puts beside it


def remove(draft: Path) -> None:
    """Whatever an earlier attempt left."""
    for end in FILES:
        draft.with_name(draft.name + end).unlink(missing_ok=True)


def copy(source: apsw.Connection, target: apsw.Connection) -> None:
    """The database at one moment into an empty one; SQLite's errors."""
    copying = target.backup("main", source, "main")
    copying.step()
    copying.finish()


def put_in_place(draft: Path, path: Path) -> None:
    """Give a closed draft its name, durably.

    Its log is copied into it first, which closing it may have failed to do without a word.
    `Misconfigured` if there is a file by now; `Broken`, and refusals as of `refusal_of`.
    """
    try:
        _join_log(draft)
        with locked(path) as directory:
            if path.exists():
                raise Misconfigured("file_exists", f"{path} exists; name another file")
            os.rename(draft, path)
            os.fsync(directory)
    except (apsw.Error, OSError) as wrong:
        raise refusal_of(wrong, path.name) from wrong


def write(path: Path, raw: bytes) -> os.stat_result:
    """Put a small file in place whole, durably, mode 0600, over what was there; `OSError`.

    One at a time: who may be beside somebody else has the lock.
    """
    draft = path.with_name(path.name + ".new")
    with contextlib.suppress(FileNotFoundError):
        draft.unlink()  # left by a crash
    fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with open(fd, "wb") as file:
        file.write(raw)
        file.flush()
        os.fsync(fd)
        found = os.fstat(fd)
    os.rename(draft, path)
    with directory_of(path) as directory:
        os.fsync(directory)
    return found


def _join_log(draft: Path) -> None:
    connection = apsw.Connection(str(draft), flags=apsw.SQLITE_OPEN_READWRITE)
    try:
        busy = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()[0][0]
    finally:
        connection.close()
    if busy:
        raise Broken("store_locked", f"another program holds {draft.name}; end it and try again")


@contextlib.contextmanager
def directory_of(path: Path) -> Iterator[int]:
    """A descriptor of the folder that `path` is in."""
    fd = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield fd
    finally:
        os.close(fd)


@contextlib.contextmanager
def locked(path: Path) -> Iterator[int]:
    """One change in a folder at a time over all processes, as far as they ask; its descriptor.

    The lock ends with the process at the latest.
    """
    with directory_of(path) as directory:
        fcntl.flock(directory, fcntl.LOCK_EX)
        yield directory
