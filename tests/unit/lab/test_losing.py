"""Who loses a wallet has again what can come back, and nothing twice."""

import random
from typing import TYPE_CHECKING, TypeVar

import pytest

from farthing.lab import losing
from farthing.lab.faults import ROUGH
from farthing.lab.liveness import finish
from farthing.lab.losing import lose, regain
from farthing.lab.payer import PayerParty
from farthing.lab.recount import comes_back, done_by
from farthing.lab.world import World
from farthing.schemes import registry
from farthing.wallet.settling import Verdict

if TYPE_CHECKING:
    from _typeshed import SupportsLenAndGetItem

T = TypeVar("T")
COMING = [one.traits.name for one in registry.all_schemes() if comes_back(one)]


class First(random.Random):
    """Draws what comes first, and no death."""

    def choice(self, seq: "SupportsLenAndGetItem[T]") -> T:
        return seq[0]

    def random(self) -> float:
        return 1.0


def shopped(world: World) -> PayerParty:
    payer, vendor = world.payers[0], world.vendors[1]
    url = f"{vendor.url}{vendor.pages[0].path}/1"
    assert world.run(payer.buy(url)).verdict is Verdict.DONE
    return payer


@pytest.mark.parametrize("scheme", [*COMING, "millicent"])
def test_what_was_bought_is_known_and_what_was_held_comes_back_or_stays_lost(scheme: str) -> None:
    with World(1, [scheme]) as world:
        payer = shopped(world)
        held_micro = sum(held.instrument.worth_micro for held in payer.held())
        assert held_micro > 0
        world.ground.faults.chances = ROUGH
        world.run(lose(world, First()))
        assert len(payer.lost) == len(done_by(payer)) == 1
        assert world.lost == {done_by(payer)[0].k}
        assert world.ground.faults.chances is ROUGH
        has_micro = sum(held.instrument.worth_micro for held in payer.held())
        assert has_micro == (held_micro if registry.by_name(scheme).purse.numbers else 0)
        world.run(finish(world))
        assert world.ground.checks.findings == []


@pytest.mark.parametrize("scheme", COMING)
def test_what_does_not_come_back_and_should_is_found(
    scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(payer: PayerParty) -> str:
        return "nothing"

    monkeypatch.setattr(losing, "regain", fail)
    with World(1, [scheme]) as world:
        shopped(world)
        world.run(lose(world, First()))
        assert world.ground.checks.findings == [
            "payer0 does not get back what its lost wallet held"
        ]


@pytest.mark.parametrize("scheme", COMING)
def test_what_came_back_comes_back_once(scheme: str) -> None:
    with World(1, [scheme]) as world:
        payer = shopped(world)
        payer.lose()
        world.run(regain(payer))
        had = [repr(held.instrument) for held in payer.held()]
        world.run(regain(payer))
        assert [repr(held.instrument) for held in payer.held()] == had
        world.run(finish(world))
        assert world.ground.checks.findings == []
