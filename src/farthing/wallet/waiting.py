"""What is written with the next transaction of a wallet's file: that costs it no commit of its own.

How purchases ended, and what has reached the payer. A crash before costs nothing; a program that
just ends writes it first (`at_end`), since its next run may make the same request and mean another.
"""

import contextlib
import os
from collections import deque
from collections.abc import Iterator

import apsw

from farthing.errors import Refusal
from farthing.wallet.commands import Purchase, Settle
from farthing.wallet.endings import Endings
from farthing.wallet.file import File


class Waiting:
    """Of one open file. Safe to share between threads."""

    def __init__(self, file: File, endings: Endings) -> None:
        """Nothing waits."""
        self._file = file
        self._endings = endings
        self._queue: deque[Settle | Purchase] = deque()

    def add(self, ended: Settle | Purchase) -> None:
        """Have it written with the next transaction."""
        self._queue.append(ended)

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """One transaction; what waits for it is written first, and waits on if it is undone."""
        written: list[Settle | Purchase] = []
        try:
            with self._file.write():
                while self._queue:  # other threads add to it meanwhile
                    ended = self._queue.popleft()
                    written.append(ended)
                    delivered = isinstance(ended, Settle) and self._comes_next(ended.purchase)
                    if delivered:
                        written.append(self._queue.popleft())
                    self._endings.write(ended, delivered=delivered)
                yield
            written = []
        finally:
            self._queue.extendleft(reversed(written))

    def _comes_next(self, made: Purchase) -> bool:
        """Whether the next to be written is that this purchase has reached the payer."""
        following = self._queue[0] if self._queue else None
        return isinstance(following, Purchase) and following.id == made.id

    def flush(self) -> None:
        """Write what waits, if anything does; `Busy`, `Broken`."""
        if self._queue:
            with self.transaction():
                pass

    def at_end(self) -> None:
        """`flush` where nobody is left to hear of trouble; a forked child leaves it to its parent.

        What cannot be written is lost as by a crash.
        """
        if self._file.owner == os.getpid():
            with contextlib.suppress(Refusal, apsw.Error):
                self.flush()
