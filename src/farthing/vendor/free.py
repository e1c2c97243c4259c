"""Free pages for which a payment came: wallets pay at once where pages of a kind have been sold.

The site never sees that payment, and its payer hears that nothing was charged. Source: ours.
"""

import asyncio
from collections.abc import Callable

from farthing.errors import Refusal
from farthing.vendor.asgi import Message, Scope, Send, request_of
from farthing.vendor.commands import Headers, Walk
from farthing.vendor.driver import Exchange
from farthing.vendor.gate import Gate
from farthing.wire import dialects


async def told(gate: Gate, exchange: Callable[[Walk], Exchange], scope: Scope, send: Send) -> Send:
    """`send` for a free page, with what its payer is to hear; `exchange` drives a walk."""
    if dialects.claimed(scope["headers"]) is None:
        return send
    asked = exchange(gate.serve_free(request_of(scope)))
    try:
        said = await asked.start()
    except Refusal:  # of the store: then nothing is known of it, and nothing said
        return send
    if asked.cancelled:
        raise asyncio.CancelledError
    return _saying(said.headers, send) if said is not None and said.headers else send


def _saying(said: Headers, send: Send) -> Send:
    """`send` with these headers in the place of the site's own."""
    names = {name for name, _ in said}

    async def telling(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = message.get("headers", ())
            kept = [pair for pair in headers if bytes(pair[0]).lower() not in names]
            message = {**message, "headers": [*kept, *said]}
        await send(message)

    return telling
