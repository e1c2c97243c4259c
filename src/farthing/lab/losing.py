"""A payer loses its wallet, and gets back in a new one what can come back.

Before that everybody finishes: what a lost wallet had under way nobody could ever tell. Then, in
whatever weather, the new one restores by the seed what follows from it, and has reissued what the
broker knows of. The lost file is kept for the recount only: it says what was bought with it, and
what nobody gets back.
"""

import asyncio
import random
from functools import partial
from typing import TYPE_CHECKING

from farthing.lab.liveness import rest
from farthing.lab.payer import PayerParty
from farthing.lab.recount import done_by
from farthing.wallet.book import Book
from farthing.wallet.reissuing import reissue
from farthing.wallet.restoring import restore

if TYPE_CHECKING:
    from farthing.lab.world import World

TRIES_MAX = 40  # of getting it back, in any weather
PAUSE_S = 3.0  # until somebody tries once more
DYING = 0.2  # of the tries are broken off
UNUSED_MAX = 6  # numbers in a row: few are taken in vain here, and each is six requests


async def lose(world: "World", luck: random.Random) -> None:
    """A payer loses its wallet, gets back what it held, and goes on with that."""
    chances = world.ground.faults.chances
    await rest(world)
    fresh = [payer for payer in world.payers if _is_fresh(payer)]
    if not fresh:
        world.ground.faults.chances = chances
        return
    payer = luck.choice(fresh)
    payer.lose()
    world.lost |= {purchase.k for purchase in done_by(payer)}
    world.ground.faults.chances = chances
    for _ in range(TRIES_MAX):
        if payer.is_up:
            world.begin(payer, "regain", regain(payer))
            if luck.random() < DYING:
                await asyncio.sleep(luck.random())
                payer.kill("while it gets back what it had")
            await world.settle()
        if payer.has_regained:
            return
        await asyncio.sleep(PAUSE_S)
    world.ground.checks.find(f"{payer.name} does not get back what its lost wallet held")


def _is_fresh(payer: PayerParty) -> bool:
    """Whether nothing in its wallet has ended: that comes back to nobody."""
    return all(held.instrument.expires_at_s > payer.now_s() for held in payer.held())


async def regain(payer: PayerParty) -> str:
    """What came back by the seed, and what to the account; refusals as of the mints."""
    file, book = payer.file, Book(payer.file)
    came, back = 0, 0
    for broker in book.brokers().values():
        if not broker.account:
            continue
        search = partial(restore, file=file, broker_id=broker.id, unused_max=UNUSED_MAX)
        came += await payer.do(search)
        done = await payer.do(
            partial(reissue, book=book, broker_id=broker.id, progress=lambda _, __: None)
        )
        back += sum(each.returned_micro for each in done)
    payer.has_regained = True
    return f"{came} {back}"
