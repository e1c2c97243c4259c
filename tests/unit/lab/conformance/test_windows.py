"""What breaks a rule of `windows.py` is found there."""

import pytest

from farthing.lab.conformance import runner
from farthing.lab.conformance.windows import edge_s
from tests.kit.broken import Broken, broken_in, require_found


@pytest.mark.parametrize("broken", broken_in("windows"), ids=str)
def test_a_broken_rule_is_found(broken: Broken) -> None:
    require_found(broken)


@pytest.mark.parametrize("last_s", [0, 1, 7, 98])
def test_the_edge_is_the_last_second_at_which_it_is_taken(last_s: int) -> None:
    assert edge_s(lambda now_s: now_s <= last_s, 0, 99) == last_s


@pytest.mark.parametrize("scheme", ["ecash", "netcash"])
def test_coins_that_end_are_tried_though_they_are_for_no_vendor(scheme: str) -> None:
    (job,) = runner.jobs_of([scheme], "expired-in-the-wallet", seed=1)
    found = runner.run_job(job)
    assert (found.state, found.why) == ("passed", "")
