"""Request bodies, as far as the gate reads them: at its own doors, and where a route binds them.

A body that is bound is read whole before anything is offered or taken, and handed on to the site
unchanged. Everywhere else the gate does not touch it.
"""

import asyncio
import hashlib

from farthing.errors import BadRequest, OriginFailed, TooLarge
from farthing.vendor.asgi import Message, Receive, Scope, Send
from farthing.vendor.heads import LENGTH_DIGITS_MAX
from farthing.vendor.payments import BODILESS

BOUND_BYTES_MAX = 1024 * 1024  # of a body that a payment is bound to: it is kept until answered
SEND_TIMEOUT_S = 60  # for one part of a free answer: 64 kB even over the slowest of lines
READ_TIMEOUT_S = 30  # a payer that sends slower keeps memory and a connection for nothing


async def read(scope: Scope, receive: Receive, bytes_max: int) -> bytes:
    """The request's body.

    `TooLarge` past `bytes_max`, before any of it is read where the length is said; `BadRequest`
    for one that is cut short or comes too slowly.
    """
    said = next((value for name, value in scope["headers"] if name == b"content-length"), b"")
    if said.isdigit() and (len(said) > LENGTH_DIGITS_MAX or int(said) > bytes_max):
        raise _too_large(bytes_max)
    try:
        async with asyncio.timeout(READ_TIMEOUT_S):
            return await _collect(receive, bytes_max)
    except TimeoutError:
        reason = f"the body did not come within {READ_TIMEOUT_S} seconds"
        raise BadRequest("request_too_slow", reason) from None


async def _collect(receive: Receive, bytes_max: int) -> bytes:
    parts: list[bytes] = []
    size_bytes = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise BadRequest("request_cut_short", "the connection closed within the body")
        part: bytes = message.get("body", b"")
        size_bytes += len(part)
        if size_bytes > bytes_max:
            raise _too_large(bytes_max)
        parts.append(part)
        if not message.get("more_body", False):
            return b"".join(parts)


def _too_large(bytes_max: int) -> TooLarge:
    return TooLarge("too_large", f"a body has at most {bytes_max} bytes here")


async def bind(scope: Scope, receive: Receive) -> tuple[bytes, Receive]:
    """SHA-256 of the body, empty without one, and a `receive` that gives it to the site.

    The refusals of `read`, with `BOUND_BYTES_MAX`.
    """
    body = await read(scope, receive, BOUND_BYTES_MAX)
    first: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> Message:
        return first.pop() if first else await receive()

    return hashlib.sha256(body).digest() if body else b"", again


def bodiless(send: Send) -> Send:
    """`send` for an answer of which only the head goes out, and says so."""

    async def telling(message: Message) -> None:
        if message["type"] == "http.response.start":
            kept = [
                (name, value)
                for name, value in message.get("headers", ())
                if bytes(name).lower() not in {b"content-length", b"transfer-encoding"}
            ]
            length = [] if message["status"] in BODILESS else [(b"content-length", b"0")]
            message = {**message, "headers": [*kept, *length]}
        elif message["type"] == "http.response.body":
            message = {**message, "body": b""}
        await send(message)

    return telling


def impatient(send: Send) -> Send:
    """`send` for what is free: `OriginFailed` where its reader takes nothing for long.

    Whoever reads nothing keeps a connection to the site, and there are only so many.
    """

    async def telling(message: Message) -> None:
        try:
            async with asyncio.timeout(SEND_TIMEOUT_S):
                await send(message)
        except TimeoutError:
            raise OriginFailed("payer_gone", "nobody reads the answer") from None

    return telling
