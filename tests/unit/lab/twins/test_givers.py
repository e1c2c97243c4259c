"""What is handed to two, or handed over and spent, comes to one, and costs its owner no more."""

import random
from collections.abc import Awaitable, Callable

import pytest

from farthing.errors import Refusal
from farthing.lab import handing
from farthing.lab.twins import givers
from farthing.lab.twins.costs import losses_of
from farthing.lab.twins.stage import Stage
from farthing.lab.world import World
from farthing.schemes import registry

TOKENS = [one.traits.name for one in registry.all_schemes() if one.purse.parts]
PURSES = [one.traits.name for one in registry.all_schemes() if one.purse.shares]


@pytest.mark.parametrize("scheme", TOKENS)
def test_of_two_who_are_handed_the_same_coins_one_has_them(scheme: str) -> None:
    with World(12, [scheme], luck=False) as world:
        stage, giver, vendor = Stage(world, random.Random(2)), world.payers[0], world.vendors[1]
        one, other = stage.honest[:2]
        grant = world.run(givers.hand(stage, giver, one, vendor))
        assert grant is not None, "nothing is in the way"
        amount_micro = givers.PAGES * givers.cheapest(vendor).price_micro
        assert world.run(handing.claimed(one, grant.token)) == amount_micro
        assert world.run(handing.claimed(other, grant.token)) == 0
        stage.close()


@pytest.mark.parametrize("scheme", PURSES)
def test_a_purse_is_spent_once_and_costs_its_owner_what_was_in_it(scheme: str) -> None:
    with World(12, [scheme], luck=False) as world:
        stage = Stage(world, random.Random(2))
        world.run(givers.overspend_a_part(stage))
        world.run(stage.settle())
        (owner,) = stage.lent_micro
        agents = {twin.name: stage.gone[twin.name] for twin in stage.twins}
        assert sum(agents.values()) == stage.lent_micro[owner] > 0
        assert all(one.worst_micro == 0 for one in losses_of(stage, "payer"))
        stage.lent_micro[owner] -= 1
        found = [one for one in losses_of(stage, "payer") if one.worst_micro]
        assert [(one.role, one.worst_micro) for one in found] == [("payer", 1), ("broker", 1)]
        stage.close()


@pytest.mark.parametrize("scheme", PURSES)
def test_a_page_that_an_agent_paid_and_never_fetched_is_its_owners_loss(scheme: str) -> None:
    with World(12, [scheme], luck=False) as world:
        stage = Stage(world, random.Random(2))
        world.run(givers.overspend_a_part(stage))
        world.run(stage.settle())
        (agent, *_) = [twin.name for twin in stage.twins if stage.gone[twin.name]]
        out = next(out for out in stage.out.values() if out)
        stage.gone[agent] -= out.pop(next(iter(out)))
        assert all(one.worst_micro == 0 for one in losses_of(stage, "payer"))
        stage.close()


@pytest.mark.parametrize("scheme", PURSES)
def test_who_is_handed_what_another_has_started_with_buys_with_its_own(scheme: str) -> None:
    with World(12, [scheme], luck=False) as world:
        stage = Stage(world, random.Random(2))
        world.run(givers.hand_on_twice(stage))
        lent = {payer for payer, _ in world.owners}
        assert len(lent) == 2, "both were handed something"
        assert all(stage.got[name] > 0 for name in lent)
        stage.close()


@pytest.mark.parametrize("trick", [givers.hand_on_twice, givers.hand_on_and_spend])
def test_where_nothing_can_be_handed_over_nobody_loses(
    trick: Callable[[Stage], Awaitable[None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*_: object) -> None:
        raise Refusal("mint_unreachable", "by this test")

    monkeypatch.setattr(givers, "written", refuse)
    with World(12, TOKENS[:1], luck=False) as world:
        stage = Stage(world, random.Random(2))
        world.run(trick(stage))
        world.run(stage.settle())
        assert all(one.worst_micro == 0 for one in losses_of(stage, "payer"))
        stage.close()
