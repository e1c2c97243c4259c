"""Every registered scheme keeps what all schemes promise."""

from collections.abc import Iterator
from typing import Any
from zlib import crc32

import pytest

from farthing.lab.conformance import catalogue, runner
from farthing.schemes import registry
from tests.kit.broken import BROKEN
from tests.kit.turns import SEED, marks_of, schemes_in_turn

ROTATION = 16  # of the cases with options, and of other schemes, one in so many has its turn


def jobs() -> Iterator[Any]:
    """Every case of the schemes whose turn it is, some of all others; `full` has them all."""
    names = [one.traits.name for one in registry.all_schemes()]
    whole = schemes_in_turn()
    for job in runner.jobs_of(names, seed=SEED):
        is_chosen = not job.options and job.scheme in whole
        name = f"{job.scheme} {job.name}"
        # By the name and not in order: a case's schemes then have their turns at different times.
        marks = [] if is_chosen else marks_of(crc32(name.encode()), ROTATION)
        yield pytest.param(job, marks=marks, id=name)


@pytest.mark.parametrize("job", list(jobs()))
def test_every_registered_scheme_conforms(job: runner.Job) -> None:
    result = runner.run_job(job)
    assert result.state != "failed", f"{result.why}\n{runner.replay_command(result, SEED)}"


def test_the_first_case_says_whether_the_scheme_is_carried_at_all() -> None:
    assert next(iter(catalogue.every_case())).name == "carried"


def test_every_file_has_cases_and_some_of_them_find_something() -> None:
    files = {kind.__name__.rpartition(".")[2] for kind in catalogue.FILES}
    assert {case.file for case in catalogue.every_case()} == files
    home = {case.name: case.file for case in catalogue.every_case()}
    assert {home[broken.case] for broken in BROKEN} >= files - {"carrying"}
    assert len({broken.name for broken in BROKEN}) >= 12
