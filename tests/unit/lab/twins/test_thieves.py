"""What was stolen and listed buys nothing; who was robbed loses what was spent, and buys on."""

import asyncio
import random

import pytest

from farthing.errors import Refusal
from farthing.lab.twins import thieves
from farthing.lab.twins.costs import losses_of
from farthing.lab.twins.stage import Stage
from farthing.lab.twins.thieves import spend_what_was_stolen
from farthing.lab.twins.tricks import play
from farthing.lab.world import World
from farthing.schemes import registry
from farthing.vendor.app import Vendor
from tests.kit.turns import each_in_turn

TRICK = spend_what_was_stolen.__name__.replace("_", "-")
SCHEMES = [scheme.traits.name for scheme in registry.all_schemes()]


@pytest.mark.parametrize("scheme", each_in_turn(SCHEMES, of=4))
def test_who_was_robbed_loses_what_the_scheme_says(scheme: str) -> None:
    played = play(scheme, 2, [TRICK])
    assert played.findings == ()
    (lost,) = (one for one in played.losses if one.by == "thief")
    assert lost.role == "payer"
    assert lost.of in {"limit", "wallet"}
    assert lost.is_within


async def no_lists(vendor: Vendor) -> int:
    return 0


@pytest.mark.parametrize("is_listed", [True, False])
def test_what_was_stolen_pays_only_where_no_list_has_come(
    is_listed: bool,  # noqa: FBT001 - a parameter of the test
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if not is_listed:
        monkeypatch.setattr(Vendor, "fetch_lists", no_lists)
    with World(12, ["payword"], luck=False) as world:
        stage = Stage(world, random.Random(2))
        world.run(spend_what_was_stolen(stage))
        found = world.ground.checks.findings
        assert bool(found) is not is_listed
        assert all("for what was stolen and listed" in one for one in found)
        stage.close()


def test_a_list_that_names_nothing_is_found_where_coins_were_stolen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(thieves, "names_of", lambda _: [])
    monkeypatch.setattr(thieves, "_get_back", lambda *_: asyncio.sleep(0))
    with World(12, ["cashu"], luck=False) as world:
        stage = Stage(world, random.Random(2))
        world.run(spend_what_was_stolen(stage))
        assert "for what was stolen and listed" in world.ground.checks.findings[0]
        stage.close()


def test_an_owner_who_gets_nothing_back_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(_: object) -> str:
        raise Refusal("mint_unreachable", "by this test")

    monkeypatch.setattr(thieves, "regain", refuse)
    with World(12, ["agent"], luck=False) as world:
        stage = Stage(world, random.Random(2))
        world.run(spend_what_was_stolen(stage))
        assert "does not get back what was stolen" in world.ground.checks.findings[0]
        stage.close()


def test_who_was_robbed_of_more_than_was_spent_is_a_finding() -> None:
    with World(12, ["agent"], luck=False) as world:
        stage = Stage(world, random.Random(2))
        world.run(spend_what_was_stolen(stage))
        world.run(stage.settle())
        stage.got.clear()
        stage.stolen_micro.clear()
        losses_of(stage, "thief")
        assert any(" was stolen" in one for one in world.ground.checks.findings)
        stage.close()


def test_the_old_token_is_worth_nothing_once_its_owner_has_told() -> None:
    with World(12, ["agent"], luck=False) as world:
        stage = Stage(world, random.Random(2))
        owner = stage.honest[0]
        old = world.broker.tokens[owner.name]["pay"]
        world.run(thieves.tell(stage, owner))
        new = world.broker.tokens[owner.name]["pay"]
        assert new != old
        world.broker.tokens[owner.name]["pay"] = old
        asked = world.order("/payout", {"amountMicro": 20_000}, who=owner.name, scope="pay")
        refused = world.run(asked)
        assert refused["refusal"] in {"Denied", "Unauthenticated"}
        stage.close()
