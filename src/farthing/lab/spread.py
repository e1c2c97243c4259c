"""Work spread over processes, which end at once when nobody wants their results any more.

Workers hear no Ctrl-C: it is the parent who does, says what was done and ends them. Whatever they
leave on simulated disks lies in one folder, which the parent removes. Source: ours.
"""

import shutil
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import TypeVar

from farthing.lab import scratch

T = TypeVar("T")
R = TypeVar("R")


@contextmanager
def spread(
    work: Callable[[T], R], tasks: Sequence[T], *, workers: int
) -> Iterator[list[Future[R]]]:
    """What `work` will make of each task, in so many processes; leaving the context ends them."""
    folder = scratch.new_folder("workers")
    pool = ProcessPoolExecutor(
        workers,
        mp_context=get_context("spawn"),
        initializer=scratch.live_in,
        initargs=(folder,),
    )
    try:
        with _deaf():
            futures = [pool.submit(work, task) for task in tasks]
        yield futures
    finally:
        _end(pool, folder)


@contextmanager
def _deaf() -> Iterator[None]:
    """No Ctrl-C until the end of this; processes that begin in it never hear one."""
    kept = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, kept)


def _end(pool: ProcessPoolExecutor, folder: Path) -> None:
    """Whatever a worker is at is of no use to anybody: there is no public way to say so."""
    for worker in list((pool._processes or {}).values()):
        worker.terminate()
    pool.shutdown(cancel_futures=True)
    shutil.rmtree(folder, ignore_errors=True)
