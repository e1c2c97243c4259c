"""Contestants in one process that take turns on one core."""

import gc
import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

import msgspec
from rich.console import Console
from rich.progress import track

from farthing.cli.servers import COLLECT_AT

PREPARING = 2  # a round takes at most so many times as long as its measured part
ROUNDS = 5  # odd, so that the median is a round that happened
T = TypeVar("T")


class Contestant(msgspec.Struct, frozen=True, kw_only=True):
    """Something whose rate is measured."""

    name: str
    prepare: Callable[[], Callable[[], int]]
    """Makes a batch ready, which is not measured; the batch runs once and says how many it did."""
    target: float | None = None
    """Per second."""


class Rates(msgspec.Struct, frozen=True, kw_only=True):
    """What a contestant did in each round, per second of CPU time."""

    contestant: Contestant
    by_round: list[float]

    @property
    def median(self) -> float:
        """Of all rounds."""
        return statistics.median(self.by_round)


def take_turns(contestants: Sequence[Contestant], seconds: float) -> list[Rates]:
    """`seconds` for all contestants and rounds together, in equal shares.

    CPU time of this thread, not wall time: one core's worth, whoever else uses the machine. The
    collector leaves alone what is loaded, and works as seldom, as in the workers of a server.
    """
    gc.set_threshold(*COLLECT_AT)
    found: list[list[float]] = [[] for _ in contestants]
    share = seconds / ROUNDS / len(contestants)
    turns = [turn for _ in range(ROUNDS) for turn in zip(contestants, found, strict=True)]
    for contestant, rates in shown(turns, "measuring"):
        rates.append(_rate(contestant, share))
    return [Rates(contestant=c, by_round=r) for c, r in zip(contestants, found, strict=True)]


def shown(steps: Sequence[T], what: str) -> Iterable[T]:
    """The steps one by one, with a bar on stderr."""
    console = Console(stderr=True)
    disable = not console.is_terminal
    return track(steps, f"bench: {what}", console=console, transient=True, disable=disable)


def _rate(contestant: Contestant, seconds: float) -> float:
    count, spent_s = 0, 0.0
    gc.collect()
    gc.freeze()
    until_s = time.monotonic() + seconds * PREPARING
    while not count or (spent_s < seconds and time.monotonic() < until_s):
        batch = contestant.prepare()
        began_s = time.thread_time()
        count += batch()
        spent_s += time.thread_time() - began_s
    return count / spent_s
