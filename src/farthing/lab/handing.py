"""What payers hand to each other: tokens for whoever has them, and purses that are sealed to one.

Payer n hands to payer n + 1, so that everybody knows whom a token is for, whatever has crashed: it
lies in the giver's file, and is shown until its taker has it. Only what an even payer hands over
may be handed on, once more: then who is billed for it is the payer before, and nobody else.
"""

import random
from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING

from farthing.errors import Replayed
from farthing.lab.goods import Page
from farthing.lab.payer import PayerParty
from farthing.lab.recount import done_by
from farthing.schemes import registry
from farthing.schemes.contract import Instrument, Scheme
from farthing.wallet import bearing
from farthing.wallet.address import NONCE_BYTES, new_address
from farthing.wallet.choice import Guide
from farthing.wallet.errand import Flow
from farthing.wallet.grants import Given, Grant, Grants
from farthing.wallet.handing import Wanted, hand_over, receive, withdraw

if TYPE_CHECKING:
    from farthing.lab.world import World

TOKEN_MICRO_MAX = 5_000  # of a token for whoever has it: some pages' worth
PAGES_MAX = 3  # that a purse may pay, or is tried to
PAGES = 50  # addresses of one route: few enough that payers ask for one page twice
LASTS_S = (60, 86_400)  # from a minute to a day, which is as long as purses last


def is_handed_on(scheme: Scheme) -> bool:
    """Whether its instruments can be given to others, or parts of them."""
    return scheme.purse.parts or scheme.purse.shares


def give(world: "World", luck: random.Random) -> None:
    """A payer writes a token, or hands over a purse for one vendor."""
    number = luck.randrange(len(world.payers))
    giver, taker = world.payers[number], _after(world, number)
    handed = luck.choice([scheme for scheme in world.schemes if is_handed_on(scheme)])
    if not giver.is_up:
        return
    if handed.purse.parts:
        amount_micro = luck.randrange(1, TOKEN_MICRO_MAX)
        world.begin(giver, "hand over", written(giver, handed.traits.name, amount_micro))
    elif taker.is_up:
        holds = giver.held()
        lent = [held for held in holds if (giver.name, held.instrument.id) in world.owners]
        page, url = _page(world, luck, handed, {held.site for held in lent or holds})
        wanted = Wanted(
            url=url,
            amount_micro=page.price_micro * (1 if lent else luck.randint(1, PAGES_MAX)),
            to=new_address(taker.file.vault, world.ground.entropy(NONCE_BYTES)),
            lasts_s=luck.randrange(*LASTS_S),
            passes_on=number % 2 == 0,
        )
        world.begin(giver, "hand over", handed_over(giver, handed.traits.name, wanted))


def take(world: "World", luck: random.Random) -> None:
    """A payer takes one of the things that were handed to it, perhaps once more.

    What is for one vendor is spent there, as it is meant to be, or kept to be handed on.
    """
    givers = [
        number
        for number, giver in enumerate(world.payers)
        if giver.is_up and _after(world, number).is_up and given_by(giver)
    ]
    if not givers:
        return
    number = luck.choice(givers)
    one, taker = luck.choice(given_by(world.payers[number])), _after(world, number)
    urls: list[str] = []
    if one.vendor_id:
        handed = registry.by_name(one.scheme)
        for _ in range(luck.choice((0, PAGES_MAX))):
            urls.append(_page(world, luck, handed, {one.site})[1])
    world.payments += len(urls)
    world.begin(taker, "take", _taken_and_spent(world, number, one.id, urls))


def _page(
    world: "World", luck: random.Random, scheme: Scheme, sites: Collection[str]
) -> tuple[Page, str]:
    """A page that this scheme pays, of one of these sites or else of any, and its address."""
    name = scheme.traits.name
    vendors = [one for one in world.vendors if name in one.options]
    vendor = luck.choice([one for one in vendors if one.url in sites] or vendors)
    page = luck.choice([one for one in vendor.pages if one.scheme == name])
    return page, f"{vendor.url}{page.path}/{luck.randrange(PAGES)}"


async def _taken_and_spent(world: "World", number: int, grant_id: str, urls: Sequence[str]) -> str:
    """What came of taking something, and of buying with it; refusals as of either."""
    came = await taken(world, number, grant_id)
    for url in urls:
        await _after(world, number).buy(url)
    return came


async def written(giver: PayerParty, scheme: str, amount_micro: int) -> Grant:
    """A token for whoever has it; refusals as of the mint."""
    file = giver.file

    def flow(guide: Guide) -> Flow[Grant]:
        (broker_id,) = [each.id for each in guide.brokers.values() if each.account and not each.via]
        return bearing.send(guide, file, broker_id, amount_micro, scheme)

    return await giver.do(flow)


async def handed_over(giver: PayerParty, scheme: str, wanted: Wanted) -> Grant:
    """A purse for one other; refusals as of the flow."""
    file = giver.file
    return await giver.do(lambda guide: hand_over(guide, file, wanted), scheme=scheme)


async def taken(world: "World", number: int, grant_id: str) -> str:
    """What payer `number` has handed over is its taker's; refusals as of broker and purse."""
    giver, taker = world.payers[number], _after(world, number)
    found = (Grants(file).find(grant_id) for file in giver.files)
    grant = next((one for one in found if one is not None), None)
    assert grant is not None, "it is listed"
    if not bearing.is_token(grant.token):
        got = await opened(taker, grant.token)
        owner = giver if grant.withdrawal is not None else world.payers[number - 1]
        world.owners[taker.name, got.id] = owner.name
        return got.id
    came_micro = await claimed(taker, grant.token)
    world.taken.add(grant_id)
    return str(came_micro)


def take_away(world: "World", luck: random.Random) -> None:
    """A payer ends a purse that it has handed over, before its time."""
    owner = luck.choice(world.payers)
    given = [one for one in given_by(owner) if one.vendor_id] if owner.is_up else []
    if given:
        world.begin(owner, "withdraw", withdrawn(owner, luck.choice(given).id))


async def withdrawn(owner: PayerParty, grant_id: str) -> Grant:
    """A purse is ended at the broker; refusals as of the flow."""
    file = owner.file
    return await owner.do(lambda guide: withdraw(guide, file, grant_id))


async def opened(taker: PayerParty, token: str) -> Instrument:
    """The purse in a token, in its taker's wallet; refusals as of the flow."""
    file = taker.file
    got = await taker.do(lambda guide: receive(guide, file, token))
    taker.look_again()
    return got.instrument


async def claimed(taker: PayerParty, token: str) -> int:
    """How much of a token for whoever has it came by this; 0 where somebody had it before."""
    file = taker.file
    bearing.admit(file, token)
    taker.look_again()
    try:
        return await taker.do(lambda guide: bearing.claim(guide, file, token))
    except Replayed:
        return 0


async def hand_out(world: "World") -> None:
    """Whatever was written for whoever has it has a taker; what nobody can take is a finding."""
    for number, giver in enumerate(world.payers):
        for one in given_by(giver):
            if not one.vendor_id and one.id not in world.taken:
                world.begin(_after(world, number), "take", taken(world, number, one.id))
    await world.settle()


def given_by(giver: PayerParty) -> tuple[Given, ...]:
    """All that a payer has handed over, as its file has it."""
    return tuple(one for file in giver.files for one in Grants(file).listed())


def count(world: "World") -> None:
    """Write down what came to each payer from others, less what went, by their files alone."""
    world.came_micro.clear()
    for number, giver in enumerate(world.payers):
        taker = _after(world, number)
        for one in given_by(giver):
            if one.vendor_id:
                continue
            if one.id not in world.taken:
                world.ground.checks.find(f"{taker.name} cannot take {one.id} of {giver.name}")
            world.came_micro[giver.name] -= one.amount_micro
            world.came_micro[taker.name] += one.amount_micro
    count_lent(world, world.payers)


def count_lent(world: "World", payers: Iterable[PayerParty]) -> None:
    """Write down what payers bought with the purses of others, who are billed for it."""
    for payer in payers:
        for purchase in done_by(payer):
            owner = world.owners.get((payer.name, purchase.paid.spent.id))
            if owner is not None:
                world.came_micro[payer.name] += purchase.price_micro
                world.came_micro[owner] -= purchase.price_micro


def _after(world: "World", number: int) -> PayerParty:
    return world.payers[(number + 1) % len(world.payers)]
