"""The origin behind `farthing vendor serve --upstream URL`: any web server, over HTTP/1.1.

Bodies stream both ways, hop-by-hop headers stay where they belong, and the origin learns the
payer's address and host from `X-Forwarded-*` headers that we write ourselves. An origin that cannot
be reached is a 502, which the gate never charges for.
"""

from collections.abc import AsyncIterator, Iterable
from typing import Any

import httpx

from farthing.errors import OriginFailed
from farthing.vendor.asgi import Receive, Scope, Send
from farthing.wire import problems

HOP_BY_HOP = frozenset(
    {
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)
FORWARDED = (b"x-forwarded-", b"forwarded")
CONNECT_TIMEOUT_S = 5.0  # an origin on the same machine or network answers at once
CONNECTIONS_MAX = 256  # to one origin; more requests wait for one


def end_to_end(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Headers (lower-case names) without those that are for one connection only."""
    pairs = list(headers)
    named = {
        token.strip().lower()
        for key, value in pairs
        if key == b"connection"
        for token in value.split(b",")
    }
    return [(k, v) for k, v in pairs if k not in HOP_BY_HOP and k not in named]


def _request_headers(scope: Scope) -> list[tuple[bytes, bytes]]:
    pairs = [
        (key, value)
        for key, value in end_to_end(scope["headers"])
        if not key.startswith(FORWARDED) and key not in {b"host", b"expect"}
    ]
    host = next((value for key, value in scope["headers"] if key == b"host"), b"")
    client: Any = scope.get("client")
    pairs += [
        (b"x-forwarded-for", str(client[0] if client else "").encode()),
        (b"x-forwarded-host", host),
        (b"x-forwarded-proto", str(scope.get("scheme", "http")).encode()),
    ]
    return pairs


def _has_body(scope: Scope) -> bool:
    return any(
        key == b"transfer-encoding" or (key == b"content-length" and value != b"0")
        for key, value in scope["headers"]
    )


async def _body(receive: Receive) -> AsyncIterator[bytes]:
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise OriginFailed("payer_gone", "the request ended before its body did")
        yield message.get("body", b"")
        if not message.get("more_body", False):
            return


class Upstream:
    """An ASGI application that passes every request on to one origin."""

    def __init__(self, url: str) -> None:
        """`url` is the origin's, without a path."""
        self._base = url.rstrip("/")
        self._http = httpx.AsyncClient(
            timeout=httpx.Timeout(None, connect=CONNECT_TIMEOUT_S),  # the gate times the answer
            limits=httpx.Limits(max_connections=CONNECTIONS_MAX),
            follow_redirects=False,
            trust_env=False,
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection; a WebSocket is refused, since nothing here passes one on."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008, "reason": "not passed on here"})
        else:
            await self._pass(scope, receive, send)

    async def _pass(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on, and its answer back as it comes."""
        target = (scope.get("raw_path") or scope["path"].encode()).decode("latin-1")
        query = scope.get("query_string", b"").decode("latin-1")
        request = httpx.Request(
            scope["method"],
            f"{self._base}{target}{'?' + query if query else ''}",
            headers=_request_headers(scope),
            content=_body(receive) if _has_body(scope) else None,
        )
        try:
            answer = await self._http.send(request, stream=True)
        except (httpx.TransportError, OriginFailed) as wrong:
            await _send_failure(send, type(wrong).__name__)
            return
        try:
            headers = end_to_end((key.lower(), value) for key, value in answer.headers.raw)
            start = {"type": "http.response.start", "status": answer.status_code}
            await send({**start, "headers": headers})
            bare = scope["method"] == "HEAD" or answer.headers.get("content-length") == "0"
            if not bare:
                await self._pass_on(answer, send)
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            await answer.aclose()

    async def _live(self, receive: Receive, send: Send) -> None:
        """Start and stop with the server."""
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self.close()
        await send({"type": "lifespan.shutdown.complete"})

    async def _pass_on(self, answer: httpx.Response, send: Send) -> None:
        async for part in answer.aiter_raw():
            await send({"type": "http.response.body", "body": part, "more_body": True})


async def _send_failure(send: Send, reason: str) -> None:
    failed = OriginFailed("origin_unreachable", f"the site behind this gate is away ({reason})")
    status, headers, body = problems.problem(failed)
    await send({"type": "http.response.start", "status": status, "headers": list(headers)})
    await send({"type": "http.response.body", "body": body})
