"""What the dishonest do with streams: listen unpaid, pay with the same again, take and be silent.

Whatever they do, of each stream a vendor loses its grace at most, and an honest payer likewise.
"""

import asyncio
from collections.abc import MutableMapping
from contextlib import suppress
from typing import Any

from farthing.errors import Refusal
from farthing.lab.connections import Connection
from farthing.lab.listening import SILENCE_S, Listener, Opening, Wanted
from farthing.lab.network import App, Message, NoAnswer
from farthing.lab.parties import VendorParty
from farthing.lab.payer import PayerParty
from farthing.lab.shows import Show
from farthing.lab.twins.forging import elsewhere, repaid
from farthing.lab.twins.payers import payments_of
from farthing.lab.twins.stage import Stage
from farthing.wallet.commands import Request
from farthing.wallet.streams import open_stream

AGAIN = 3  # streams that are opened and not paid for, one after the other
HEARD_S = 1.0  # of a stream, before its payments are tried elsewhere
PARTS_MAX = 20  # that a vendor sends before it falls silent
NEED = b"event: payment-need-voucher\ndata: {}\n\n"


async def take_the_grace(stage: Stage) -> None:
    """Open streams, pay nothing more, and listen until nothing comes."""
    payer, vendor = _crook(stage), stage.luck.choice(stage.world.vendors[1:])
    for _ in range(AGAIN):
        line, _ = await _open(payer, _drawn(stage, vendor))
        await asyncio.gather(
            line.drain(), listen(stage, stage.luck.choice(stage.honest), _drawn(stage, vendor))
        )


async def open_twice(stage: Stage) -> None:
    """Have what opens a stream arrive once more while it runs, and once it is over."""
    payer, vendor = _crook(stage), stage.luck.choice(stage.world.vendors[1:])
    line, _ = await _open(payer, _drawn(stage, vendor))
    own = [seen.message for seen in payments_of(stage, payer)]
    await asyncio.gather(line.drain(), *(_read(payer, message) for message in own))
    await asyncio.gather(*(_read(payer, message) for message in own))


async def replay_vouchers(stage: Stage) -> None:
    """Pay one stream, and send the same again: for it, for another one, to other vendors."""
    payer, vendor = _crook(stage), stage.luck.choice(stage.world.vendors[1:])
    wanted = _drawn(stage, vendor, stops_s=HEARD_S)
    await listen(stage, payer, wanted)
    paid = [seen.message for seen in payments_of(stage, payer)]
    streams = stage.world.ground.checks.streams.by_name
    names = [name for name, stream in streams.items() if stream.payer == payer.name]
    wanted = _drawn(stage, vendor, show=wanted.show)
    line, other = await _open(payer, wanted)
    path = wanted.url.partition(".example")[2]

    async def replay() -> None:
        for message in paid:
            await stage.send(payer.name, message)
            there = elsewhere(message, f"{vendor.name}.example", path)
            for name in names:
                await stage.send(payer.name, repaid(there, name, other))
            for one in stage.world.vendors:
                await stage.send(payer.name, elsewhere(there, f"{one.name}.example"))

    await asyncio.gather(line.drain(), replay())


async def fall_silent(stage: Stage) -> None:
    """Send a little of each stream, and then only that more is to be paid."""
    vendor = stage.world.vendors[0]
    stage.crooks.add(vendor.name)
    honest = vendor.site.app
    assert honest is not None, "it is up"
    vendor.serve(_silent(stage, vendor, honest))
    for show in vendor.shows:
        wanted = _drawn(stage, vendor, show=show)
        await listen(stage, stage.luck.choice(stage.honest), wanted)
    vendor.serve(honest)


def _silent(stage: Stage, vendor: VendorParty, honest: App) -> App:
    async def serve(scope: Any, receive: Any, send: Any) -> None:
        left = stage.luck.randrange(PARTS_MAX)
        path = scope["path"].rpartition("/")[0]
        units = [show.meter.unit for show in vendor.shows if show.path == path]

        async def few(event: MutableMapping[str, Any]) -> None:
            nonlocal left
            if units and event["type"] == "http.response.body" and event.get("more_body"):
                left -= 1
                if left < 0:
                    event = {**event, "body": NEED if units == ["messages"] else b""}
            await send(event)

        await honest(scope, receive, few)

    return serve


def _crook(stage: Stage) -> PayerParty:
    payer = stage.world.payers[0]
    stage.crooks.add(payer.name)
    return payer


def _drawn(
    stage: Stage, vendor: VendorParty, show: Show | None = None, stops_s: float | None = None
) -> Wanted:
    """A stream of this vendor to which nobody has listened."""
    show = show or stage.luck.choice(vendor.shows)
    return Wanted(url=stage.fresh(f"{vendor.url}{show.path}"), show=show, stops_s=stops_s)


async def listen(stage: Stage, payer: PayerParty, wanted: Wanted) -> None:
    """Have somebody listen as wallets do, to the end."""
    with suppress(Refusal):
        heard = await Listener(payer, wanted).run()
        stage.payments += heard.openings + heard.vouchers


async def _open(payer: PayerParty, wanted: Wanted) -> tuple[Opening, str]:
    """Pay the first tick of a stream; the line to it, and its name, empty without any."""
    line, driver = Opening(payer), payer.driver_for("")
    request = Request(method="GET", url=wanted.url)
    with suppress(Refusal), driver.session() as session:
        opened = await line.carry(open_stream(driver.guide, request), session)
        if opened.purchase is not None:
            session.deliver(opened.purchase)
            return line, opened.name
    return line, ""


async def _read(payer: PayerParty, message: Message) -> None:
    """Send a message, and read all that is answered."""
    ground = payer.ground
    connection = Connection(ground.loop)
    ground.network.connect(payer.site, message, connection)
    with suppress(NoAnswer):
        while await connection.next_part(SILENCE_S) is not None:
            pass
