"""Plain ASGI: the types, one body in, one answer out."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from farthing.errors import BadRequest, TooLarge
from farthing.wire import problems

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

JSON_HEADERS: problems.Headers = (
    (b"content-type", b"application/json"),
    (b"cache-control", b"no-store"),
)


def header_of(scope: Scope, name: bytes) -> str:
    """The one value of a header, or ""; `BadRequest` where it stands twice."""
    values = [value for key, value in scope["headers"] if key == name]
    if len(values) > 1:
        raise BadRequest("header_repeated", f"one {name.decode()} header")
    return values[0].decode("latin-1") if values else ""


async def read_body(receive: Receive, largest_bytes: int) -> bytes:
    """The whole body; `TooLarge`, and `BadRequest` where it was cut short."""
    chunks: list[bytes] = []
    size_bytes = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise BadRequest("request_cut_short", "the connection closed within the body")
        chunks.append(message.get("body", b""))
        size_bytes += len(chunks[-1])
        if size_bytes > largest_bytes:
            raise TooLarge("body_too_large", f"at most {largest_bytes} bytes")
        if not message.get("more_body", False):
            return b"".join(chunks)


async def respond(
    send: Send, status: int, body: bytes, headers: problems.Headers = JSON_HEADERS
) -> None:
    """Send one answer."""
    length = (b"content-length", b"%d" % len(body))
    await send({"type": "http.response.start", "status": status, "headers": [*headers, length]})
    await send({"type": "http.response.body", "body": body})
