"""Mistakes of our own, for the log: where they are, never what they say, which may be secret."""

from pathlib import Path
from traceback import extract_tb

from farthing.errors import Broken

FRAMES_TOLD = 6  # the innermost: those before are the server's


def place_of(wrong: BaseException) -> str:
    """The kind of the exception, and the lines that it came through."""
    frames = extract_tb(wrong.__traceback__)[-FRAMES_TOLD:]
    lines = " ".join(f"{Path(frame.filename).name}:{frame.lineno}" for frame in frames)
    return f"{type(wrong).__name__} at {lines}"


def refusal_of(wrong: BaseException) -> Broken:
    """What whoever asked is told: nothing of it, and to ask again."""
    refusal = Broken("internal_fault", "a mistake of this server; repeat the same request")
    refusal.__cause__ = wrong
    return refusal
