"""A run is repeated by its seed, and a failing one is told by its fewest steps."""

import pytest

from farthing.broker.settling import Settling
from farthing.lab import runs
from farthing.lab.invariants import Invariants
from farthing.lab.runs import Asked
from farthing.lab.twins.tricks import drawn
from farthing.marks import Command

SMALL = Asked(payments=6)


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> None:
    """A world in which every refund is a finding."""
    kept = Invariants.gate_did

    def gate_did(checks: Invariants, vendor_id: str, command: Command, answer: object) -> None:
        kept(checks, vendor_id, command, answer)
        if any(checks.refunded.values()):
            checks.find("something was refunded")

    monkeypatch.setattr(Invariants, "gate_did", gate_did)


def test_a_seed_gives_the_same_run_again() -> None:
    one, same, other = (runs.run(seed, SMALL) for seed in (1, 1, 2))
    assert one.hash == same.hash != other.hash
    assert (one.findings, one.payments) == ((), 6)
    assert one.events > 6


def test_a_mistake_of_our_own_programs_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(*_: object) -> int:
        raise KeyError("a bug")

    monkeypatch.setattr(Settling, "end_overdue", breaks)
    findings = runs.run(1, SMALL).findings
    assert any("mistake: _tick: KeyError at " in finding for finding in findings), findings


def test_results_come_in_the_order_of_their_seeds_with_any_number_of_workers() -> None:
    seeds, told = range(1, 7), []
    alone = list(runs.run_all(seeds, SMALL, progress=lambda done, of: told.append((done, of))))
    assert told == [(done, 6) for done in range(1, 7)]
    together = list(runs.run_all(seeds, SMALL, workers=2))
    assert [result.seed for result in alone] == list(seeds)
    assert [result.hash for result in alone] == [result.hash for result in together]


def test_a_failure_is_shrunk_to_the_steps_it_needs(broken: None) -> None:
    asked = Asked(payments=40)
    failed = next(result for seed in range(1, 90) if (result := runs.run(seed, asked)).findings)
    least = runs.shortest(failed, asked)
    assert least.findings
    assert len(least.steps) < len(failed.steps) / 2
    again = runs.run(least.seed, asked, least.steps)
    assert again.hash == least.hash
    assert f"--seed {failed.seed}" in runs.replay(least, asked)
    assert "--steps" in runs.replay(least, asked)
    assert any("asks" in line for line in runs.told(least))


def test_the_replay_names_the_schemes_that_were_asked_for() -> None:
    result = runs.run(3, Asked(schemes=("payword",), payments=2))
    command = runs.replay(result, Asked(schemes=("payword",), payments=2))
    assert command == "farthing lab simulate --seed 3 --payments 2 --scheme payword"


def test_in_one_world_of_four_somebody_cheats_and_its_steps_are_tricks() -> None:
    result = runs.run(runs.CHEATED_EVERY, SMALL)
    tricks = drawn("payword", runs.CHEATED_EVERY)
    assert result.losses
    assert result.findings == ()
    assert result.steps == tuple(range(len(tricks)))
    assert runs.run(runs.CHEATED_EVERY, SMALL).hash == result.hash
    nobody_cheats = runs.run(runs.CHEATED_EVERY, SMALL, [])
    assert (nobody_cheats.steps, nobody_cheats.findings) == ((), ())
    assert not runs.run(runs.CHEATED_EVERY + 1, SMALL).losses


def test_the_replay_names_the_weather_unless_it_is_the_usual() -> None:
    asked = Asked(payments=2, weather="hard")
    result = runs.run(3, asked)
    assert (
        runs.replay(result, asked) == "farthing lab simulate --seed 3 --payments 2 --weather hard"
    )
