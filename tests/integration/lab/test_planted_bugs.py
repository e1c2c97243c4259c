"""A fault that is planted in the product is found by simulated worlds, and told by a few steps.

`FIRST` is a seed whose world has found it: CI begins there, `--full` and `--long` at 1.
Where the product changes so that it is found elsewhere, the search goes on.
"""

import os
import re
import shlex
from collections.abc import Callable

import msgspec
import pytest
from typer.testing import CliRunner

from farthing.cli import lab
from farthing.lab import runs
from farthing.lab.conserved import Conserved
from farthing.lab.remembered import Remembered
from farthing.lab.runs import Asked, Result
from tests.integration.crash.sizes import SUITE_VARIABLE
from tests.kit import planted_briefly
from tests.kit.planted import ONLY, PLANTED
from tests.kit.planted_briefly import BRIEFLY

SEEDS_MAX = 1_000
ASKED = Asked(payments=25, weather="hard")
FIRST = {
    "change_given_twice": 15,
    "claim_refused_though_paid": 45,
    "claim_taken_for_paid": 13,
    "coin_exchanged_twice": 23,
    "list_not_consulted": 40,
    "list_not_written_down": 20,
    "marks_forgotten_too_early": 4,
    "page_given_for_nothing": 22,
    "paid_ahead_of_anything": 20,
    "payout_made_twice": 554,
    "receipt_made_anew": 5,
    "refund_given_twice": 53,
    "refused_order_sold": 11,
    "revocation_lost_at_a_start": 160,
    "start_of_a_delegate_forgotten": 5,
    "stream_opened_again": 15,
    "voucher_counted_twice": 6,
}
FIRST_HERE = FIRST if os.environ.get(SUITE_VARIABLE, "ci") == "ci" else {}
STEPS_FEW = 2  # what a fault may need: something that is done, and done again
SHRUNK = ("voucher_counted_twice", "marks_forgotten_too_early")  # an honest world, and a cheat's


def asked(bug: str) -> Asked:
    """Worlds of all schemes, or of the one that has the fault."""
    scheme = (ONLY | planted_briefly.ONLY).get(bug)
    return msgspec.structs.replace(ASKED, schemes=(scheme,)) if scheme else ASKED


def hunt(bug: str) -> Result:
    """The first run that fails; says how many it took."""
    first = FIRST_HERE.get(bug, 1)
    for seed in range(first, first + SEEDS_MAX):
        result = runs.run(seed, asked(bug))
        if result.findings:
            count = seed - first + 1
            found = f"{bug}: seed {seed}, {count} worlds from {first}: {result.findings[0]}"
            print(found)  # noqa: T201 - pytest shows it with -rP
            return result
    raise AssertionError(f"{bug}: not found in {SEEDS_MAX} worlds: they are too weak")


@pytest.mark.timeout(3_600)
@pytest.mark.parametrize("bug", [bug for bug in PLANTED if bug not in SHRUNK])
def test_a_planted_bug_is_found(bug: str, monkeypatch: pytest.MonkeyPatch) -> None:
    PLANTED[bug](monkeypatch)
    failed = hunt(bug)
    monkeypatch.undo()
    found = runs.run(failed.seed, asked(bug)).findings
    assert not found, "it is the planted one that was found"


@pytest.mark.timeout(3_600)
@pytest.mark.parametrize("bug", SHRUNK)
def test_what_is_found_is_told_by_few_steps_and_repeated_by_the_command(
    bug: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    PLANTED[bug](monkeypatch)
    failed = hunt(bug)
    least = runs.shortest(failed, asked(bug))
    assert least.findings
    assert len(least.steps) <= max(len(failed.steps) / 2, STEPS_FEW)
    command = shlex.split(runs.replay(least, asked(bug)))
    result = CliRunner().invoke(lab.app, command[2:])
    assert result.exit_code == 1
    assert least.findings[0] in result.output
    monkeypatch.undo()
    assert CliRunner().invoke(lab.app, command[2:]).exit_code == 0


@pytest.mark.timeout(3_600)
@pytest.mark.parametrize("bug", BRIEFLY)
def test_what_is_right_again_in_the_end_is_found_when_it_happens(
    bug: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    BRIEFLY[bug](monkeypatch)
    failed = hunt(bug)
    (event,) = re.findall(r"\(event (\d+): ", failed.findings[0])
    assert int(event) < failed.events
    assert runs.told(failed)[-1].strip() in failed.findings[0], "what is shown ends there"
    with monkeypatch.context() as unseen:
        for each in (Conserved, Remembered):
            unseen.setattr(each, "__init__", unheard(each.__init__))
        assert not runs.run(failed.seed, asked(bug)).findings
    monkeypatch.undo()
    assert not runs.run(failed.seed, asked(bug)).findings


def unheard(made: Callable[..., None]) -> Callable[..., None]:
    """As `made`, of what looks at every commit and tells nobody what it finds."""

    def init(self: object, _: object, *rest: object) -> None:
        made(self, lambda _: None, *rest)

    return init
