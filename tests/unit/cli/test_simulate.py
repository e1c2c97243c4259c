"""`farthing lab simulate`: figures, failures with the command that repeats them, exit codes."""

import json

import pytest
from typer.testing import CliRunner

from farthing.cli import lab
from farthing.lab.invariants import Invariants

SMALL = ["simulate", "--payments", "4", "--workers", "1"]


def run(*more: str) -> tuple[int, str]:
    result = CliRunner().invoke(lab.app, [*SMALL, *more])
    return result.exit_code, result.output


def test_figures_as_one_object() -> None:
    code, out = run("--runs", "2", "--json")
    found = json.loads(out)
    assert code == 0
    assert (found["runs"], found["passed"], found["failed"]) == (2, 2, [])
    assert found["payments"] == 8
    assert found["events"] > 100
    assert set(found["hashes"]) == {"1", "2"}


def test_figures_for_people() -> None:
    code, out = run("--scheme", "millicent")
    assert code == 0
    assert out.startswith("1 of 1 worlds passed: 4 payments begun")


def test_a_failure_says_how_to_repeat_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        Invariants, "gate_did", lambda checks, *_: checks.find("a gate did something")
    )
    code, out = run("--seed", "5")
    assert code == 1
    assert "seed 5 fails; repeat it with: farthing lab simulate --seed 5 --payments 4" in out
    assert "a gate did something" in out
    code, out = run("--seed", "5", "--steps", "0,1,2", "--json")
    assert code == 1
    assert json.loads(out)["failures"][0]["replay"].startswith("farthing lab simulate --seed 5")


def test_wrong_steps_and_schemes_are_usage(monkeypatch: pytest.MonkeyPatch) -> None:
    assert run("--steps", "first")[0] == 2
    assert run("--weather", "fine")[0] == 2
    result = CliRunner().invoke(lab.app, [*SMALL, "--scheme", "gold"])
    assert "scheme_unknown" in str(result.exception)


def test_the_worst_that_cheating_cost_is_shown_beside_what_is_declared() -> None:
    code, out = run("--seed", "4", "--runs", "5", "--json")
    losses = json.loads(out)["losses"]
    assert code == 0
    assert {loss["role"] for loss in losses} == {"payer", "vendor", "broker"}
    assert all(loss["worstMicro"] <= loss["boundMicro"] for loss in losses)
