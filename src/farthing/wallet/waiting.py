"""What is written with the next transaction of a wallet's file: that costs it no commit of its own.

- That purchases are done, or in a moment where no other transaction comes: a crash before leaves a
  doubt that the vendor ends.
- What has reached the payer: a program that crashes before its next command may not have noted it,
  and gets the page once more. One that just ends writes it first (`at_end`), since its next run may
  make the same request and mean another.
"""

import contextlib
import os
import threading
from collections import deque
from collections.abc import Callable, Iterator

import apsw

from farthing.errors import Refusal
from farthing.wallet.commands import Purchase, Settle
from farthing.wallet.endings import Endings
from farthing.wallet.file import File

WITHIN_S = 0.05  # an instrument that is done with is free again before anybody opens another

Soon = Callable[[Callable[[], None]], object]
"""Has something done within `WITHIN_S`, once for each time that it is asked."""


def at_once(write: Callable[[], None]) -> None:
    """Nothing waits; any refusal of the file."""
    write()


def in_a_moment(write: Callable[[], None]) -> None:
    """By a thread; what cannot be written then waits for the next transaction."""
    timer = threading.Timer(WITHIN_S, _quietly, (write,))
    timer.daemon = True
    try:
        timer.start()
    except RuntimeError:  # there are no more threads to be had
        write()


def _quietly(write: Callable[[], None]) -> None:
    with contextlib.suppress(Refusal, apsw.Error):
        write()


class Waiting:
    """Of one open file. Safe to share between threads."""

    def __init__(self, file: File, endings: Endings, soon: Soon = at_once) -> None:
        """Nothing waits; what does is written `soon`."""
        self._file = file
        self._endings = endings
        self._soon = soon
        self._is_due = False
        self._queue: deque[Settle | Purchase] = deque()

    def add(self, ended: Settle | Purchase) -> None:
        """Have it written with the next transaction; that a purchase is done, soon."""
        self._queue.append(ended)
        if isinstance(ended, Settle) and not self._is_due:
            self._is_due = True
            self._soon(self._write_done)

    def _write_done(self) -> None:
        self._is_due = False  # first: what is added from here on asks again
        if self._queue:
            with self.transaction(is_command=False):
                pass

    @contextlib.contextmanager
    def transaction(self, *, is_command: bool = True) -> Iterator[None]:
        """One transaction; what waits for it is written first, and waits on if it is undone.

        One that is no command of the payer's leaves what has reached the payer waiting.
        """
        taken: list[Settle | Purchase] = []
        left: list[Settle | Purchase] = []
        try:
            with self._file.write():
                while self._queue:  # other threads add to it meanwhile
                    ended = self._queue.popleft()
                    taken.append(ended)
                    if not is_command and isinstance(ended, Purchase):
                        left.append(ended)
                        continue
                    delivered = is_command and self._comes_next(ended)
                    if delivered:
                        taken.append(self._queue.popleft())
                    self._endings.write(ended, delivered=delivered)
                yield
            taken = left
        finally:
            self._queue.extendleft(reversed(taken))

    def _comes_next(self, ended: Settle | Purchase) -> bool:
        """Whether the next to be written is that what was just done has reached the payer."""
        following = self._queue[0] if self._queue else None
        if isinstance(ended, Purchase) or not isinstance(following, Purchase):
            return False
        return following.id == ended.purchase.id

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
            _quietly(self.flush)
