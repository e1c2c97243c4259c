"""Each act does what its party would, and a party that is down does nothing."""

import random
from collections.abc import Callable

import pytest

from farthing.lab import acts
from farthing.lab.faults import CALM
from farthing.lab.world import World


def notes(world: World, kind: str) -> list[str]:
    return [line for line in world.ground.trace.lines if line.split()[1] == kind]


async def do(world: World, act: acts.Act, times: int = 20) -> None:
    luck = random.Random(1)
    for _ in range(times):
        act(world, luck)
    await world.settle()


@pytest.mark.parametrize("act", acts.ACTS)
def test_every_act_is_carried_out(act: acts.Act) -> None:
    with World(7, lines_max=None) as world:  # one with two brokers
        world.run(world.act(range(30), CALM, {acts.buy: 1}))
        before = len(notes(world, "done")) + len(notes(world, "rotated"))
        world.run(do(world, act))
        assert len(notes(world, "done")) + len(notes(world, "rotated")) > before
        assert world.ground.checks.findings == []
        assert world.ground.loop.faults == []


def test_money_goes_to_banks_and_comes_back() -> None:
    with World(7, lines_max=None) as world:
        world.run(do(world, acts.pay_out, 40))
        ends = {note.split()[-1] for note in notes(world, "done")}
        assert {"planned", "confirmed", "returned"} <= ends


@pytest.mark.parametrize(
    "act", [acts.buy, acts.give_back, acts.recover, acts.clear, acts.refund, acts.rotate_vendor]
)
def test_who_is_down_does_nothing(act: Callable[[World, random.Random], None]) -> None:
    with World(5, lines_max=None) as world:
        for party in (*world.payers, *world.vendors):
            party.kill("for this test")
        before = len(notes(world, "begins"))
        for _ in range(20):
            act(world, random.Random(1))
        assert len(notes(world, "begins")) == before
