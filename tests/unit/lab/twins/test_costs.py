"""What a stage measures is right to the micro-unit: honest shopping costs nobody anything."""

import random

import pytest

from farthing.lab.faults import CALM
from farthing.lab.network import Message, Reply
from farthing.lab.twins.costs import losses_of
from farthing.lab.twins.stage import Stage
from farthing.lab.world import World
from farthing.schemes import registry

HOUR_S = 3_600
SCHEMES = [scheme.traits.name for scheme in registry.all_schemes()]


async def shop(stage: Stage) -> None:
    for payer in stage.honest[:2]:
        for vendor in stage.world.vendors:
            await stage.shop(payer, vendor, 2)
    await stage.settle()


@pytest.mark.parametrize("scheme", SCHEMES)
def test_honest_people_lose_nothing_and_get_what_they_pay_for(scheme: str) -> None:
    with World(11, [scheme], luck=False) as world:
        stage = Stage(world, random.Random(1))
        world.run(shop(stage))
        earned_micro = sum(world.ground.checks.earned.values())
        assert earned_micro == sum(stage.got.values()) > 0
        assert earned_micro == sum(sum(out.values()) for out in stage.out.values())
        assert all(one.worst_micro == 0 for one in losses_of(stage, "payer"))
        assert world.ground.faults.chances is CALM
        stage.close()


@pytest.mark.parametrize(
    ("change", "role", "by"),
    [("earned", "vendor", "payer"), ("sold", "broker", "vendor"), ("got", "payer", "nobody")],
)
def test_a_micro_unit_that_is_missing_is_seen(change: str, role: str, by: str) -> None:
    with World(11, SCHEMES[:1]) as world:
        stage = Stage(world, random.Random(1))
        world.run(shop(stage))
        checks, vendor = world.ground.checks, world.vendors[1].name
        if change == "earned":
            checks.earned[vendor] -= 1
        elif change == "sold":
            checks.sold[vendor][next(iter(checks.sold[vendor]))] -= 1
        else:
            stage.got[stage.honest[0].name] -= 1
        found = [one for one in losses_of(stage, "payer") if not one.is_within]
        assert (role, by, 1) in [(one.role, one.by, one.worst_micro) for one in found]
        stage.close()


def test_a_page_that_was_not_paid_is_a_loss_of_its_vendor() -> None:
    with World(11, SCHEMES[:1]) as world:
        stage = Stage(world, random.Random(1))
        vendor = world.vendors[1]
        url, price_micro = stage.address(vendor)
        page = Reply(status=200, body=b"page " + url.partition(".example")[2].encode())
        stage.answered("thief", vendor.name, Message(method="GET", url=url), page)
        lost = [
            one for one in losses_of(stage, "payer") if one.role == "vendor" and one.worst_micro
        ]
        assert [one.worst_micro for one in lost] == [price_micro]
        stage.close()
