"""A wallet is stolen, and spent until its owner has told; then it is on the operator's lists.

The owner has a new token and a new wallet, gets back what comes back, and buys on. Whoever has the
list by then gives nothing for what is on it: of credit, nothing that was not begun there, and
nothing at all two days later. What the thief had before, the owner bears, and no micro-unit more.
"""

import asyncio
from contextlib import suppress

from farthing.broker.people import TOKEN_BYTES, hash_of, new_token
from farthing.broker.tokens import renew_token
from farthing.errors import Refusal
from farthing.lab.genesis import BROKER
from farthing.lab.losing import regain
from farthing.lab.parties import VendorParty
from farthing.lab.payer import PayerParty
from farthing.lab.recount import comes_back
from farthing.lab.twins.clocks import DAY_S, pass_time
from farthing.lab.twins.payers import give_back
from farthing.lab.twins.stage import Stage
from farthing.wallet.book import Book

LISTED_S = 70.0  # in which every gate fetches its lists
CUT_S = 100.0  # that a vendor may hear nothing of its broker
BILLED_DAYS = 2  # after which nothing of what was listed is sold or billed any more
PAGES = 3
TRIES_MAX = 20  # of getting back what a lost wallet held


async def spend_what_was_stolen(stage: Stage) -> None:
    """Spend a stolen wallet before its owner has told, on the way, and once it is listed."""
    luck, owner = stage.luck, stage.luck.choice(stage.honest)
    known, cut, other = luck.sample(stage.world.vendors, 3)
    await _be_still(stage, owner)
    await stage.shop(owner, known, 2)
    await stage.fetch_missing()
    thief = stage.thief_of(owner)
    opened = {known.name, *stage.days.vendors_of(owner.name)}  # it may have bought before
    for vendor in luck.sample([known, cut, other], luck.randint(0, 2)):
        opened.add(vendor.name)
        await _spend(stage, thief, vendor)
    if luck.random() < 0.5:
        ground = stage.world.ground
        ground.faults.part(cut.name, BROKER, ground.loop.time() + CUT_S)
        opened.add(cut.name)
    await tell(stage, owner)
    await asyncio.gather(*(_spend(stage, thief, vendor) for vendor in (known, cut)))
    opened |= {known.name, cut.name}
    await _get_back(stage, owner)
    await _mirror(stage)
    await _require_refused(stage, thief, opened)
    await _require_good(stage, owner, other)


async def tell(stage: Stage, owner: PayerParty) -> None:
    """The operator lists all that was stolen, and a new token takes the place of the old one.

    Its broker may be started anew right after that: what is listed stays so.
    """
    await _be_still(stage, owner)
    world, names = stage.world, names_of(owner)
    token = new_token(world.ground.entropy(TOKEN_BYTES))
    owner.lose()
    await world.obeyed(f"/accounts/{owner.name}/revoke", {})
    for name in names:
        await world.obeyed(f"/revoke/{stage.scheme.traits.name}", {"name": name})
    while (broker := world.broker.broker) is None:
        await asyncio.sleep(1.0)
    broker.engine.books.committer.do_now(
        lambda db: renew_token(db, owner.name, "pay", hash_of(token), only=True), atomic=True
    )
    world.broker.tokens[owner.name]["pay"] = token
    owner.give_token(token)
    if stage.luck.random() < 0.5:
        world.broker.kill("to be started anew")


async def _be_still(stage: Stage, owner: PayerParty) -> None:
    """Wait until what it buys beside the trick is bought: a wallet that is gone ends nothing."""
    while stage.buying[owner.name]:
        await asyncio.sleep(1.0)


def names_of(owner: PayerParty) -> list[str]:
    """By which the operator blocks what is in a wallet, part by part: of coins only."""
    driver, found = owner.driver_for(""), []
    for held in Book(owner.file).held():
        purse = driver.guide.purse(held.instrument.scheme, held.broker_id)
        found += [name for name, _ in purse.names(held.instrument)]
    return found


async def _spend(stage: Stage, thief: PayerParty, vendor: VendorParty) -> None:
    """Buy what comes; whatever it pays is the owner's."""
    for _ in range(PAGES):
        url, price_micro = stage.address(vendor)
        stage.stolen_micro[thief.name] += price_micro
        await stage.buy(thief, url, price_micro, tries=1)


async def _get_back(stage: Stage, owner: PayerParty) -> None:
    """What follows from the seed, and what is reissued; both out of the thief's reach."""
    for _ in range(TRIES_MAX):
        with suppress(Refusal):
            await regain(owner)
            if comes_back(stage.scheme):
                await give_back(owner)
            return
        await asyncio.sleep(stage.luck.random() * 5)
    stage.world.ground.checks.find(f"{owner.name} does not get back what was stolen")


async def _mirror(stage: Stage) -> None:
    """Fair weather, and every gate that hears of its broker has its list."""
    stage.world.ground.faults.calm()
    await asyncio.sleep(LISTED_S)


async def _require_refused(stage: Stage, thief: PayerParty, opened: set[str]) -> None:
    """Note what vendors give for what was listed."""
    scheme, vendors = stage.scheme, stage.world.vendors
    if not scheme.mint.published:
        for vendor in vendors:  # nobody keeps a thief from what it holds
            await _spend(stage, thief, vendor)
        return
    goes_on = opened if scheme.traits.credit else set()
    await _require_nothing(stage, thief, [one for one in vendors if one.name not in goes_on])
    if await pass_time(stage, BILLED_DAYS * DAY_S):
        await _mirror(stage)
        await _require_nothing(stage, thief, vendors)


async def _require_nothing(stage: Stage, thief: PayerParty, vendors: list[VendorParty]) -> None:
    had_micro = stage.gone[thief.name]
    for vendor in vendors:
        for _ in range(PAGES):
            await stage.buy(thief, *stage.address(vendor), tries=1)
    if came_micro := stage.gone[thief.name] - had_micro:
        find = stage.world.ground.checks.find
        find(f"vendors have sold {came_micro} for what was stolen and listed")


async def _require_good(stage: Stage, owner: PayerParty, vendor: VendorParty) -> None:
    """Note where an owner with a new wallet cannot buy."""
    if not await stage.buy(owner, *stage.address(vendor)):
        stage.world.ground.checks.find(f"{owner.name} cannot buy with its new wallet")
