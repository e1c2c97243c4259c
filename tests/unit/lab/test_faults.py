"""Chances are drawn from the seed, and calm weather has none."""

import random
from collections.abc import Callable

from farthing.lab.faults import Chances, Faults, Timed


def faults(chances: Chances | None = None) -> Faults:
    made = Faults(random.Random(1), lambda: 10.0)
    if chances is not None:
        made.chances = chances
    return made


def test_in_calm_weather_everything_arrives_once_and_nobody_dies() -> None:
    calm = faults()
    assert all(calm.travel_s("a", "b") is not None for _ in range(1_000))
    assert not any(calm.is_repeated() or calm.dies_before() for _ in range(1_000))
    assert not any(calm.dies_after() for _ in range(1_000))


def test_chances_are_met_about_as_often_as_they_say() -> None:
    rough = faults(Chances(lost=0.3, repeated=0.3, killed_before=0.3, killed_after=0.3))
    happenings: tuple[Callable[[], bool], ...] = (
        lambda: rough.travel_s("a", "b") is None,
        rough.is_repeated,
        rough.dies_before,
        rough.dies_after,
    )
    for happens in happenings:
        assert 200 < sum(happens() for _ in range(1_000)) < 400


def test_who_is_parted_in_calm_weather_hears_nothing_either() -> None:
    calm = Faults(random.Random(1), lambda: 10.0)
    calm.part("a", "b", 20.0)
    assert calm.travel_s("b", "a") is None
    assert calm.travel_s("b", "c") is not None
    calm.calm()
    assert calm.travel_s("b", "a") is not None


def test_who_is_parted_hears_nothing_until_it_is_over() -> None:
    rough = faults(Chances(repeated=0.1))
    rough.part("a", "b", 20.0)
    assert rough.travel_s("b", "a") is None
    assert rough.travel_s("a", "c") is not None
    rough.part("a", "b", 9.0)
    assert rough.travel_s("a", "b") is not None
    rough.part("a", "b", 20.0)
    rough.calm()
    assert rough.travel_s("a", "b") is not None


def test_commits_are_fatal_to_who_is_not_spared() -> None:
    always = faults(Chances(killed_before=1.0, killed_after=1.0))
    disk, spared = Timed(always, lambda: False), Timed(always, lambda: True)
    assert (disk.dies_before(), disk.dies_after()) == (True, True)
    assert (spared.dies_before(), spared.dies_after()) == (False, False)
