"""Weeks pass: what has its time ends, is renewed or is the broker's, and every sum is right."""

import random

import pytest

from farthing.lab.faults import ROUGH
from farthing.lab.liveness import finish
from farthing.lab.months import DAY_S, DAYS_MAX, LAPSED_DAYS, pass_weeks
from farthing.lab.world import World
from farthing.schemes import registry
from farthing.wallet.settling import Verdict
from tests.kit.turns import each_in_turn

SCHEMES = [scheme.traits.name for scheme in registry.all_schemes()]


class Longest(random.Random):
    """Draws the most weeks that there are."""

    def randrange(self, start: int, stop: int | None = None, step: int = 1) -> int:
        assert stop is not None, "there is a bound"
        return stop - step


class Longer(Longest):
    """Likewise, and everything has lapsed."""

    def randrange(self, start: int, stop: int | None = None, step: int = 1) -> int:
        return super().randrange(start, stop, step) if start else 0


def spent_some(world: World) -> None:
    """A payer holds an instrument of every vendor, and has paid with it."""
    for vendor in world.vendors:
        url = f"{vendor.url}{vendor.pages[0].path}/1"
        assert world.run(world.payers[0].buy(url)).verdict is Verdict.DONE


@pytest.mark.parametrize("months", [1, 3])
@pytest.mark.parametrize("scheme", each_in_turn(SCHEMES, of=4))
def test_after_any_time_every_sum_is_right(scheme: str, months: int) -> None:
    with World(3, [scheme]) as world:
        spent_some(world)
        for _ in range(months):
            world.run(pass_weeks(world, Longest()))
        spent_some(world)
        world.run(finish(world))
        assert world.ground.leap_s > months * (DAYS_MAX - 1) * DAY_S
        assert world.ground.checks.findings == []


def test_what_has_expired_is_renewed_for_a_fee_that_is_accounted_for() -> None:
    with World(3, ["millicent"]) as world:
        spent_some(world)
        world.run(pass_weeks(world, Longest()))
        held = world.payers[0].held()
        assert held
        assert all(one.instrument.expires_at_s < world.payers[0].now_s() for one in held)
        world.run(finish(world))
        assert not world.payers[0].held(), "it can be given back for a while yet"
        assert sum(world.ground.checks.fees.values()) > 0
        assert world.ground.checks.findings == []


def test_what_nobody_ever_gives_back_is_breakage() -> None:
    with World(3, ["millicent"]) as world:
        spent_some(world)
        held_micro = sum(one.instrument.worth_micro for one in world.payers[0].held())
        world.run(pass_weeks(world, Longer()))
        assert world.ground.leap_s >= LAPSED_DAYS * DAY_S
        books = world.ground.checks.books.values()
        assert sum(each["income/breakage"] for each in books) == -held_micro


def test_weeks_pass_in_any_weather_and_business_goes_on() -> None:
    with World(5) as world:
        for number in range(3):
            world.run(world.act(range(number * 20, number * 20 + 20), ROUGH))
            world.run(pass_weeks(world, random.Random(number)))
        before = sum(map(len, world.ground.checks.sold.values()))
        spent_some(world)
        assert sum(map(len, world.ground.checks.sold.values())) == before + len(world.vendors)
        world.run(finish(world))
        assert world.ground.checks.findings == []
        assert world.ground.loop.faults == []
