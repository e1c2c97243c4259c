"""Whose turn it is: costly tests try some registered schemes a commit, and all in larger suites.

The seed of the commit chooses, so each scheme and case has its turn within a few commits, and the
same commit always tries the same.
"""

import os
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from farthing.schemes import registry

SEED = int(os.environ.get("FARTHING_SEED", "1"))
Test = Callable[..., Any]
SCHEMES_A_COMMIT = 2
IS_CI = os.environ.get("FARTHING_SUITE", "ci") == "ci"


def schemes_in_turn(taken: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Names of those that this run tries, in the order of the registry; of `taken` where named."""
    names = [scheme.traits.name for scheme in registry.all_schemes()]
    names = [name for name in names if name in (taken or names)]
    if not IS_CI:
        return tuple(names)
    first = SEED % len(names)
    chosen = {names[(first + step) % len(names)] for step in range(SCHEMES_A_COMMIT)}
    return tuple(name for name in names if name in chosen)


def is_due(number: int, of: int) -> bool:
    """Whether the case of this number is among one in `of` that have their turn."""
    return number % of == SEED % of


def marks_of(number: int, of: int) -> list[pytest.MarkDecorator]:
    """What leaves a test or a case of it to larger suites, unless it has its turn."""
    return [] if is_due(number, of) else [pytest.mark.full]


def each_in_turn(cases: Iterable[Any], of: int) -> list[Any]:
    """Cases of a test, one in `of` of which has its turn."""
    return [pytest.param(case, marks=marks_of(number, of)) for number, case in enumerate(cases)]


NAMES = [scheme.traits.name for scheme in registry.all_schemes()]
EACH_SCHEME = each_in_turn(NAMES, of=len(NAMES))
"""For a test of one scheme a commit, and of all in larger suites."""


def in_turn(number: int, of: int) -> Callable[[Test], Test]:
    """A test with these marks."""

    def marked(test: Test) -> Test:
        for mark in marks_of(number, of):
            test = mark(test)
        return test

    return marked
