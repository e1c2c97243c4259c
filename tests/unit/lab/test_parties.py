"""A party is its disk: what was acknowledged is there after any death."""

import asyncio

import pytest

from farthing.lab.world import World
from farthing.wallet.settling import Verdict


def test_everybody_may_die_and_goes_on_from_the_disk() -> None:
    with World(3) as world:
        payer, vendor = world.payers[0], world.vendors[0]
        page = vendor.pages[-1]
        first = world.run(payer.buy(f"{vendor.url}{page.path}/1"))
        assert first.verdict is Verdict.DONE
        for party in (world.broker, vendor, payer):
            party.kill("for this test")
            assert not party.is_up

        async def again() -> None:
            assert all(party.start() for party in (world.broker, vendor, payer))
            second = await payer.buy(f"{vendor.url}{page.path}/2")
            assert second.verdict is Verdict.DONE

        world.run(again())
        sold = world.ground.checks.sold[vendor.name].values()
        assert len([micro for micro in sold if micro]) == 2
        assert world.ground.checks.findings == []
        assert world.ground.loop.faults == []


def test_a_broker_whose_clock_is_behind_its_books_does_not_start() -> None:
    with World(3, ["millicent"]) as world:
        broker = world.broker

        async def back() -> None:
            broker.kill("for this test")
            broker.ahead_s = -86_400
            assert not broker.start()
            assert not broker.is_up
            broker.ahead_s = 0
            assert broker.start()

        world.run(back())


@pytest.mark.parametrize("dead", ["broker", "vendor", "payer"])
def test_what_a_dead_party_was_doing_stays_undone(dead: str) -> None:
    with World(3, ["millicent"]) as world:
        payer, vendor = world.payers[0], world.vendors[0]
        party = {"broker": world.broker, "vendor": vendor, "payer": payer}[dead]

        url = f"{vendor.url}{vendor.pages[0].path}/1"

        async def work() -> None:
            loop = world.ground.loop
            assert payer.process is not None
            task = loop.spawn(payer.process, payer.buy(url))
            loop.outside(0.004, party.kill, "in the middle")
            loop.outside(300.0, party.start)
            await asyncio.sleep(400)
            assert task.done() is (dead != "payer")
            if task.done():
                task.exception()
            await payer.recover()

        world.run(work())
        assert world.ground.checks.findings == []
