"""What happened in a world, in order: a hash over all of it, and the last lines for people.

The hash covers every message's bytes and every time, so that two runs with one hash were the same
run. Nothing in it comes from the machine: no address, no real time, no order of a set.
"""

import hashlib
from collections import deque
from collections.abc import Callable

from farthing.lab.traces import tell

LINES_KEPT = 2_000  # of a run: what people read of a failure; the hash covers the rest
UNHASHED_MAX = 64  # lines that are hashed at once: one by one takes longer


def brief(body: bytes) -> str:
    """A body by its digest, 8 hex digits; "-" where there is none."""
    return hashlib.blake2b(body, digest_size=4).hexdigest() if body else "-"


class Trace:
    """The course of one run."""

    def __init__(self, time_s: Callable[[], float], lines_max: int | None = LINES_KEPT) -> None:
        """`lines_max`: None keeps every line."""
        self._time_s = time_s
        self._hash = hashlib.blake2b(digest_size=16)
        self._unhashed: list[str] = []
        self.lines: deque[str] = deque(maxlen=lines_max)
        self.events = 0

    def note(self, kind: str, who: str, *what: str | bytes) -> None:
        """One event: its kind, whose it is, and what it was."""
        self.events += 1
        shown = " ".join([brief(part) if isinstance(part, bytes) else part for part in what])
        line = f"{self._time_s():12.6f} {kind:<8} {who} {shown}"
        self.lines.append(line)
        self._unhashed.append(line)
        if len(self._unhashed) == UNHASHED_MAX:
            self._catch_up()

    def last(self) -> str:
        """The event that came last, as people read it."""
        return f"event {self.events}: {tell(self.lines[-1]).strip()}" if self.lines else ""

    def _catch_up(self) -> None:
        self._hash.update("".join(self._unhashed).encode())
        self._unhashed.clear()

    @property
    def hash(self) -> str:
        """Hex, of everything until now."""
        self._catch_up()
        return self._hash.hexdigest()
