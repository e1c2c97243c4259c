"""The shortest list of events that still fails: what a failing run is told by.

Delta debugging over any list: whether a shorter list fails is asked of the caller, who runs a world
with it. First everything after the failure goes, then halves, quarters … and single events, until
no single one can be left out. Source: Zeller & Hildebrandt 2002, simplified.
"""

from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

T = TypeVar("T")

TRIES_MAX = 400  # runs of a world: some tens of seconds


class Shrunk(Generic[T]):
    """What is left of a list, and how much work it was."""

    def __init__(self, events: tuple[T, ...]) -> None:
        """Nothing tried yet."""
        self.events = events
        """As few as were found."""
        self.tries = 0
        """How many lists were tried."""
        self.is_least = False
        """Whether no single event can be left out; False where the tries ran out before."""


def shrink(
    events: Sequence[T],
    fails: Callable[[Sequence[T]], bool],
    *,
    tries_max: int = TRIES_MAX,
    progress: Callable[[int, int], None] = lambda tries, left: None,
) -> Shrunk[T]:
    """The fewest of `events`, in their order, for which `fails` is still true.

    `fails` must be true of `events`, and say the same of the same list each time; the empty list
    is tried too. `progress` gets the tries so far and the events left.
    """
    shrunk = Shrunk(tuple(events))

    def try_(shorter: tuple[T, ...]) -> bool:
        if shrunk.tries >= tries_max:
            return False
        shrunk.tries += 1
        is_failing = fails(shorter)
        if is_failing:
            shrunk.events = shorter
        progress(shrunk.tries, len(shrunk.events))
        return is_failing

    _cut_the_end(shrunk, try_)
    size = max(len(shrunk.events) // 2, 1)
    while shrunk.events and shrunk.tries < tries_max:
        is_shorter = _leave_out(shrunk, try_, size)
        if size > 1:
            size = (size + 1) // 2
        elif not is_shorter:
            break
    shrunk.is_least = shrunk.tries < tries_max or not shrunk.events
    return shrunk


def _cut_the_end(shrunk: Shrunk[T], try_: Callable[[tuple[T, ...]], bool]) -> None:
    """Keep the beginning only, up to the event with which it fails: by halving."""
    low, high = 0, len(shrunk.events)  # the list of `high` events fails
    while low < high:
        middle = (low + high) // 2
        if try_(shrunk.events[:middle]):
            high = middle
        else:
            low = middle + 1


def _leave_out(shrunk: Shrunk[T], try_: Callable[[tuple[T, ...]], bool], size: int) -> bool:
    """Leave out each run of `size` events in turn, from the end; whether any could be."""
    before = len(shrunk.events)
    start = before
    while start > 0:
        start = max(min(start, len(shrunk.events)) - size, 0)
        try_(shrunk.events[:start] + shrunk.events[start + size :])
    return len(shrunk.events) < before
