"""The inner request of a sealed one, as the application behind the gate sees it."""

from farthing.vendor.asgi import Message, Receive, Scope
from farthing.vendor.private import path_of
from farthing.wire.sealed import SAYABLE, Asked

# Of the envelope's own headers: they describe its body, not the inner one.
_OUTER = frozenset(
    {b"content-length", b"transfer-encoding", b"connection", b"keep-alive", b"expect", b"te"}
) | {name.encode() for name in SAYABLE}


def inner_scope(scope: Scope, asked: Asked | None) -> Scope:
    """The envelope's scope with the inner request in it; as it was where there is none.

    What a payer may say comes from the seal, everything else (host, and what proxies add) from the
    envelope.
    """
    if asked is None:
        return scope
    path, _, query = asked.path_query.partition("?")
    headers = [(key, value) for key, value in scope["headers"] if key not in _OUTER]
    headers += [(name.encode(), value.encode("latin-1")) for name, value in asked.headers]
    if asked.body:
        headers.append((b"content-length", str(len(asked.body)).encode()))
    return {
        **scope,
        "method": asked.method,
        "path": path_of(asked),
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "headers": headers,
    }


def inner_body(receive: Receive, asked: Asked | None) -> Receive:
    """The inner request's body, whole; afterwards what the server says, as that the payer left."""
    messages: list[Message] = [
        {"type": "http.request", "body": asked.body if asked is not None else b""}
    ]

    async def received() -> Message:
        return messages.pop() if messages else await receive()

    return received
