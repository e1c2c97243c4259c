"""Copies of messages get through, and change nothing but who was first."""

import random
from collections.abc import Awaitable, Callable

import pytest

from farthing.lab.twins import tappers
from farthing.lab.twins.costs import losses_of
from farthing.lab.twins.stage import Stage
from farthing.lab.world import World
from farthing.schemes import registry
from tests.kit.turns import each_in_turn

SCHEMES = [scheme.traits.name for scheme in registry.all_schemes()]


@pytest.mark.parametrize("trick", [tappers.copy_and_race, tappers.copy_and_repeat])
@pytest.mark.parametrize("scheme", each_in_turn(SCHEMES, of=4))
def test_copies_are_sent_and_pages_are_paid_once(
    scheme: str, trick: Callable[[Stage], Awaitable[None]]
) -> None:
    with World(14, [scheme], luck=False) as world:
        stage = Stage(world, random.Random(4))
        world.run(trick(stage))
        world.run(stage.settle())
        assert any(seen.source == tappers.TAPPER for seen in stage.seen)
        assert sum(stage.got.values()) == sum(world.ground.checks.earned.values()) > 0
        stage.close()


@pytest.mark.parametrize("trick", [tappers.forget_together, tappers.claim_together])
@pytest.mark.parametrize("scheme", each_in_turn(SCHEMES, of=4))
def test_together_they_get_out_no_more_than_they_put_in(
    scheme: str, trick: Callable[[Stage], Awaitable[None]]
) -> None:
    with World(14, [scheme], luck=False) as world:
        stage = Stage(world, random.Random(4))
        world.run(trick(stage))
        world.run(stage.settle())
        assert {world.payers[0].name, world.vendors[0].name} <= stage.crooks
        assert all(one.is_within for one in losses_of(stage, "payer"))
        stage.close()
