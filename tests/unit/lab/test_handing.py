"""What payers hand to each other is its taker's, once, and billed to whoever handed it over."""

import asyncio
import random

import pytest

from farthing.errors import Refusal
from farthing.lab import handing
from farthing.lab.acts import Act
from farthing.lab.faults import CALM
from farthing.lab.liveness import finish
from farthing.lab.world import World
from farthing.schemes import registry

TOKENS = [one.traits.name for one in registry.all_schemes() if one.purse.parts]
PURSES = [one.traits.name for one in registry.all_schemes() if one.purse.shares]
ACTS: dict[Act, int] = {handing.give: 1, handing.take: 2}


def test_a_scheme_without_such_a_purse_hands_nothing_on() -> None:
    assert {*TOKENS, *PURSES} == {
        one.traits.name for one in registry.all_schemes() if handing.is_handed_on(one)
    }
    assert not handing.is_handed_on(registry.by_name("millicent"))


@pytest.mark.parametrize("scheme", TOKENS)
def test_a_token_is_its_takers_and_is_taken_once(scheme: str) -> None:
    with World(1, [scheme]) as world:
        giver, taker = world.payers[2:4]
        grant = world.run(handing.written(giver, scheme, 1_000))
        assert world.run(handing.taken(world, 2, grant.id)) == "1000"
        assert world.run(handing.taken(world, 2, grant.id)) == "0"
        world.run(finish(world))
        came_micro = {name: micro for name, micro in world.came_micro.items() if micro}
        assert came_micro == {giver.name: -1_000, taker.name: 1_000}
        assert world.ground.checks.findings == []


@pytest.mark.parametrize("scheme", TOKENS)
def test_what_nobody_has_taken_is_handed_out_in_the_end_or_found(
    scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for refused in (False, True):
        with World(1, [scheme]) as world:
            grant = world.run(handing.written(world.payers[0], scheme, 1_000))
            if refused:
                monkeypatch.setattr(handing, "claimed", _refused)
            world.run(finish(world))
            found = [f"payer1 cannot take {grant.id} of payer0"] if refused else []
            assert world.ground.checks.findings[:1] == found


async def _refused(*_: object) -> int:
    raise Refusal("token_refused", "by this test")


@pytest.mark.parametrize("scheme", PURSES)
def test_what_is_bought_with_a_purse_is_billed_to_whoever_it_came_from(scheme: str) -> None:
    with World(1, [scheme], lines_max=None) as world:
        world.run(world.act(range(100), CALM, ACTS))
        world.run(world.settle())
        own = {(owner, payer) for (payer, _), owner in world.owners.items()}
        steps = {(int(payer[-1]) - int(owner[-1])) % len(world.payers) for owner, payer in own}
        assert steps == {1, 2}, "what was handed over was handed on as well"
        world.run(finish(world))
        assert sum(world.came_micro.values()) == 0
        assert any(world.came_micro.values())
        assert world.ground.checks.findings == []


@pytest.mark.parametrize("scheme", [*TOKENS, *PURSES])
def test_who_dies_while_something_is_handed_over_loses_nothing(scheme: str) -> None:
    with World(1, [scheme]) as world:

        async def die(number: int) -> None:
            luck = random.Random(number)
            for _ in range(6):
                handing.give(world, luck)
                handing.take(world, luck)
            await asyncio.sleep(luck.random() / 10)
            for payer in world.payers:
                payer.kill("for this test")

        for number in range(8):
            world.run(die(number))
            world.run(asyncio.sleep(2))
        world.run(finish(world))
        assert world.ground.checks.findings == []


def test_who_buys_of_another_brokers_vendor_writes_tokens_of_its_own() -> None:
    with World(3, ["millicent", "ecash"]) as world:
        payer, abroad = world.payers[0], world.vendors[-1]
        world.run(payer.buy(f"{abroad.url}{abroad.pages[0].path}/1"))
        assert world.run(handing.written(payer, "ecash", 1_000)).amount_micro == 1_000
