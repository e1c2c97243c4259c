"""What others do who read along, and what payers and vendors do together.

A tapper reads requests whole, as if there were no TLS. Nobody may lose anything by that but time:
a copy of a payment is that payment, and a copy of a claim is that claim. What came to nothing may
be sent again for some minutes, by its payer or by who has a copy: so what is repeated comes later.
"""

import asyncio
import shutil
from typing import Any

import msgspec

from farthing.holding import AGAIN_S
from farthing.lab.network import Message, Reply
from farthing.lab.twins.forging import elsewhere, inflated, under
from farthing.lab.twins.payers import give_back
from farthing.lab.twins.stage import Stage
from farthing.vendor.booking import LEASE_GRACE_S
from farthing.vendor.prices import ORIGIN_TIMEOUT_S

PAGES = 4
TAPPER = "tapper"
LATER_S = ORIGIN_TIMEOUT_S + LEASE_GRACE_S + AGAIN_S


class _Racer:
    """Sends a copy of every request to a vendor at once, in the tapper's name."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self.running: list[asyncio.Task[Reply | None]] = []

    def sent(self, source: str, target: str, message: Message) -> None:
        """As `network.Tap`."""
        if source != TAPPER:
            if self._stage.luck.random() < 0.5:
                path = self._stage.address(self._stage.world.vendors[1])[0]
                message = elsewhere(message, f"{target}.example", path.partition(".example")[2])
            self.running.append(self._stage.beside(self._stage.send(TAPPER, message)))

    def answered(self, source: str, target: str, message: Message, reply: Reply) -> None:
        """As `network.Tap`."""


async def copy_and_race(stage: Stage) -> None:
    """Have a copy of each payment arrive with it, perhaps before it, perhaps for another page."""
    vendor = stage.world.vendors[1]
    racer = _Racer(stage)
    taps: list[Any] = stage.world.ground.network.taps
    taps.append(racer)
    for _ in range(PAGES):
        await stage.shop(stage.luck.choice(stage.honest), vendor, 1)
    taps.remove(racer)
    await asyncio.gather(*racer.running)


async def copy_and_repeat(stage: Stage) -> None:
    """Send everything that anybody has sent once more, in an order of the tapper's own."""
    for payer in stage.honest[:2]:
        await stage.shop(payer, stage.luck.choice(stage.world.vendors), 2)
    await asyncio.sleep(LATER_S)
    own = [seen.message for seen in stage.seen if seen.message.body or seen.is_payment]
    for message in stage.luck.sample(own, len(own)):
        await stage.send(TAPPER, message)


async def forget_together(stage: Stage) -> None:
    """A vendor takes the same money twice: it puts back its store of before, its payer the wallet.

    Then both claims are shown, and the payer gives back what it never spent.
    """
    payer, vendor = stage.world.payers[0], stage.world.vendors[0]
    stage.crooks |= {payer.name, vendor.name}
    await stage.shop(payer, vendor, 1)
    twin = stage.twin_of(payer)
    old = vendor.folder.with_name("vendor-old")
    vendor.kill("to restore an old store")
    shutil.copytree(vendor.folder, old)
    vendor.start()
    await stage.shop(payer, vendor, PAGES)
    await asyncio.sleep(70)
    vendor.kill("to restore an old store")
    shutil.rmtree(vendor.folder)
    old.rename(vendor.folder)
    vendor.start()
    await stage.shop(twin, vendor, PAGES)
    await asyncio.sleep(70)
    await give_back(twin)
    await give_back(payer)


async def claim_together(stage: Stage) -> None:
    """A vendor claims more than its payer paid, while the payer gives back what it has left."""
    payer, vendor = stage.world.payers[0], stage.world.vendors[0]
    stage.crooks |= {payer.name, vendor.name}
    await stage.shop(payer, vendor, PAGES)
    twin = stage.twin_of(payer)
    await asyncio.gather(stage.shop(payer, vendor, PAGES), give_back(twin))
    await asyncio.sleep(70)
    claims = [seen for seen in stage.seen if seen.source == vendor.name and seen.is_claim]
    for number, seen in enumerate(claims * 3):
        message = msgspec.structs.replace(
            seen.message, body=inflated(seen.message.body, stage.luck)
        )
        await stage.send(vendor.name, under(message, idempotency_key=f"together-{number}"))
    await give_back(payer)
