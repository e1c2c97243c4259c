"""A disk that fails when it is told to: under every SQLite file of one folder, through a VFS.

- A *step* is a write, a sync or a truncation. `arm` makes the k-th step from now on fail in one of
  the four ways of `Fault`; `steps` and `fired` say what came of it.
- Until a file is synced its old bytes are kept, so that a power cut takes back what was written
  since. After a cut every step fails; close all connections, then `reboot`.
- A database is opened as ever: while a disk is mounted its VFS is SQLite's default, which passes
  files of other folders through. Disks are mounted and unmounted while no file of theirs is open.
- An error while a commit also copies the log into the database (a checkpoint) is raised by that
  commit, though it stands: SQLite would keep quiet. Whoever repeats it must come to no harm.

Source: ours, after the crash and I/O error tests of SQLite ("How SQLite Is Tested", 3.2 and 3.3).
"""

import threading
from collections.abc import Callable
from enum import Enum
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, Self

import apsw

VFS_NAME = "farthing-disk"
BENEATH = "unix"  # the VFS that does the work
SHARED_MEMORY = "-shm"  # of a log's readers: not on the disk at all
LOGS = apsw.SQLITE_OPEN_WAL | apsw.SQLITE_OPEN_MAIN_JOURNAL | apsw.SQLITE_OPEN_SUPER_JOURNAL
HALVES = 2  # a torn write is one of its halves


class Fault(Enum):
    """What goes wrong at a step."""

    ERROR = "error"  # this step fails, and nothing else
    FULL = "disk full"  # no write succeeds from here on
    CUT = "power cut"  # from here on nothing succeeds, and all since the last sync is gone
    TORN = "torn page"  # likewise, but all is there except the second half of the last write


class _Undo(NamedTuple):
    """What one step replaced."""

    offset: int
    old: bytes
    new: bytes
    size: int
    """Of the file before it."""


class Disk:
    """What is under one folder; mounted by `with`."""

    def __init__(self, folder: Path) -> None:
        """`folder` and all that is below it."""
        self.folder = folder.resolve()
        self.steps = 0
        """Counted since `arm`."""
        self.fired = False
        """Whether the fault has come since `arm`."""
        self.is_dead = False
        """Whether the power is cut."""
        self.is_buried = False
        """Whether nobody is left to hear of failures."""
        self._fault: Fault | None = None
        self._at = 0
        self._unsynced: dict[str, list[_Undo]] = {}
        self._removed: dict[str, bytes] = {}  # by names whose removal may not last
        self._turn = threading.RLock()

    def __enter__(self) -> Self:
        _mounted.append(self)
        if len(_mounted) == 1:
            _mounted_vfs.append(_Vfs())
        return self

    def __exit__(self, *_: object) -> None:
        _mounted.remove(self)
        if not _mounted:
            _mounted_vfs.pop().unregister()

    def arm(self, fault: Fault, at: int) -> None:
        """Let the `at`-th step from now on fail, counted from 1."""
        with self._turn:
            self._fault, self._at = fault, at
            self.steps, self.fired = 0, False

    def disarm(self) -> None:
        """Free space again; nothing fails any more, unless the power is cut."""
        with self._turn:
            self._fault = None

    def cut(self) -> None:
        """Cut the power now."""
        with self._turn:
            self._fault, self.is_dead = Fault.CUT, True

    def bury(self) -> None:
        """What is done from here on does nothing and tells nobody: for closing connections."""
        assert self.is_dead, "its power was not cut"
        self.is_buried = True

    def reboot(self) -> None:
        """Power again: files are as the fault has left them. No connection may be open."""
        assert self.is_dead, "its power was not cut"
        for path, undone in self._unsynced.items():
            if self._fault is Fault.CUT:
                _take_back(Path(path), undone)
        for path, old in self._removed.items():
            if not Path(path).exists():
                Path(path).write_bytes(old)
        for shared in self.folder.rglob("*" + SHARED_MEMORY):
            shared.unlink()
        self._unsynced.clear()
        self._removed.clear()
        self._fault, self.is_dead, self.is_buried = None, False, False

    # --- what files ask -------------------------------------------------------------------------

    def write(self, file: "_File", data: bytes, offset: int) -> None:
        """One write, or its failure."""
        with self._turn:
            if self.is_buried:
                return
            fault = self._step(is_write=True)
            if fault is Fault.TORN:
                self._keep(file, offset, data)
                file.write_through(data[: len(data) // HALVES], offset)
            if fault is not None:
                raise _failure(fault)
            self._keep(file, offset, data)
            file.write_through(data, offset)

    def truncate(self, file: "_File", size: int) -> None:
        """One truncation, or its failure."""
        with self._turn:
            if self.is_buried:
                return
            fault = self._step()
            if fault is not None:
                raise _failure(fault)
            whole = file.xFileSize()
            if size < whole:
                undo = _Undo(size, file.xRead(whole - size, size), b"", whole)
                self._unsynced.setdefault(file.path, []).append(undo)
            file.truncate_through(size)

    def sync(self, file: "_File", flags: int) -> None:
        """One sync, or its failure."""
        with self._turn:
            if self.is_buried:
                return
            fault = self._step()
            if fault is Fault.TORN:
                self._tear(file)
            if fault is not None:
                raise _failure(fault)
            file.sync_through(flags)
            self._unsynced.pop(file.path, None)
            if file.syncs_folder:
                file.syncs_folder = False
                folder = Path(file.path).parent
                self._removed = {
                    path: old for path, old in self._removed.items() if Path(path).parent != folder
                }

    def remove(self, path: str, remove: Callable[[], object], *, synced: bool) -> None:
        """One file goes, or its failure; unless its folder is synced a power cut brings it back."""
        with self._turn:
            if self.is_buried:
                return
            fault = self._step()
            if fault is not None:
                raise _failure(fault)
            old = bytearray(Path(path).read_bytes() if Path(path).exists() else b"")
            remove()
            for undo in reversed(self._unsynced.pop(path, [])):
                old[undo.offset : undo.offset + len(undo.old)] = undo.old
                del old[undo.size :]
            if old and not synced:
                self._removed[path] = bytes(old)

    def _step(self, *, is_write: bool = False) -> Fault | None:
        self.steps += 1
        if self.is_dead:
            return Fault.CUT
        if self._fault is None or self.steps < self._at:
            return None
        if self._fault is Fault.FULL:
            self.fired = self.fired or is_write
            return Fault.FULL if is_write else None
        if self.fired:
            return None
        self.fired = True
        self.is_dead = self._fault in {Fault.CUT, Fault.TORN}
        return self._fault

    def _keep(self, file: "_File", offset: int, data: bytes) -> None:
        size = file.xFileSize()
        old = file.xRead(min(len(data), size - offset), offset) if offset < size else b""
        self._unsynced.setdefault(file.path, []).append(_Undo(offset, old, data, size))

    def _tear(self, file: "_File") -> None:
        """The last write before a sync got half through."""
        undone = self._unsynced.get(file.path, [])
        if undone and undone[-1].new:
            last = undone[-1]
            half = len(last.new) // HALVES
            rest = last.old[half:].ljust(len(last.new) - half, b"\0")
            file.write_through(rest, last.offset + half)


def _failure(fault: Fault) -> Exception:
    return apsw.exception_for(apsw.SQLITE_FULL if fault is Fault.FULL else apsw.SQLITE_IOERR_WRITE)


def _take_back(path: Path, undone: list[_Undo]) -> None:
    if not path.exists():
        return
    with path.open("r+b") as file:
        for undo in reversed(undone):
            file.seek(undo.offset)
            file.write(undo.old)
            file.truncate(undo.size)


_Name = str | apsw.URIFilename | None


class _File(apsw.VFSFile):
    """One open file on a disk."""

    def __init__(self, disk: Disk, name: _Name, flags: list[int]) -> None:
        super().__init__(BENEATH, name, flags)
        self.path = _path_of(name)
        self.syncs_folder = bool(flags[0] & apsw.SQLITE_OPEN_CREATE and flags[0] & LOGS)
        """Whether its next sync is one of its folder too, as SQLite has it for new logs."""
        self._disk = disk

    def excepthook(self, *_: Any) -> bool:
        """Quiet: what was asked for is no news."""
        return True

    def xWrite(self, data: Any, offset: int) -> None:  # noqa: N802 - SQLite's name
        self._disk.write(self, bytes(data), offset)

    def xTruncate(self, newsize: int) -> None:  # noqa: N802 - SQLite's name
        self._disk.truncate(self, newsize)

    def xSync(self, flags: int) -> None:  # noqa: N802 - SQLite's name
        self._disk.sync(self, flags)

    def write_through(self, data: bytes, offset: int) -> None:
        """To the file itself."""
        super().xWrite(data, offset)

    def truncate_through(self, size: int) -> None:
        """Likewise."""
        super().xTruncate(size)

    def sync_through(self, flags: int) -> None:
        """Likewise."""
        super().xSync(flags)


class _Vfs(apsw.VFS):
    """SQLite's default while a disk is mounted."""

    def __init__(self) -> None:
        super().__init__(VFS_NAME, BENEATH, makedefault=True)

    def excepthook(self, *_: Any) -> bool:
        """Quiet: what was asked for is no news."""
        return True

    def xOpen(self, name: _Name, flags: list[int]) -> apsw.VFSFile:  # noqa: N802 - SQLite's name
        disk = _disk_of(_path_of(name))
        if disk is None:
            return apsw.VFSFile(BENEATH, name, flags)
        return _File(disk, name, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:  # noqa: N802, FBT001 - likewise
        disk = _disk_of(filename)
        through = partial(super().xDelete, filename, syncdir)
        if disk is None:
            through()
        else:
            disk.remove(filename, through, synced=bool(syncdir))


def _path_of(name: _Name) -> str:
    return name.filename() if isinstance(name, apsw.URIFilename) else name or ""


def _disk_of(path: str) -> Disk | None:
    parents = Path(path).parents
    return next((disk for disk in _mounted if disk.folder in parents), None)


_mounted: list[Disk] = []
_mounted_vfs: list[_Vfs] = []
