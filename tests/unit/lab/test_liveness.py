"""Once the faults have stopped everything comes to an end, and the sums are right."""

import pytest

from farthing.lab.faults import CALM, ROUGH
from farthing.lab.liveness import finish
from farthing.lab.world import World


@pytest.mark.parametrize("chances", [CALM, ROUGH])
def test_after_any_weather_nothing_is_open_and_every_sum_is_right(chances: object) -> None:
    with World(6) as world:
        world.run(world.act(range(60), CALM if chances is CALM else ROUGH))
        world.run(finish(world))
        assert world.ground.checks.findings == []
        assert world.ground.loop.faults == []


def test_what_cannot_be_finished_is_a_finding() -> None:
    with World(6, ["millicent"]) as world:
        world.run(world.act(range(20), CALM))
        world.run(world.settle())
        vendor = world.vendors[0]
        vendor.connection.execute("UPDATE outbox SET acked_ord = 0, scheme = 'gone'")
        world.run(finish(world))
        assert any("claims not cleared" in finding for finding in world.ground.checks.findings)
