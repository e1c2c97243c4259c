"""After the faults have stopped: everybody finishes, nothing stays frozen, all is counted again.

Programs are started, clocks set right, and some nights pass. Then wallets recover, vendors clear,
payers return what they hold. What is left after that is frozen, and a finding; so is what a mint
does not take back though the purse has nothing against it, and every account whose balance is not
what purchases and refunds make of it.
"""

import asyncio
from typing import TYPE_CHECKING

from farthing.errors import Refusal
from farthing.lab import handing
from farthing.lab.recount import open_matters, require_sums

if TYPE_CHECKING:
    from farthing.lab.payer import PayerParty
    from farthing.lab.world import World
    from farthing.wallet.book import Held

ROUNDS_MAX = 8  # of recovering and clearing: two or three are what it takes
LEASE_S = 200  # longer than any lease, of wallets, of gates and of reservations
PAUSE_S = 6.0  # in which the broker looks at what is due, and at its errands
DAYS_ASKED = 400  # however many nights have passed
DAY_S = 86_400
LIFE_S = 3 * DAY_S  # longer than what a broker keeps open of a day that is over


async def finish(world: "World") -> None:
    """Calm the weather, have everything finished, and note what could not be."""
    await rest(world)
    if open_matters(world):  # what is claimed once its day begins, which a wrong clock was ahead of
        world.leap(DAY_S)
        await rest(world)
    await _collect(world)
    world.leap(LIFE_S)
    await rest(world)
    await _collect(world)  # what had to wait for a day that a wrong clock was ahead of
    world.leap(LIFE_S)  # and what was given back only then, where that takes its time
    await asyncio.sleep(PAUSE_S)
    for matter in open_matters(world):
        world.ground.checks.find(f"frozen: {matter}")
    handing.count(world)
    require_sums(world)


async def rest(world: "World") -> None:
    """Calm the weather, have everything finished that can be, and what was given back fetched."""
    await _right(world)
    await _rounds(world)
    if any(world.ground.checks.refunded.values()):
        for payer in world.payers:
            world.begin(payer, "fetch refunds", payer.recover(days=DAYS_ASKED))
        await world.settle()
    await handing.hand_out(world)


async def _right(world: "World") -> None:
    """Everybody is up, with the right time."""
    world.ground.faults.calm()
    for party in world.parties:
        party.ahead_s = 0
    while not all(party.is_up for party in world.parties):
        world.leap(3_600)  # whoever's books are from tomorrow waits until then
        await asyncio.sleep(PAUSE_S)
    await world.settle()


async def _rounds(world: "World") -> None:
    for _ in range(ROUNDS_MAX):
        world.leap(LEASE_S)
        await asyncio.sleep(PAUSE_S)
        await _clear(world)
        for payer in world.payers:
            world.begin(payer, "recover", payer.recover())
        await world.settle()
        if not open_matters(world):
            return


async def _clear(world: "World") -> None:
    """Vendors show their brokers what they have earned."""
    for party in world.vendors:
        assert party.vendor is not None, "everybody is up"
        world.begin(party, "clear", party.vendor.clear())
    await world.settle()


async def _collect(world: "World") -> None:
    """Payers return what they hold; what was renewed on the way is claimed in time."""
    for payer in world.payers:
        world.begin(payer, "give everything back", _return(world, payer))
    await world.settle()
    await _clear(world)


async def _return(world: "World", payer: "PayerParty") -> None:
    """Give back everything that can be: first what becomes the broker's own, then that."""
    for own in (False, True):
        if own:
            payer.set_float(0)
        for held in payer.held():
            if (held.instrument.vendor_id == held.broker_id) is not own:
                continue
            try:
                await payer.give_back(held)
            except Refusal as refusal:
                world.ground.trace.note("refused", payer.name, "give back", refusal.code)
                require_returned(world, payer, held, refusal)


def require_returned(world: "World", payer: "PayerParty", held: "Held", refusal: Refusal) -> None:
    """Note a return that a mint has refused, where the purse had no reason to.

    A vendor closes no chain whose day is over: what is left of it comes back by itself.
    """
    if payer.may_return(held) and refusal.code != "commitment_expired":
        instrument = held.instrument
        world.ground.checks.find(
            f"{payer.name} cannot return {instrument.worth_micro} of {instrument.scheme}:"
            f" {refusal.code}"
        )
