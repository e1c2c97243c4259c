"""What a server and its workers use, as Linux counts it."""

import contextlib
import os
from pathlib import Path


def _family(process: int) -> set[int]:
    """A process and everything that it has started."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError):
            parents[int(entry.name)] = int(_fields(int(entry.name))[1])
    family = {process}
    while grown := {child for child, parent in parents.items() if parent in family} - family:
        family |= grown
    return family


def _fields(process: int) -> list[str]:
    """proc(5), `stat`, from the state on."""
    return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()


def resident_mb(process: int) -> float:
    """Resident memory; what members of the family share counts for each of them."""
    pages = sum(int(Path(f"/proc/{one}/statm").read_text().split()[1]) for one in _family(process))
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def cpu_s(process: int) -> float:
    """CPU time so far, user and system."""
    ticks = sum(int(tick) for one in _family(process) for tick in _fields(one)[11:13])
    return ticks / os.sysconf("SC_CLK_TCK")
