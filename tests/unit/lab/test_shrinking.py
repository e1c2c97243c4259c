"""Whatever made it fail is found among many events, and nothing else is kept."""

import random
from collections.abc import Callable, Sequence

import pytest

from farthing.lab.shrinking import shrink


def needs(*wanted: int) -> Callable[[Sequence[int]], bool]:
    """Fails where all of `wanted` are there, in their order."""

    def fails(events: Sequence[int]) -> bool:
        left = iter(events)
        return all(one in left for one in wanted)

    return fails


@pytest.mark.parametrize("seed", range(20))
def test_what_is_left_is_what_it_takes(seed: int) -> None:
    luck = random.Random(seed)
    wanted = tuple(sorted(luck.sample(range(300), luck.randint(1, 5))))
    shrunk = shrink(range(300), needs(*wanted))
    assert shrunk.events == wanted
    assert shrunk.is_least


def test_a_list_that_fails_whatever_is_in_it_becomes_empty() -> None:
    shrunk = shrink(range(50), lambda _: True)
    assert shrunk.events == ()
    assert shrunk.is_least


def test_no_single_event_can_be_left_out_even_where_failing_is_not_monotonous() -> None:
    def fails(events: Sequence[int]) -> bool:  # an odd number of odd ones, as of a toggle
        return sum(one % 2 for one in events) % 2 == 1

    shrunk = shrink(range(101, 130), fails)
    assert fails(shrunk.events)
    assert len(shrunk.events) == 1


def test_work_is_bounded_and_what_was_found_by_then_is_kept() -> None:
    tried = []

    def fails(events: Sequence[int]) -> bool:
        tried.append(len(events))
        return set(range(0, 200, 2)) <= set(events)

    shrunk = shrink(range(200), fails, tries_max=30)
    assert shrunk.tries == len(tried) == 30
    assert not shrunk.is_least
    assert set(range(0, 200, 2)) <= set(shrunk.events)


def test_progress_tells_how_far_it_is() -> None:
    told: list[tuple[int, int]] = []
    shrunk = shrink(range(64), needs(63), progress=lambda tries, left: told.append((tries, left)))
    assert told[-1] == (shrunk.tries, 1)
    assert [left for _, left in told] == sorted((left for _, left in told), reverse=True)
