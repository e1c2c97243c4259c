"""Clocks jump where somebody cheats, at times at which nobody honest loses a page by it."""

import asyncio
import random

import pytest

from farthing.lab.genesis import BROKER
from farthing.lab.ground import START_S
from farthing.lab.recount import open_to_honest
from farthing.lab.twins import clocks
from farthing.lab.twins.clocks import DAY_S, OFF_S, Days
from farthing.lab.twins.stage import Stage
from farthing.lab.twins.tricks import play
from farthing.lab.world import World
from farthing.schemes.chain.times import SKEW_S

APART_S = 30
NOON_S = 20_000 * DAY_S + DAY_S // 2


def test_days_are_counted_once_for_each_vendor_and_for_all_copies_of_a_wallet() -> None:
    now_s = {"one": NOON_S, "other": NOON_S}
    days = Days(now_s.__getitem__)
    for source, vendor in [("p0", "one"), ("p0-0", "one"), ("p0-1", "other"), ("p1", "one")]:
        days.note(source, vendor)
    assert (days.of("p0"), days.of("p1"), days.of("p")) == (2, 1, 0)
    now_s["one"] += DAY_S
    days.note("p0", "one")
    assert days.of("p0") == 3
    assert (days.vendors_of("p0"), days.vendors_of("p1")) == ({"one", "other"}, {"one"})


def test_around_midnight_a_payment_may_be_of_either_day() -> None:
    days = Days(lambda _: 20_000 * DAY_S - SKEW_S)
    days.note("p0", "one")
    assert days.of("p0") == 2


def test_everybodys_clock_is_off_by_no_more_than_is_allowed() -> None:
    with World(11, ["millicent"], luck=False) as world:
        stage = Stage(world, random.Random(1))
        clocks.set_off(stage)
        off_s = [party.ahead_s for party in world.parties]
        assert any(off_s)
        assert all(-OFF_S <= one <= OFF_S for one in off_s)
        assert max(off_s) - min(off_s) <= SKEW_S
        stage.close()


def test_nights_pass_and_single_clocks_jump_and_come_back() -> None:
    async def watch(stage: Stage) -> set[int]:
        wandering = stage.beside(clocks.wander(stage))
        seen = set[int]()
        for _ in range(300):
            await asyncio.sleep(1.0)
            seen |= {party.ahead_s for party in stage.world.parties}
        wandering.cancel()
        await asyncio.sleep(clocks.WRONG_S)
        return seen

    with World(11, ["millicent"], luck=False) as world:
        stage = Stage(world, random.Random(1))
        seen = world.run(watch(stage))
        assert max(abs(one) for one in seen) > SKEW_S
        assert 0 < world.ground.leap_s < DAY_S
        assert all(party.ahead_s == 0 for party in world.parties)
        assert world.broker.is_up
        stage.close()


def test_what_was_sold_on_a_day_that_has_not_begun_is_claimed_once_it_has() -> None:
    async def sell_tomorrow(stage: Stage) -> None:
        payer, vendor = stage.honest[0], stage.world.vendors[1]
        payer.ahead_s = vendor.ahead_s = DAY_S
        await stage.shop(payer, vendor, 2)
        payer.ahead_s = vendor.ahead_s = 0

    with World(11, ["ticket"], luck=False) as world:
        stage = Stage(world, random.Random(1))
        world.run(sell_tomorrow(stage))
        world.run(stage.settle())
        assert clocks.open_matters(stage) == []
        assert world.ground.checks.earned[world.vendors[1].name] > 0
        stage.close()


def test_no_time_passes_while_somebody_honest_waits_for_a_page() -> None:
    with World(11, ["millicent"], luck=False) as world:
        stage = Stage(world, random.Random(1))
        payer, vendor = stage.honest[0], world.vendors[1]
        stage.buying[payer.name] = 1
        assert not clocks.is_quiet(stage)
        assert not world.run(clocks.pass_time(stage, DAY_S))
        assert world.ground.leap_s == 0
        stage.buying[payer.name] = 0
        world.run(stage.shop(payer, vendor, 1))
        assert world.run(clocks.pass_time(stage, DAY_S))
        assert world.ground.wall_s() >= START_S + DAY_S
        stage.close()


@pytest.mark.parametrize("wrong_s", [3_000, 70_000])
def test_what_a_wrong_clock_has_leased_ends_before_anybody_counts(wrong_s: int) -> None:
    """The broker does not answer; when it does, the gate's clock is back, and its lease is not."""

    async def lease_until_later(stage: Stage) -> None:
        payer, vendor = stage.honest[0], stage.world.vendors[1]
        faults, time_s = stage.world.ground.faults, stage.world.ground.loop.time
        await stage.shop(payer, vendor, 1)
        vendor.ahead_s = wrong_s
        faults.part(vendor.name, BROKER, time_s() + APART_S)
        await stage.buy(payer, *stage.address(vendor), tries=1)
        vendor.ahead_s = 0
        await asyncio.sleep(APART_S)

    with World(11, ["ecash"], luck=False) as world:
        stage = Stage(world, random.Random(1))
        world.run(lease_until_later(stage))
        assert stage.missing
        world.run(stage.settle())
        assert world.ground.leap_s < DAY_S // 2
        assert not stage.missing
        assert open_to_honest(world, stage.honest, world.vendors, stage.crooks) == []
        stage.close()


def test_what_credit_may_cost_follows_from_the_days_on_which_it_was_used() -> None:
    """Forty days pass in the second trick: the bound is of those on which somebody has paid."""
    (lost,) = (
        one
        for one in play("payword", 1, ["leave-a-debt"]).losses
        if (one.role, one.by) == ("broker", "payer")
    )
    later = play("payword", 1, ["leave-a-debt", "claim-late"])
    (after,) = (one for one in later.losses if (one.role, one.by) == ("broker", "payer"))
    assert 0 < after.bound_micro <= 2 * lost.bound_micro
