"""Every parser against its honest inputs, the kept ones, and as many that follow from the seed."""

import random

import pytest

from tests.fuzz.corpus import FOLDER, keep, kept
from tests.fuzz.judge import judge
from tests.fuzz.mutator import mutated
from tests.fuzz.reached import KEPT_BYTES_MAX
from tests.fuzz.table import table
from tests.integration.crash.sizes import seed, size

NAMES = list(table())


@pytest.mark.parametrize("name", NAMES)
def test_honest_inputs_are_read_and_kept_ones_judged_well(name: str) -> None:
    parser = table()[name]
    for raw in parser.honest():
        outcome = judge(parser, raw, thorough=True)
        assert not outcome.broken, (raw, outcome.broken)
        assert not outcome.refused, (raw, outcome.refused)
    for file, raw in kept(name).items():
        outcome = judge(parser, raw, thorough=True)
        assert not outcome.broken, f"{file}: {outcome.broken}"


@pytest.mark.parametrize("name", NAMES)
def test_changed_inputs_are_judged_well(name: str) -> None:
    parser = table()[name]
    luck = random.Random(f"{seed()}/{name}")
    honest = parser.honest()
    more = [raw for raw in kept(name).values() if len(raw) <= KEPT_BYTES_MAX]
    for _ in range(size().inputs):
        raw = mutated(luck, honest, more)
        outcome = judge(parser, raw)
        if outcome.broken:
            path = keep(name, raw)
            pytest.fail(f"{name} {outcome.broken}\nagain with: script/fuzz --replay {path}")


def test_every_folder_of_kept_inputs_belongs_to_a_parser() -> None:
    assert {path.name for path in FOLDER.iterdir()} <= set(NAMES)
