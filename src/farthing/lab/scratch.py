"""Folders of simulated disks: in memory where the system has such a place.

A process makes all of them in one folder of its own, on which it has a lock for as long as it
lives: `remove_lost` removes those of processes that were killed, beside others that go on.
"""

import atexit
import fcntl
import os
import shutil
import tempfile
import time
from pathlib import Path

SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - folders in it get random names
HELD = "farthing-held-"  # begins the name of what has a lock; script/test makes such a folder, too
OURS = "farthing[-.]*"  # also what earlier versions have made, which had no lock
UNLOCKED_S = 3 * 86_400  # no run of theirs takes so long

_place: list[Path] = []  # of a worker: its parent's folder
_own: dict[int, Path] = {}  # of this process, by its number: a child that was forked has another


def live_in(folder: Path) -> None:
    """Make every folder in this one from now on: whoever gave it removes it."""
    _place[:] = [folder]


def new_folder(name: str) -> Path:
    """An empty folder of its own; the caller removes it."""
    return Path(
        tempfile.mkdtemp(prefix=f"{name}-", dir=_place[0] if _place else _of_this_process())
    )


def remove_lost(place: Path = SHARED_MEMORY) -> int:
    """Remove what killed processes of this user have left; how many folders."""
    count = 0
    for path in sorted(place.glob(OURS)):
        try:
            handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        except OSError:  # its owner was quicker, or it is none
            continue
        try:
            found = os.fstat(handle)
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            is_old = found.st_mtime + UNLOCKED_S < time.time()
            if found.st_uid == os.geteuid() and (path.name.startswith(HELD) or is_old):
                shutil.rmtree(path, ignore_errors=True)
                count += 1
        except BlockingIOError:  # its owner lives
            continue
        finally:
            os.close(handle)
    return count


def _of_this_process() -> Path:
    pid = os.getpid()
    if pid not in _own:
        base = SHARED_MEMORY if SHARED_MEMORY.is_dir() else Path(tempfile.gettempdir())
        _own[pid] = _held(base)
        atexit.register(_leave, pid)
    return _own[pid]


def _held(base: Path) -> Path:
    """A new folder with a lock on it until this process ends."""
    while True:
        path = Path(tempfile.mkdtemp(prefix=HELD, dir=base))
        try:
            handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        except FileNotFoundError:  # `remove_lost` saw it before there was a lock
            continue
        fcntl.flock(handle, fcntl.LOCK_EX)
        if path.exists():
            return path
        os.close(handle)


def _leave(pid: int) -> None:
    if os.getpid() == pid:
        shutil.rmtree(_own[pid], ignore_errors=True)
