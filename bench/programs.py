"""Programs from Debian packages that some parts need."""

import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGES = {
    "wrk": "wrk",
    "initdb": "postgresql",
    "pg_ctl": "postgresql",
    "pgbench": "postgresql",
}
POSTGRES_FOLDERS = Path("/usr/lib/postgresql")  # Debian keeps the servers of all versions here


class Missing(Exception):  # noqa: N818 - what a part lacks, or what went wrong with its program
    """A part cannot be measured; says why, and what to do."""


def find(program: str) -> str:
    """The program's path; `Missing`."""
    found = shutil.which(program)
    if found is not None:
        return found
    for folder in sorted(POSTGRES_FOLDERS.glob("*/bin"), reverse=True):
        if (folder / program).exists():
            return str(folder / program)
    raise Missing(f"{program} is not here; install the package {PACKAGES[program]}")


def ensure(*programs: str) -> None:
    """Install what is missing, as root on Debian or Ubuntu; `Missing` elsewhere."""
    packages = sorted({PACKAGES[program] for program in programs if not _is_here(program)})
    if not packages:
        return
    command = [str(ROOT / "script" / "packages"), *packages]
    done = subprocess.run(command, check=False)  # noqa: S603 - our own command, no shell
    if done.returncode:
        raise Missing(f"please install {' '.join(packages)} and try again")


def _is_here(program: str) -> bool:
    try:
        find(program)
    except Missing:
        return False
    return True
