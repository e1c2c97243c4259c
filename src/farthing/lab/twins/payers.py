"""What dishonest payers do: the same money twice, old files, other people's and forged payments."""

import asyncio
import shutil
from contextlib import suppress

from farthing.errors import Refusal
from farthing.lab.genesis import BROKER
from farthing.lab.losing import regain
from farthing.lab.network import Message
from farthing.lab.payer import PayerParty
from farthing.lab.twins.costs import certified_micro
from farthing.lab.twins.forging import elsewhere, flipped, under
from farthing.lab.twins.seen import Seen
from farthing.lab.twins.stage import Stage
from farthing.ledger import accounts

FORGERIES = 12  # of the messages of one payer, in one trick
CREDIT_PAGES = 16  # that a credit is worth: two certificates of eight, the least of a wallet's
TRIED_PAGES = 5 * CREDIT_PAGES // 2  # more than what is certified, for two days
REFUSED_MAX = 3  # one after the other: then nothing comes any more, whatever the weather
CUT_S = 60  # more than what is bought meanwhile takes
PAGES = 3  # bought with each copy of a wallet


async def spend_twice_at_once(stage: Stage) -> None:
    """Two copies of one wallet pay one vendor at the same time."""
    payer, vendor = stage.world.payers[0], stage.luck.choice(stage.world.vendors[1:])
    await stage.shop(payer, vendor, 1)
    twin = stage.twin_of(payer)
    await asyncio.gather(stage.shop(payer, vendor, PAGES), stage.shop(twin, vendor, PAGES))


async def spend_twice_across(stage: Stage) -> None:
    """Copies of one wallet pay different vendors, and the first one pays both."""
    payer, (one, other) = stage.world.payers[0], stage.world.vendors[1:3]
    await stage.shop(payer, one, 1)
    twin = stage.twin_of(payer)
    await asyncio.gather(stage.shop(payer, one, PAGES), stage.shop(twin, other, PAGES))
    await asyncio.gather(stage.shop(payer, other, PAGES), stage.shop(twin, one, PAGES))


async def restore_an_old_file(stage: Stage) -> None:
    """Spend, put back the wallet file of before, spend again, and give back what is left."""
    payer, vendor = stage.world.payers[0], stage.luck.choice(stage.world.vendors[1:])
    stage.crooks.add(payer.name)
    await stage.shop(payer, vendor, 1)
    payer.kill("to restore an old file")
    old = payer.folder.with_name(f"{payer.name}-old")
    shutil.copytree(payer.folder, old)
    payer.start()
    await stage.shop(payer, vendor, PAGES)
    payer.kill("to restore an old file")
    shutil.rmtree(payer.folder)
    old.rename(payer.folder)
    payer.start()
    await stage.shop(payer, vendor, PAGES)
    await give_back(payer)


async def lose_and_spend(stage: Stage) -> None:
    """Say that a wallet is lost, get back what it held, and spend it all the same; then once more.

    Vendors that cannot reach the broker meanwhile have no new list.
    """
    payer, (vendor, cut) = stage.world.payers[0], stage.world.vendors[1:3]
    ground = stage.world.ground
    await asyncio.gather(stage.shop(payer, vendor, 1), stage.shop(payer, cut, 1))
    old, older = stage.twin_of(payer), stage.twin_of(payer)
    ground.faults.part(cut.name, BROKER, ground.loop.time() + CUT_S)
    payer.lose()
    with suppress(Refusal):
        await regain(payer)
    await asyncio.gather(stage.shop(old, cut, PAGES), stage.shop(old, vendor, PAGES))
    for again in (older, payer):
        with suppress(Refusal):
            await regain(again)
    await asyncio.gather(stage.shop(older, vendor, PAGES), give_back(old))
    await give_back(payer)


async def spend_and_give_back(stage: Stage) -> None:
    """One copy of a wallet spends while another gives everything back."""
    payer, vendor = stage.world.payers[0], stage.luck.choice(stage.world.vendors[1:])
    await stage.shop(payer, vendor, 1)
    twin = stage.twin_of(payer)
    await asyncio.gather(stage.shop(payer, vendor, PAGES), give_back(twin))
    await give_back(payer)


async def give_back(payer: PayerParty) -> None:
    """All that a wallet holds."""
    for held in payer.held():
        with suppress(Refusal):
            await payer.give_back(held)


async def leave_a_debt(stage: Stage) -> None:
    """Buy, and give all one's money to a friend before any vendor has claimed its own."""
    payer, ground = stage.world.payers[0], stage.world.ground
    stage.crooks.add(payer.name)
    for vendor in stage.world.vendors[1:]:
        ground.faults.part(vendor.name, BROKER, ground.loop.time() + 30)
        await stage.shop(payer, vendor, PAGES)
    await give_back(payer)
    await _give_away(stage, payer)
    await asyncio.sleep(90)


async def owe_more_than_one_may(stage: Stage) -> None:
    """Without money and with little credit, buy of one vendor until nothing comes any more."""
    payer, vendor = stage.world.payers[0], stage.luck.choice(stage.world.vendors[1:])
    stage.crooks.add(payer.name)
    page = min(vendor.pages, key=lambda page: page.price_micro)
    limit_micro = CREDIT_PAGES * page.price_micro
    limited = {"creditLimitMicro": limit_micro, "id": payer.name}
    await stage.world.order(f"/accounts/{payer.name}", limited)
    stage.limits_micro[payer.name] = certified_micro(stage, payer.name) + limit_micro
    await _give_away(stage, payer)
    refused = 0
    for _ in range(TRIED_PAGES):
        came = await stage.buy(payer, *stage.address(vendor, page), tries=1)
        refused = 0 if came else refused + 1
        if refused == REFUSED_MAX:
            return


async def _give_away(stage: Stage, payer: PayerParty) -> None:
    """All that is on an account, to a friend's."""
    friend, ground = stage.world.payers[1], stage.world.ground
    stage.crooks.add(friend.name)
    moved = {
        "amountMicro": -ground.checks.books[BROKER][accounts.payer(payer.name)],
        "id": ground.entropy(16).hex(),
        "to": f"payer/{friend.name}",
    }
    await stage.world.order("/transfer", moved, payer.name, "pay")


async def replay(stage: Stage) -> None:
    """Send what has paid once again: to the same vendor, for other pages, to other vendors."""
    payer, vendor = stage.world.payers[1], stage.luck.choice(stage.world.vendors[1:])
    stage.crooks.add(payer.name)
    await stage.shop(payer, vendor, PAGES)
    for seen in payments_of(stage, payer):
        await stage.send(payer.name, seen.message)
        path = stage.address(vendor)[0].partition(".example")[2]
        await stage.send(payer.name, elsewhere(seen.message, f"{vendor.name}.example", path))
        for other in stage.world.vendors:
            await stage.send(payer.name, elsewhere(seen.message, f"{other.name}.example"))
            page = stage.address(other)[0].partition(".example")[2]
            await stage.send(payer.name, elsewhere(seen.message, f"{other.name}.example", page))


async def forge(stage: Stage) -> None:
    """Change a bit of every kind of message that a wallet sends, and send it under a new key."""
    payer, vendor = stage.world.payers[1], stage.luck.choice(stage.world.vendors[1:])
    stage.crooks.add(payer.name)
    await stage.shop(payer, vendor, PAGES)
    own = [s.message for s in stage.seen if s.source == payer.name and _can_change(s)]
    for number in range(FORGERIES if own else 0):
        message: Message = flipped(stage.luck.choice(own), stage.luck)
        await stage.send(payer.name, under(message, idempotency_key=f"forged-{number}"))


def _can_change(seen: Seen) -> bool:
    return bool(seen.message.body) or seen.is_payment


def payments_of(stage: Stage, payer: PayerParty) -> list[Seen]:
    """What a payer has paid with until now."""
    return [seen for seen in stage.seen if seen.source == payer.name and seen.is_payment]
