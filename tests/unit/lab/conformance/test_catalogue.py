"""Every registered scheme keeps what all schemes promise."""

import os

import pytest

from farthing.lab.conformance import catalogue, runner
from farthing.schemes import registry
from tests.kit.broken import BROKEN

SEED = int(os.environ.get("FARTHING_SEED", "1"))
JOBS = runner.jobs_of([one.traits.name for one in registry.all_schemes()], seed=SEED)


@pytest.mark.parametrize("job", JOBS, ids=lambda job: f"{job.scheme} {job.case}")
def test_every_registered_scheme_conforms(job: runner.Job) -> None:
    result = runner.run_job(job)
    assert result.state != "failed", f"{result.why}\n{runner.replay_command(result, SEED)}"


def test_every_file_has_cases_and_some_of_them_find_something() -> None:
    files = {kind.__name__.rpartition(".")[2] for kind in catalogue.FILES}
    assert {case.file for case in catalogue.every_case()} == files
    home = {case.name: case.file for case in catalogue.every_case()}
    assert {home[broken.case] for broken in BROKEN} >= files - {"restarting"}
    assert len({broken.name for broken in BROKEN}) >= 12
