"""Folders of simulated disks: in memory where the system has such a place."""

import tempfile
from pathlib import Path

SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - folders in it get random names

_place: list[Path] = []  # of a worker: its parent's folder


def live_in(folder: Path) -> None:
    """Make every folder in this one from now on: whoever gave it removes it."""
    _place[:] = [folder]


def new_folder(name: str) -> Path:
    """An empty folder of its own; the caller removes it."""
    here = SHARED_MEMORY if SHARED_MEMORY.is_dir() else None
    return Path(tempfile.mkdtemp(prefix=f"farthing-{name}-", dir=_place[0] if _place else here))
