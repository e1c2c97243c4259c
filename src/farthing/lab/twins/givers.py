"""What the dishonest do with what is handed on: give it to two, give and spend it, spend it twice.

Who takes what somebody dishonest hands over has paid nothing for it, and may find that it is worth
nothing. Whoever lets somebody spend in its name loses what it has let it spend, and no more.
"""

import asyncio
from contextlib import suppress

from farthing.errors import Refusal
from farthing.lab.goods import Page
from farthing.lab.handing import claimed, handed_over, opened, written
from farthing.lab.parties import VendorParty
from farthing.lab.payer import PayerParty
from farthing.lab.twins.payers import give_back
from farthing.lab.twins.stage import Stage
from farthing.wallet.address import NONCE_BYTES, new_address
from farthing.wallet.bearing import is_token
from farthing.wallet.grants import Grant
from farthing.wallet.handing import Wanted

PAGES = 3  # that are worth what is handed over
LASTS_S = 3_600


async def hand_on_twice(stage: Stage) -> None:
    """Give the same to two honest people, who take it at once, and spend it where they can."""
    giver, vendor = stage.world.payers[0], stage.luck.choice(stage.world.vendors[1:])
    await stage.shop(giver, vendor, 1)
    twin, (one, other) = stage.twin_of(giver), stage.luck.sample(stage.honest, 2)
    grant = again = await hand(stage, giver, one, vendor)
    if stage.scheme.purse.shares:  # then it is sealed to who shall have it, and a copy does it too
        again = await hand(stage, twin, other, vendor)
    await asyncio.gather(
        take_and_shop(stage, giver, one, vendor, grant),
        take_and_shop(stage, giver, other, vendor, again),
    )


async def hand_on_and_spend(stage: Stage) -> None:
    """Give something away, and spend and return what one had before that."""
    giver, vendor = stage.world.payers[0], stage.luck.choice(stage.world.vendors[1:])
    await stage.shop(giver, vendor, 1)
    twin, taker = stage.twin_of(giver), stage.luck.choice(stage.honest)
    grant = await hand(stage, giver, taker, vendor)

    async def spend() -> None:
        await _shop(stage, twin, vendor, PAGES)
        await give_back(twin)

    await asyncio.gather(take_and_shop(stage, giver, taker, vendor, grant), spend())
    await give_back(giver)


async def overspend_a_part(stage: Stage) -> None:
    """Two copies of who was handed a purse spend all of it, and hand it on as well."""
    owner, vendor = stage.luck.choice(stage.honest), stage.luck.choice(stage.world.vendors[1:])
    agent, friend = stage.agent(), stage.agent()
    grant = await hand(stage, owner, agent, vendor, passes_on=True)
    if grant is None:
        return
    stage.lent_micro[owner.name] += grant.amount_micro
    await _open(agent, grant)
    twin = stage.twin_of(agent)
    handed = await hand(stage, twin, friend, vendor)
    await _open(friend, handed)
    await asyncio.gather(*(_shop(stage, one, vendor, PAGES + 1) for one in (agent, twin, friend)))


async def hand(
    stage: Stage,
    giver: PayerParty,
    taker: PayerParty,
    vendor: VendorParty,
    *,
    passes_on: bool = False,
) -> Grant | None:
    """Some pages' worth from one to the other; None where it did not come to that."""
    page = cheapest(vendor)
    amount_micro = PAGES * page.price_micro
    with suppress(Refusal):
        if stage.scheme.purse.parts:
            return await written(giver, stage.scheme.traits.name, amount_micro)
        wanted = Wanted(
            url=f"{vendor.url}{page.path}/0",
            amount_micro=amount_micro,
            to=new_address(taker.file.vault, stage.world.ground.entropy(NONCE_BYTES)),
            lasts_s=LASTS_S,
            passes_on=passes_on,
        )
        return await handed_over(giver, stage.scheme.traits.name, wanted)
    return None


def cheapest(vendor: VendorParty) -> Page:
    """What costs least of all that this vendor sells."""
    return min(vendor.pages, key=lambda page: page.price_micro)


async def _shop(stage: Stage, payer: PayerParty, vendor: VendorParty, count: int) -> None:
    """Have somebody buy of the cheapest, at any moment of clearing."""
    least_micro = cheapest(vendor).price_micro
    pages = [page for page in vendor.pages if page.price_micro == least_micro]
    for _ in range(count):
        await stage.buy(payer, *stage.address(vendor, stage.luck.choice(pages)))


async def take_and_shop(
    stage: Stage, giver: PayerParty, taker: PayerParty, vendor: VendorParty, grant: Grant | None
) -> None:
    """Have somebody honest take what it is handed, and buy more than that is worth."""
    with suppress(Refusal):
        if grant is not None and is_token(grant.token):
            stage.world.came_micro[taker.name] += grant.amount_micro  # or less, if others had it
            await claimed(taker, grant.token)
        elif grant is not None:
            got = await opened(taker, grant.token)
            stage.world.owners[taker.name, got.id] = giver.name
    await _shop(stage, taker, vendor, PAGES + 1)


async def _open(taker: PayerParty, grant: Grant | None) -> None:
    if grant is not None:
        with suppress(Refusal):
            await opened(taker, grant.token)
