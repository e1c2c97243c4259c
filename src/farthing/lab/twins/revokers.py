"""What is spent once it was ended: nothing of it is taken anywhere, once gates have the list.

Who spends cannot reach the broker, so that it pays with what it has and with nothing new; whoever
is honest goes on meanwhile.
"""

import asyncio
from contextlib import suppress

from farthing.errors import Refusal
from farthing.lab.genesis import BROKER
from farthing.lab.handing import opened, withdrawn
from farthing.lab.payer import PayerParty
from farthing.lab.twins.givers import cheapest, hand
from farthing.lab.twins.stage import Stage

LISTED_S = 130.0  # in which every gate fetches its lists twice
CUT_S = 600  # longer than all of it
PAGES = 3


async def revoke_and_spend(stage: Stage) -> None:
    """End what is good at any vendor, and have a copy of the wallet open it at another one."""
    payer, (one, other) = stage.world.payers[0], stage.world.vendors[1:3]
    await stage.shop(payer, one, 1)
    twin = stage.twin_of(payer)
    general = [held for held in payer.held() if not held.instrument.vendor_id]
    ended = bool(general) and not _offers_more(payer)
    for held in general:
        try:
            ended &= await payer.give_back(held)
        except Refusal:  # as where an older copy has spent some of it: the rest is good
            ended = False
    await _list(stage, twin)
    opened_there = any(held.instrument.vendor_id == other.name for held in twin.held())
    if ended and not opened_there:  # what was opened before goes on, and is billed
        await _require_refused(stage, twin, other.name)


def _offers_more(payer: PayerParty) -> bool:
    """Whether a purchase in doubt has some of what is good anywhere: that is not given back."""
    query = "SELECT 1 FROM instruments WHERE state = 'offered' AND vendor = ''"
    return bool(payer.connection.execute(query).fetchall())


async def spend_what_was_withdrawn(stage: Stage) -> None:
    """Spend a purse that its honest owner has ended before its time."""
    owner, vendor = stage.luck.choice(stage.honest), stage.luck.choice(stage.world.vendors[1:])
    agent = stage.agent()
    grant = await hand(stage, owner, agent, vendor)
    if grant is None:
        return
    stage.lent_micro[owner.name] += grant.amount_micro
    with suppress(Refusal):
        await opened(agent, grant.token)
    await stage.buy(agent, *stage.address(vendor, cheapest(vendor)), tries=1)
    try:
        await withdrawn(owner, grant.id)
    except Refusal:
        return
    await _list(stage, agent)
    await _require_refused(stage, agent, vendor.name)


async def _list(stage: Stage, crook: PayerParty) -> None:
    """Every gate fetches its lists; who cheats hears nothing of the broker from now on."""
    ground = stage.world.ground
    ground.faults.calm()
    ground.faults.part(crook.name, BROKER, ground.loop.time() + CUT_S)
    await asyncio.sleep(LISTED_S)


async def _require_refused(stage: Stage, crook: PayerParty, seller: str) -> None:
    """Note what a vendor gives for what was ended."""
    vendor = next(vendor for vendor in stage.world.vendors if vendor.name == seller)
    had_micro = stage.gone[crook.name]
    for _ in range(PAGES):
        await stage.buy(crook, *stage.address(vendor), tries=1)
    came_micro = stage.gone[crook.name] - had_micro
    if came_micro:
        find = stage.world.ground.checks.find
        find(f"{seller} has sold {came_micro} for what was revoked and listed")
