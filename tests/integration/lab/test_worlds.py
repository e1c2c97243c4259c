"""Seeded worlds of every scheme: whatever goes wrong, the invariants hold and everybody finishes.

CI explores what its commit decides; a failure prints the one command that repeats it.
"""

import os
from typing import NamedTuple

import pytest

from farthing.lab import runs
from farthing.lab.runs import Asked
from tests.integration.crash.sizes import SUITE_VARIABLE, seed

PARTS = 25  # so that workers share them to the end


class Size(NamedTuple):
    worlds: int
    payments: int
    """In each: six of them make some three hundred and fifty events."""


SIZES = {"ci": Size(500, 6), "full": Size(2_000, 15), "long": Size(10_000, 50)}
SIZE = SIZES[os.environ.get(SUITE_VARIABLE, "ci")]


@pytest.mark.timeout(3_600)
@pytest.mark.parametrize("part", range(PARTS))
def test_no_world_of_this_commits_seeds_fails(part: int) -> None:
    count = SIZE.worlds // PARTS
    first = seed() * SIZE.worlds + part * count
    asked = Asked(payments=SIZE.payments)
    for result in runs.run_seeds(range(first, first + count), asked):
        assert not result.findings, "\n".join(
            [
                f"repeat with: {runs.replay(result, asked)}",
                *result.findings,
                *runs.told(result),
            ]
        )
