"""What dishonest vendors do: claim too much, twice, late, for others; give nothing for money."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from farthing.lab.genesis import BROKER
from farthing.lab.network import App, Message, Reply
from farthing.lab.parties import VendorParty
from farthing.lab.twins.forging import elsewhere, inflated, under
from farthing.lab.twins.seen import Seen
from farthing.lab.twins.stage import DAY_S, Stage

PAGES = 4  # sold before the vendor cheats
INFLATED = 12  # claims made up from true ones
LATE_S = 40 * DAY_S  # later than every scheme takes a claim
NOT_YOURS = frozenset({"Forged", "Unknown", "WrongVendor"})
"""What the broker says to who asks for another vendor's money."""
UNTIMELY = frozenset({"Expired", "Late", "NotYetValid"})
"""The same where time has passed in between, or a clock is wrong."""
PAYS = frozenset({b"authorization", b"payment-authorization", b"payment-signature"})


async def sell(stage: Stage, vendor: VendorParty, *, cut_s: int = 0) -> list[Seen]:
    """Have honest payers buy of a vendor, and its claims cleared; what it has claimed.

    With `cut_s` it cannot reach the broker for so long once it has sold.
    """
    stage.crooks.add(stage.world.vendors[0].name)
    for _ in range(PAGES // 2):  # two to a payer: the first of some instruments leaves no claim
        await stage.shop(stage.luck.choice(stage.honest), vendor, 2)
    if cut_s:
        _cut(stage, vendor, cut_s)
    await asyncio.sleep(70)  # a gate sweeps each minute
    return [seen for seen in stage.seen if seen.source == vendor.name and seen.is_claim]


def _cut(stage: Stage, vendor: VendorParty, cut_s: int) -> None:
    ground = stage.world.ground
    ground.faults.part(vendor.name, BROKER, ground.loop.time() + cut_s)


async def claim_twice(stage: Stage) -> None:
    """Show every claim again under another key: the same one, and the batch in another order."""
    vendor = stage.world.vendors[0]
    for number, seen in enumerate(await sell(stage, vendor)):
        await stage.send(vendor.name, under(seen.message, idempotency_key=f"again-{number}"))
        value = msgspec.json.decode(seen.message.body)
        value["claims"] = [*reversed(value["claims"]), *value["claims"]]
        more = msgspec.structs.replace(seen.message, body=msgspec.json.encode(value))
        await stage.send(vendor.name, under(more, idempotency_key=f"twice-{number}"))


async def claim_too_much(stage: Stage) -> None:
    """Show claims with larger numbers, and with words of other claims."""
    vendor = stage.world.vendors[0]
    claims = await sell(stage, vendor)
    for number in range(INFLATED if claims else 0):
        message = stage.luck.choice(claims).message
        message = msgspec.structs.replace(message, body=inflated(message.body, stage.luck))
        await stage.send(vendor.name, under(message, idempotency_key=f"more-{number}"))


async def claim_what_others_earned(stage: Stage) -> None:
    """Show the claims of another vendor as one's own, before it has claimed them, and after."""
    vendor, other = stage.world.vendors[:2]
    token = stage.world.broker.tokens[vendor.name]["redeem"]
    for number, seen in enumerate(await sell(stage, other, cut_s=90)):
        stolen = under(
            seen.message, authorization=f"Bearer {token}", idempotency_key=f"stolen-{number}"
        )
        await stage.send(vendor.name, stolen)
    await asyncio.sleep(120)
    for number, seen in enumerate([seen for seen in stage.seen if seen.is_claim]):
        late = under(
            seen.message, authorization=f"Bearer {token}", idempotency_key=f"late-{number}"
        )
        await stage.send(vendor.name, late)


async def claim_late(stage: Stage) -> None:
    """Sell now, and claim when everything that was sold for has expired.

    Who waits for a page of it by then may be told later that nothing was paid, and pay anew.
    """
    vendor, ground = stage.world.vendors[0], stage.world.ground
    await sell(stage, vendor, cut_s=150)
    ground.faults.calm()  # whoever else has something open ends it before the nights pass
    _cut(stage, vendor, 250)
    await asyncio.sleep(70)
    await stage.fetch_missing()  # gates repeat a page for an hour, and not after the nights
    await stage.give_back()
    await asyncio.sleep(70)  # what was fetched just now, others claim in time
    for payer, url, price_micro in stage.missing:
        if url.startswith(vendor.url):
            stage.stakes[payer.name].price_micro += price_micro
    ground.leap_s += LATE_S
    await asyncio.sleep(200)


class _Meddler:
    """Hears what the broker tells a vendor, and asks for the same in another one's name."""

    def __init__(self, stage: Stage, vendor: VendorParty, victim: VendorParty) -> None:
        self._stage, self._name, self._victim = stage, vendor.name, victim.name
        self._token = stage.world.broker.tokens[vendor.name]["redeem"]
        self.running: list[asyncio.Task[None]] = []

    def sent(self, source: str, target: str, message: Message) -> None:
        """As `network.Tap`."""

    def answered(self, source: str, target: str, message: Message, reply: Reply) -> None:
        """As `network.Tap`: what was reserved is captured and voided before its vendor does it."""
        if (source, target) != (self._victim, BROKER) or not message.url.endswith("/settle"):
            return
        said = msgspec.json.decode(reply.body)
        if "reservation" not in said.get("extra", {}):
            return
        step = {"reservation": said["extra"]["reservation"], "transaction": said["transaction"]}
        for path in self._stage.luck.sample(["/capture", "/void"], 2):
            asked = msgspec.structs.replace(message, body=msgspec.json.encode(step))
            asked = elsewhere(asked, f"{BROKER}.example", path)
            self.running.append(self._stage.beside(self.claim(asked)))

    async def claim(self, message: Message) -> None:
        """Send what another vendor asks of the broker as one's own: as it is, and for oneself."""
        token = f"Bearer {self._token}"
        name, own = f'"{self._victim}"'.encode(), f'"{self._name}"'.encode()
        for body in dict.fromkeys((message.body, message.body.replace(name, own))):
            stolen = msgspec.structs.replace(message, body=body)
            reply = await self._stage.send(self._name, under(stolen, authorization=token))
            if reply is not None:
                self._require_refused(message.url, msgspec.json.decode(reply.body))

    def _require_refused(self, url: str, said: dict[str, Any]) -> None:
        refusal = said.get("extra", {}).get("refusal", said.get("errorReason"))
        if said.get("success") or refusal not in NOT_YOURS | UNTIMELY:
            find = self._stage.world.ground.checks.find
            find(f"{url} of another vendor: {'granted' if said.get('success') else refusal}")


async def meddle(stage: Stage) -> None:
    """Settle, capture and void what another vendor is paid; settle one's own payments again."""
    vendor, victim = stage.world.vendors[:2]
    stage.crooks.add(vendor.name)
    meddler = _Meddler(stage, vendor, victim)
    taps: list[Any] = stage.world.ground.network.taps
    taps.append(meddler)
    for seller in (victim, vendor):
        settled = [page for page in seller.pages if page.moment != "batch"] or seller.pages
        for payer in stage.honest[:2]:
            await stage.buy(payer, *stage.address(seller, stage.luck.choice(settled)))
    taps.remove(meddler)
    await asyncio.gather(*meddler.running)
    for seen in [seen for seen in stage.seen if seen.is_settling]:
        if seen.source == victim.name:
            await meddler.claim(seen.message)
        elif seen.source == vendor.name:
            await stage.send(vendor.name, seen.message)


Lie = Callable[[App, Any, Any, Any], Awaitable[None]]


async def _fail(honest: App, scope: Any, receive: Any, send: Any) -> None:
    await _answer(send, 500, b"")


async def _ask_again(honest: App, scope: Any, receive: Any, send: Any) -> None:
    """The challenge that whoever has not paid gets."""
    unpaid = [pair for pair in scope["headers"] if pair[0] not in PAYS]
    await honest(scope | {"headers": unpaid}, receive, send)


async def _nothing(honest: App, scope: Any, receive: Any, send: Any) -> None:
    await _answer(send, 200, b"")


async def _answer(send: Any, status: int, body: bytes) -> None:
    headers = [(b"content-type", b"text/plain"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def withhold(stage: Stage) -> None:
    """Take the payment, and answer as if there had been none; know of no outcome either."""
    vendor = stage.world.vendors[0]
    stage.crooks.add(vendor.name)
    lie = stage.luck.choice([_fail, _ask_again, _nothing])
    honest = vendor.site.app
    assert honest is not None, "it is up"
    vendor.serve(_lying(stage, vendor, honest, lie))
    for _ in range(PAGES):
        await stage.buy(stage.luck.choice(stage.honest), *stage.address(vendor), tries=1)
    vendor.serve(honest)


def _lying(stage: Stage, vendor: VendorParty, honest: App, lie: Lie) -> App:
    async def serve(scope: Any, receive: Any, send: Any) -> None:
        async def swallow(event: Any) -> None:
            """The true answer goes nowhere."""

        path: str = scope["path"]
        if path.startswith("/.well-known/") and "outcome" in path:
            await _answer(send, 404, b"")
        elif paid := frozenset(value for name, value in scope["headers"] if name in PAYS):
            stage.withheld[vendor.url + path].update(paid)
            await honest(scope, receive, swallow)
            await lie(honest, scope, receive, send)
        else:
            await honest(scope, receive, send)

    return serve
