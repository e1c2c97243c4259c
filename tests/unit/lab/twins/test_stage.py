"""Who is who in a world where somebody cheats: twins, what goes on beside, what comes back."""

import asyncio
import random
from contextlib import suppress

import msgspec
import pytest

from farthing.errors import Refusal
from farthing.lab.faults import Chances
from farthing.lab.genesis import BROKER
from farthing.lab.payer import Line
from farthing.lab.twins.costs import losses_of
from farthing.lab.twins.stage import Stage
from farthing.lab.world import World
from farthing.schemes import registry
from farthing.wallet.commands import Failed, Request, Sent
from tests.kit.broken_mints import Unwilling
from tests.kit.registered import registered

HOUR_S = 3_600
SCHEMES = [scheme.traits.name for scheme in registry.all_schemes()]


def test_what_a_mint_does_not_give_back_to_the_honest_is_a_finding() -> None:
    scheme = msgspec.structs.replace(registry.by_name("agent"), mint=Unwilling)
    with registered(scheme), World(11, ["agent"]) as world:
        stage = Stage(world, random.Random(1))
        world.run(stage.shop(stage.honest[0], world.vendors[1], 1))
        world.run(stage.give_back())
        (found,) = world.ground.checks.findings
        assert found.startswith(f"{stage.honest[0].name} cannot return ")
        stage.close()


def test_what_a_broker_that_is_down_does_not_take_in_bad_weather_is_given_back_later() -> None:
    with World(11, SCHEMES[:1]) as world:
        stage, broker = Stage(world, random.Random(1)), world.brokers[0]
        payer = stage.honest[0]

        async def give_back_while_it_is_down() -> None:
            await stage.shop(payer, world.vendors[1], 1)
            world.ground.faults.chances = Chances(killed_before=1.0)
            broker.kill("in the middle of it")
            await stage.give_back()
            await stage.settle()

        world.run(give_back_while_it_is_down())
        assert world.ground.checks.findings == []
        assert not payer.held()
        stage.close()


def test_two_programs_over_copies_of_a_wallet_have_its_account() -> None:
    with World(11, SCHEMES[:1]) as world:
        stage = Stage(world, random.Random(1))
        payer, vendor = world.payers[0], world.vendors[1]
        twin = stage.twin_of(payer)

        async def both() -> None:
            await asyncio.gather(stage.shop(payer, vendor, 1), stage.shop(twin, vendor, 1))

        world.run(both())
        assert stage.crooks == {payer.name, twin.name}
        assert stage.got[twin.name]
        assert stage.got[payer.name]
        stage.close()
        assert not twin.is_up


def test_what_comes_back_only_when_its_window_is_over_is_given_back_then() -> None:
    with World(11, ["netcash"]) as world:
        stage = Stage(world, random.Random(1))
        payer, vendor = stage.honest[0], world.vendors[1]

        async def leave_an_exchange_open() -> None:
            await stage.shop(payer, vendor, 1)
            world.ground.faults.part(payer.name, BROKER, world.ground.loop.time() + HOUR_S)
            with suppress(Refusal):
                await payer.buy(*stage.address(vendor)[:1], scheme="netcash")
            await stage.settle()

        world.run(leave_an_exchange_open())
        assert [one.worst_micro for one in losses_of(stage, "nobody") if one.worst_micro] == []
        assert not payer.held()
        stage.close()


def test_pages_that_did_not_come_are_fetched_while_gates_repeat_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    send, is_heard = Line._send, False

    async def lose(line: Line, request: Request, *, whole: bool) -> Sent:
        answer = await send(line, request, whole=whole)
        is_paid = any(name in {"Authorization", "PAYMENT-SIGNATURE"} for name, _ in request.headers)
        return Failed(reason="lost") if is_paid and not is_heard else answer

    monkeypatch.setattr(Line, "_send", lose)
    with World(11, SCHEMES[:1]) as world:
        stage, payer, vendor = Stage(world, random.Random(1)), world.payers[2], world.vendors[1]
        assert not world.run(stage.buy(payer, *stage.address(vendor), tries=2))
        is_heard = True
        world.run(stage.settle())
        assert not stage.missing
        assert [one.worst_micro for one in losses_of(stage, "nobody") if one.worst_micro] == []
        stage.close()


def test_what_goes_on_beside_is_not_ended_by_who_dies() -> None:
    with World(11, SCHEMES[:1]) as world:
        stage, vendor = Stage(world, random.Random(1)), world.vendors[1]
        begun: list[asyncio.Task[str]] = []

        async def later() -> str:
            await asyncio.sleep(1)
            return "done"

        async def serve() -> None:
            begun.append(stage.beside(later()))

        async def wait() -> str:
            await asyncio.sleep(0.5)
            vendor.kill("in the middle of it")
            return await begun[0]

        world.ground.loop.spawn(vendor.life, serve())
        assert world.run(wait()) == "done"
        stage.close()


@pytest.mark.parametrize("was_wrong", [True, False])
def test_a_second_purchase_is_the_doing_of_a_vendor_whose_clock_was_wrong(
    was_wrong: bool,  # noqa: FBT001 - a parameter of the test
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def refuse(*_: object, **__: object) -> None:
        raise Refusal("page_forgotten", "by this test")

    with World(11, SCHEMES[:1]) as world:
        stage, payer, vendor = Stage(world, random.Random(1)), world.payers[2], world.vendors[1]
        vendor.was_wrong = was_wrong
        url, price_micro = stage.address(vendor)
        monkeypatch.setattr(payer, "buy", refuse)
        assert not world.run(stage.buy(payer, url, price_micro, tries=2))
        (told, *_) = [one for one in losses_of(stage, "payer") if one.role == "payer"]
        assert told.by == ("vendor" if was_wrong else "nobody")
        assert told.bound_micro == (2 * price_micro if was_wrong else 0)
        stage.close()
