"""Ctrl-C and SIGTERM in the middle of long work: what was done until then is said."""

import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

import typer

from farthing.cli import output

FROM_SIGNAL = 128  # exit codes of what a signal has ended: 130 for Ctrl-C, 143 for SIGTERM


@contextmanager
def told(said: Callable[[], Iterable[str]]) -> Iterator[None]:
    """On a signal, lines on stderr and the exit code that shells know for it."""
    number = signal.SIGINT

    def stop(heard: int, frame: FrameType | None) -> None:
        nonlocal number
        number = signal.Signals(heard)
        raise KeyboardInterrupt

    is_heard = threading.current_thread() is threading.main_thread()  # elsewhere Python refuses
    kept = signal.signal(signal.SIGTERM, stop) if is_heard else None
    try:
        yield
    except KeyboardInterrupt:
        for line in said():
            output.errors.print(line, markup=False, soft_wrap=True)
        raise typer.Exit(FROM_SIGNAL + number) from None
    finally:
        if is_heard:
            signal.signal(signal.SIGTERM, kept)


def so_far(done: int, total: int, failed: Sequence[str], well: str) -> list[str]:
    """How far the work had come, and each failure; `well` where there was none."""
    head = f"interrupted after {done} of {total}"
    if failed:
        return [f"{head}, {len(failed)} failed:", *failed]
    return [f"{head}, {well}" if done else head]
