"""Once the faults have stopped everything comes to an end, and the sums are right."""

import asyncio

import msgspec
import pytest

from farthing.errors import Expired
from farthing.lab import handing, liveness
from farthing.lab.faults import CALM, ROUGH
from farthing.lab.liveness import finish
from farthing.lab.world import World
from farthing.schemes import registry
from farthing.schemes.chain.payword import PaywordMint
from farthing.wallet.settling import Verdict
from tests.kit.broken_mints import Unwilling
from tests.kit.registered import registered


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


def test_a_mint_that_takes_nothing_back_is_a_finding_and_a_purse_that_says_so_is_none() -> None:
    for name, broken in (("agent", Unwilling), ("payword", PaywordMint)):
        scheme = msgspec.structs.replace(registry.by_name(name), mint=broken)
        with registered(scheme), World(6, [name]) as world:
            world.run(world.act(range(20), CALM))
            world.run(finish(world))
            found = [one for one in world.ground.checks.findings if "cannot return" in one]
            assert bool(found) == (broken is Unwilling)
            assert all(one.endswith("of agent: come_back_later") for one in found)


def test_a_chain_whose_day_is_over_need_not_be_closed() -> None:
    with World(6, ["tick"]) as world:
        payer, vendor = world.payers[0], world.vendors[0]
        page = next(page for page in vendor.pages if page.scheme == "tick")
        world.run(payer.buy(f"{vendor.url}{page.path}/1"))
        held = next(held for held in payer.held() if payer.may_return(held))
        liveness.require_returned(world, payer, held, Expired("commitment_expired"))
        assert world.ground.checks.findings == []
        liveness.require_returned(world, payer, held, Expired("scrip_expired"))
        assert len(world.ground.checks.findings) == 1


LATE_S = 600  # of virtual time: longer than the wallet asks, and than an offer stands
NIGHT_S = 8 * 3_600


@pytest.mark.parametrize("page", ["1", "1.html"], ids=["paid at once", "asked for first"])
@pytest.mark.parametrize("scheme", [scheme.traits.name for scheme in registry.all_schemes()])
def test_a_payment_that_comes_hours_late_is_known_to_its_wallet_in_the_end(
    monkeypatch: pytest.MonkeyPatch, scheme: str, page: str
) -> None:
    """Its vendor's clock is set back meanwhile, so that its offer stands once more."""
    with World(2, [scheme]) as world:
        payer, vendor = world.payers[0], world.vendors[0]
        url = f"{vendor.url}{vendor.pages[-1].path}"
        world.run(payer.buy(f"{url}/0"))
        sold = world.ground.checks.sold[vendor.name]
        before = len(sold)
        faults, travel_s = world.ground.faults, world.ground.faults.travel_s
        # Two messages that tell the price, where it is not known from a page alike (`known.py`);
        # then the payment, and the same again, which is lost.
        is_known = page == "1" and registry.by_name(scheme).traits.latest != "before"
        fates = iter([float(LATE_S)] if is_known else [0.0, 0.0, float(LATE_S)])

        def hold_up(source: str, target: str) -> float | None:
            if {source, target} == {payer.name, vendor.name}:
                return next(fates, None)
            return travel_s(source, target)

        monkeypatch.setattr(faults, "travel_s", hold_up)
        assert world.run(payer.buy(f"{url}/{page}")).verdict is Verdict.UNDECIDED
        monkeypatch.setattr(faults, "travel_s", travel_s)
        world.leap(NIGHT_S)
        assert world.run(payer.recover()).released == 1
        vendor.ahead_s = -NIGHT_S - LATE_S
        world.run(asyncio.sleep(LATE_S))
        # A ticket's offer has a root of its own, so that none stands for another page.
        assert len(sold) == before + (not is_known or scheme != "ticket")
        world.run(finish(world))
        assert world.ground.checks.findings == []


def test_in_the_end_the_sums_are_counted_and_so_is_what_was_handed_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with World(6, ["payword"]) as world:
        world.run(world.act(range(6), CALM))
        world.topped_up[world.payers[0].name] -= 5
        counted: list[World] = []
        monkeypatch.setattr(handing, "count", counted.append)
        world.run(finish(world))
        assert any("5 too much" in finding for finding in world.ground.checks.findings)
        assert counted == [world]


def test_in_the_end_the_weather_is_calm_and_everybody_up_with_the_right_time() -> None:
    with World(6, ["payword"]) as world:
        world.run(world.act(range(6), ROUGH))
        for ahead_s, party in enumerate(world.parties, start=5):
            party.ahead_s = ahead_s
        world.payers[0].kill("for a test")
        began_s = world.ground.wall_s()
        world.run(finish(world))
        assert world.ground.faults.chances == CALM
        assert all(party.is_up and not party.ahead_s for party in world.parties)
        assert world.ground.wall_s() >= began_s + 2 * liveness.LIFE_S + 2 * liveness.LEASE_S
        assert world.ground.checks.findings == []


def test_whoever_is_down_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    with World(6, ["payword"]) as world:
        began_s, party = world.ground.wall_s(), world.payers[0]
        up_s = began_s + 2 * 3_600
        monkeypatch.setattr(type(party), "is_up", property(lambda _: world.ground.wall_s() >= up_s))
        world.run(liveness._right(world))
        assert up_s <= world.ground.wall_s() < up_s + 3_600
