"""`farthing lab simulate`: figures, failures with the command that repeats them, exit codes."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from farthing.cli import lab, simulate
from farthing.errors import Unsupported
from farthing.lab import runs
from farthing.lab.invariants import Invariants
from farthing.lab.runs import Asked
from tests.kit.bare import BARE
from tests.kit.registered import registered

SMALL = ["simulate", "--payments", "4", "--workers", "1"]


def run(*more: str) -> tuple[int, str]:
    result = CliRunner().invoke(lab.app, [*SMALL, *more])
    return result.exit_code, result.output


def test_figures_as_one_object() -> None:
    code, out = run("--runs", "2", "--json")
    found = json.loads(out)
    assert code == 0
    assert (found["runs"], found["passed"], found["failed"]) == (2, 2, [])
    assert found["payments"] >= 8, "vouchers of a stream that is under way come on top"
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


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (["--steps", "first"], "numbers with commas"),
        (["--steps", ""], "numbers with commas"),
        (["--steps", "3,4,4000"], "there is no step 4000"),
        (["--steps", "-1"], "there is no step -1"),
        (["--seed", "4", "--steps", "0,16"], "there is no step 16"),
        (["--steps", "1", "--runs", "2"], "leave --runs out"),
        (["--weather", "fine"], "one of rough, hard"),
        (["--scheme", "gold"], "there is no scheme 'gold'"),
    ],
)
def test_steps_weather_and_schemes_that_there_are_not_are_bad_usage(
    wrong: list[str], told: str
) -> None:
    code, out = run(*wrong)
    assert code == 2
    assert told in " ".join(out.replace("│", " ").split())


def test_the_last_step_of_a_world_is_one_of_its_steps() -> None:
    asked = Asked(payments=4)
    last = runs.run(1, asked).steps[-1]
    assert run("--steps", f"0,{last}")[0] == 0
    assert run("--steps", f"0,{last + 1}")[0] == 2


def test_blanks_between_schemes_are_none_of_their_names() -> None:
    code, out = run("--scheme", "millicent, payword", "--json")
    assert code == 0
    asked = Asked(schemes=("millicent", "payword"), payments=4)
    assert json.loads(out)["hashes"]["1"] == runs.run(1, asked).hash


def test_the_worst_that_cheating_cost_is_shown_beside_what_is_declared() -> None:
    code, out = run("--seed", "4", "--runs", "5", "--json")
    losses = json.loads(out)["losses"]
    assert code == 0
    assert {loss["role"] for loss in losses} == {"payer", "vendor", "broker"}
    assert all(loss["worstMicro"] <= loss["boundMicro"] for loss in losses)


def test_that_nobody_lost_anything_is_said_too() -> None:
    nothing = {"worstMicro": 0}
    something = {"worstMicro": 7, "scheme": "x", "role": "payer", "by": "vendor", "of": "price"}
    assert simulate.losses_told([]) == []
    assert simulate.losses_told([nothing]) == ["no honest party lost anything"]
    told = simulate.losses_told([nothing, something])
    assert told[0].startswith("x: a payer lost up to 7 micro-units where a vendor cheats")
    assert told[1:] == ["no other honest party lost anything"]


def test_the_programs_of_the_page_repeat_the_runs_that_it_names(
    capsys: pytest.CaptureFixture[str],
) -> None:
    page = Path("docs/how-to/simulate.md").read_text()
    stormed, cheated = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    exec(stormed, {})  # noqa: S102 - the page's own program
    asked, steps = Asked(payments=50), (3, 17, 40)
    assert "farthing lab simulate --seed 13 --payments 50 --steps 3,17,40" in page
    assert simulate._steps("3,17,40", 13, 1, asked) == steps
    assert capsys.readouterr().out.split()[-1] == runs.run(13, asked, steps).hash
    found: dict[str, Any] = {}
    exec(cheated, found)  # noqa: S102 - likewise
    assert found["played"].trace_hash == runs.run(12, Asked(schemes=("payword",))).hash


def test_a_scheme_that_is_not_written_yet_is_refused_in_words() -> None:
    with registered(BARE), pytest.raises(Unsupported, match=r"Till\.offer .* not written yet"):
        CliRunner().invoke(lab.app, [*SMALL, "--scheme", "bare"], catch_exceptions=False)
