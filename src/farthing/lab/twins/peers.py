"""What a dishonest broker does to another that buys of it: deny, sell again, keep, charge twice.

It runs the program of production behind a lie, and knows no scheme. The other broker loses at most
its deposit there. Its payers lose nothing, but by what they hold of who cheats: nobody else can
tell whether that is genuine.
"""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import msgspec

from farthing.lab.genesis import order
from farthing.lab.network import App
from farthing.lab.twins.stage import Stage

PAGES = 3  # bought by each payer
ACCOMPLICE = "accomplice"  # an account at who cheats
SOLD, RETURNED = "/issue/", "/take-back/"
REFUSAL = msgspec.json.encode({"refusal": "Unfit", "code": "order_refused", "detail": "no"})

Events = list[MutableMapping[str, Any]]
Lie = Callable[[App, Any, Any], Awaitable[Events]]


async def deny_what_was_bought(stage: Stage) -> None:
    """Sell, book it, and say that the order was refused."""

    async def deny(honest: App, scope: Any, body: bytes) -> Events:
        await _heard(honest, scope, body)
        return _said(400, REFUSAL)

    await _buy_of(stage, SOLD, deny)


async def sell_the_same_again(stage: Stage) -> None:
    """Answer every order with what was sold for the first one."""
    first: Events = []

    async def again(honest: App, scope: Any, body: bytes) -> Events:
        if not first:
            heard = await _heard(honest, scope, body)
            if heard[0]["status"] >= 300:
                return heard
            first.extend(heard)
        return first

    stage.peer_sells_void = True
    await _buy_of(stage, SOLD, again)


async def keep_what_came_back(stage: Stage) -> None:
    """Say that it is credited, and credit somebody else."""
    cheat = stage.world.brokers[1]
    opened = await order(cheat, "/accounts", {"id": ACCOMPLICE}, f"open-{ACCOMPLICE}")
    token = f"Bearer {opened['tokens']['pay']}".encode()

    async def keep(honest: App, scope: Any, body: bytes) -> Events:
        return await _heard(honest, _under(scope, b"authorization", token), body)

    await _buy_of(stage, RETURNED, keep)


async def charge_twice(stage: Stage) -> None:
    """Sell, and book the same order once more under a key of one's own."""

    async def twice(honest: App, scope: Any, body: bytes) -> Events:
        heard = await _heard(honest, scope, body)
        key = dict(scope["headers"]).get(b"idempotency-key", b"") + b"-again"
        await _heard(honest, _under(scope, b"idempotency-key", key), body)
        return heard

    await _buy_of(stage, SOLD, twice)


async def _buy_of(stage: Stage, path: str, lie: Lie) -> None:
    """Have honest people buy of a vendor of who lies, and give back what they hold of it.

    It lies to the end: what must wait for a window is given back then.
    """
    cheat, vendor = stage.world.brokers[1], stage.world.vendors[-1]
    stage.crooks.add(cheat.name)
    cheat.is_spared = True
    honest = cheat.site.app
    assert honest is not None, "it is up"
    cheat.serve(_lying(path, honest, lie))
    for payer in stage.honest[:2]:
        for _ in range(PAGES):
            await stage.buy(payer, *stage.address(vendor), tries=1)
    await stage.give_back()


def _lying(path: str, honest: App, lie: Lie) -> App:
    async def serve(scope: Any, receive: Any, send: Any) -> None:
        if not scope["path"].startswith(path):
            await honest(scope, receive, send)
            return
        for event in await lie(honest, scope, (await receive())["body"]):
            await send(event)

    return serve


async def _heard(honest: App, scope: Any, body: bytes) -> Events:
    """What is answered truly."""
    heard: Events = []

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(event: MutableMapping[str, Any]) -> None:
        heard.append(event)

    await honest(scope, receive, send)
    return heard


def _under(scope: Any, name: bytes, value: bytes) -> Any:
    """The request with another header of this name."""
    kept = [pair for pair in scope["headers"] if pair[0] != name]
    return scope | {"headers": [*kept, (name, value)]}


def _said(status: int, body: bytes) -> Events:
    headers = [
        (b"content-type", b"application/problem+json"),
        (b"content-length", b"%d" % len(body)),
    ]
    return [
        {"type": "http.response.start", "status": status, "headers": headers},
        {"type": "http.response.body", "body": body},
    ]
