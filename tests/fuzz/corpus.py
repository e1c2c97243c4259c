"""The kept inputs: `corpus/<parser>/<name>`, one file each, the bytes as they are.

What ever failed stays, under a name that says what was wrong; `seen-…` are inputs that reach what
the honest ones do not.
"""

import hashlib
from pathlib import Path

FOLDER = Path(__file__).resolve().parent / "corpus"
FOUND = "failed-"  # until somebody gives it a name that speaks
SEEN = "seen-"


def kept(parser: str) -> dict[str, bytes]:
    """A parser's inputs by name."""
    folder = FOLDER / parser
    files = sorted(folder.iterdir()) if folder.is_dir() else []
    return {path.name: path.read_bytes() for path in files}


def keep(parser: str, raw: bytes, kind: str = FOUND) -> Path:
    """Write one down; where it lies."""
    path = FOLDER / parser / f"{kind}{hashlib.sha256(raw).hexdigest()[:8]}"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(raw)
    return path
