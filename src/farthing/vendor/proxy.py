"""The origin behind `farthing vendor serve --upstream URL`: any web server, over HTTP/1.1.

Bodies stream both ways, hop-by-hop headers stay where they belong, and the origin learns the
payer's address, host and scheme from `X-Forwarded-*` headers that we write ourselves. An origin
that cannot be reached, or breaks off, raises `OriginFailed`, which the gate never charges for.
"""

import asyncio
import string
from collections.abc import AsyncIterator, Coroutine, Iterable
from typing import Any
from urllib.parse import quote

import httpx

from farthing.errors import BadRequest, Misconfigured, OriginFailed, Refusal
from farthing.vendor.asgi import OURS, Message, Receive, Scope, Send, raw_path, refuse_socket
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
FORWARDED = (b"x-forwarded-", b"forwarded", b"x-real-ip")
SENDING = frozenset({"POST", "PUT", "PATCH"})  # methods whose bodies every origin reads
LOOPBACK = ("localhost", "127.0.0.1", "::1")
PORTS = {"http": 80, "https": 443}
CONNECT_TIMEOUT_S = 5.0  # an origin on the same machine or network answers at once
HEAD_TIMEOUT_S = 300.0  # to an answer's head on free paths; on priced ones the gate waits less
CONNECTIONS_MAX = 256  # to one origin; more requests wait for one
WAIT_TIMEOUT_S = 10.0  # and give up after this
SHORT_DIGITS = 6  # of the length of an answer that is out before anybody can hang up
BODY_TIMEOUT_S = 30.0  # a request's body may be slower than the next figure by so much
BODY_BYTES_PER_S = 1024  # who sends slower for longer takes a connection from others


def end_to_end(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Headers (lower-case names) without those that are for one connection only."""
    pairs = list(headers)
    named = {
        token.strip().lower()
        for key, value in pairs
        if key == b"connection"
        for token in value.split(b",")
    }
    # What the gate tells the site is not the payer's to take away.
    return [
        (k, v) for k, v in pairs if k not in HOP_BY_HOP and (k not in named or k.startswith(OURS))
    ]


def _request_headers(scope: Scope) -> list[tuple[bytes, bytes]]:
    pairs = [
        (key, value)
        for key, value in end_to_end(scope["headers"])
        if not key.replace(b"_", b"-").startswith(FORWARDED) and key not in {b"host", b"expect"}
    ]
    host = next((value for key, value in scope["headers"] if key == b"host"), b"")
    client: Any = scope.get("client")
    pairs += [
        (b"x-forwarded-for", str(client[0] if client else "").encode()),
        (b"x-forwarded-host", host),
        (b"x-forwarded-proto", str(scope.get("scheme", "http")).encode()),
    ]
    return pairs


def _target(scope: Scope) -> bytes:
    """Path and query as they came; what is not ASCII, which no client library sends, escaped."""
    path, query = raw_path(scope), scope.get("query_string", b"")
    target = path + b"?" + query if query else path
    return target if target.isascii() else quote(target, safe=string.punctuation).encode()


def _has_body(scope: Scope) -> bool | None:
    """Whether a body follows; None where only its end tells, as in HTTP/2.

    `BadRequest` where its length is said twice (request smuggling).
    """
    chunked = any(key == b"transfer-encoding" for key, _ in scope["headers"])
    lengths = [value for key, value in scope["headers"] if key == b"content-length"]
    if len(lengths) + chunked > 1:
        raise BadRequest("length_ambiguous", "say the length of a body once")
    if not chunked and not lengths and not scope.get("http_version", "1.1").startswith("1"):
        return None
    return chunked or any(length != b"0" for length in lengths)


async def _content(scope: Scope, receive: Receive) -> AsyncIterator[bytes] | None:
    """The request's body, once its first part is here; None where there is none."""
    if (has_body := _has_body(scope)) is False:
        return None
    began_s = asyncio.get_running_loop().time()
    first = await _part(receive, began_s, 0)
    if has_body is None and not first.get("body") and not first.get("more_body", False):
        return None
    return _body(receive, first, began_s)


async def _body(receive: Receive, message: Message, began_s: float) -> AsyncIterator[bytes]:
    size_bytes = 0
    while True:
        part = message.get("body", b"")
        size_bytes += len(part)
        yield part
        if not message.get("more_body", False):
            return
        message = await _part(receive, began_s, size_bytes)


async def _part(receive: Receive, began_s: float, size_bytes: int) -> Message:
    """The next part of a body of which so much is here; `OriginFailed`, `BadRequest`."""
    due_s = began_s + BODY_TIMEOUT_S + size_bytes / BODY_BYTES_PER_S
    try:
        async with asyncio.timeout_at(due_s):
            message = await receive()
    except TimeoutError:
        raise BadRequest("request_too_slow", "the body came too slowly") from None
    if message["type"] != "http.request":
        raise OriginFailed("payer_gone", "the request ended before its body did")
    return message


def _failed(wrong: httpx.TransportError) -> OriginFailed:
    return OriginFailed(
        "origin_unreachable", f"the site behind this gate is away ({type(wrong).__name__})"
    )


async def _answer(answer: httpx.Response, method: str, receive: Receive, send: Send) -> bool:
    """The origin's answer as it comes, all but its end; `OriginFailed` where it breaks off.

    False where whoever asked has hung up before: nobody wants the rest.
    """
    try:
        pairs = end_to_end((key.lower(), value) for key, value in answer.headers.raw)
        start = {"type": "http.response.start", "status": answer.status_code}
        await send({**start, "headers": pairs})
        length = answer.headers.get("content-length", "")
        if method == "HEAD" or length == "0":
            return True
        if length.isdecimal() and len(length) < SHORT_DIGITS:
            await _body_of(answer, send)
            return True
        return await _while_wanted(_body_of(answer, send), receive)
    except httpx.TransportError as wrong:
        raise _failed(wrong) from None
    finally:
        await answer.aclose()


async def _body_of(answer: httpx.Response, send: Send) -> None:
    async for part in answer.aiter_raw():
        await send({"type": "http.response.body", "body": part, "more_body": True})


async def _while_wanted(sending: Coroutine[Any, Any, None], receive: Receive) -> bool:
    """Whether it came to its end before the connection to whoever asked did.

    A server takes what is sent after a hang-up without a word, and the site may never end.
    """
    work = asyncio.ensure_future(sending)
    gone = asyncio.ensure_future(_hung_up(receive))
    try:
        await asyncio.wait({work, gone}, return_when=asyncio.FIRST_COMPLETED)
        if work.done():
            work.result()
        return work.done()
    finally:
        for task in (work, gone):
            task.cancel()
        await asyncio.gather(work, gone, return_exceptions=True)


async def _hung_up(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def origin_of(url: str, gate: tuple[str, int] = ("", 0)) -> httpx.URL:
    """An upstream as it was typed; `Misconfigured` unless it is an origin without a path.

    Nor may it be the gate itself, which listens at this host and port.
    """
    try:
        found = httpx.URL(url)
    except httpx.InvalidURL:
        found = httpx.URL("")
    if found.scheme not in {"http", "https"} or not found.host or found.raw_path != b"/":
        raise Misconfigured(
            "upstream_malformed",
            f"{url!r} is no upstream: write it with http:// and without a path, as in"
            " http://127.0.0.1:8000",
        )
    host, port = gate
    if (found.port or PORTS[found.scheme]) == port and found.host in {host, *LOOPBACK}:
        raise Misconfigured(
            "upstream_is_the_gate",
            f"the gate itself listens at port {port}: have the site listen at another, or name one"
            " for the gate with --port",
        )
    return found


class Upstream:
    """An ASGI application that passes every request on to one origin."""

    def __init__(self, url: str) -> None:
        """`url` is the origin's, without a path; `Misconfigured`."""
        self._url = origin_of(url)
        self._tls = httpx.create_ssl_context(trust_env=False)
        self._connections: list[httpx.AsyncHTTPTransport] = []
        self._idle: list[httpx.AsyncHTTPTransport] = []  # what was used last is taken first
        self._room = asyncio.Semaphore(CONNECTIONS_MAX)

    async def close(self) -> None:
        """Close the connections."""
        for connection in self._connections:
            await connection.aclose()

    async def _take(self) -> httpx.AsyncHTTPTransport:
        """A connection for one request alone; `OriginFailed` where all of them stay in use.

        Each is a transport of its own: one with many connections looks at all of them for each
        request, and a client would keep the cookies of all payers in one jar.
        """
        try:
            async with asyncio.timeout(WAIT_TIMEOUT_S if self._room.locked() else None):
                await self._room.acquire()
        except TimeoutError:
            raise OriginFailed("origin_unreachable", "the site behind this gate is busy") from None
        if self._idle:
            return self._idle.pop()
        only = httpx.Limits(max_connections=1)
        connection = httpx.AsyncHTTPTransport(limits=only, verify=self._tls, trust_env=False)
        self._connections.append(connection)
        return connection

    def _give_back(self, connection: httpx.AsyncHTTPTransport) -> None:
        self._idle.append(connection)
        self._room.release()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection; a WebSocket is refused, since nothing here passes one on."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "websocket":
            await refuse_socket(scope, receive, send, "WebSockets are not passed on here")
        else:
            await self._pass(scope, receive, send)

    async def _pass(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on, and its answer back as it comes; `OriginFailed` after its head."""
        connection: httpx.AsyncHTTPTransport | None = None
        answer: httpx.Response | None = None
        try:
            content = await _content(scope, receive)  # whoever has sent none of it takes no place
            connection = await self._take()
            answer = await self._ask(connection, scope, content)
            if not await _answer(answer, scope["method"], receive, send):
                return
        except Refusal as wrong:
            if answer is not None:
                raise
            status, headers, body = problems.problem(wrong)
            await send({"type": "http.response.start", "status": status, "headers": [*headers]})
            await send({"type": "http.response.body", "body": body})
            return
        finally:
            if connection is not None:
                self._give_back(connection)
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _ask(
        self,
        connection: httpx.AsyncHTTPTransport,
        scope: Scope,
        content: AsyncIterator[bytes] | None,
    ) -> httpx.Response:
        """The origin's head; `OriginFailed`, `BadRequest`."""
        timeouts: dict[str, float | None] = {
            "connect": CONNECT_TIMEOUT_S,
            "pool": WAIT_TIMEOUT_S,
            "read": HEAD_TIMEOUT_S,
        }
        headers = _request_headers(scope)
        if content is not None and scope["method"] not in SENDING:
            # An origin that leaves such a body unread would take it for the next request.
            headers.append((b"connection", b"close"))
        request = httpx.Request(
            scope["method"],
            self._url,
            headers=headers,
            content=content,
            # The target goes out as it came in: the origin reads what the gate has priced.
            extensions={"timeout": timeouts, "target": _target(scope)},
        )
        try:
            answer = await connection.handle_async_request(request)
        except httpx.TransportError as wrong:
            raise _failed(wrong) from None
        timeouts["read"] = None  # the next event of a stream may be long in coming
        return answer

    async def _live(self, receive: Receive, send: Send) -> None:
        """Start and stop with the server."""
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self.close()
        await send({"type": "lifespan.shutdown.complete"})
