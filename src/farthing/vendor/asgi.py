"""The gate around an ASGI application: hold, let the application answer, confirm, send.

An answer whose length is known and at most 1 MiB is buffered and sent after the confirm; a longer
one, a chunked one or an event stream is confirmed at its head and then passed on as it comes.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from farthing.errors import OriginFailed
from farthing.vendor.commands import Answer, AskOrigin, Headers, OriginAnswered, Request
from farthing.vendor.driver import Exchange

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

BUFFER_BYTES_MAX = 1024 * 1024  # longer answers stream, confirmed at their head
CREDENTIALS = frozenset({b"payment-authorization", b"payment-signature", b"x-cashu"})
_log = logging.getLogger("farthing.gate")


def request_of(scope: Scope) -> Request:
    """The gate's view of an ASGI request."""
    headers = tuple((bytes(key), bytes(value)) for key, value in scope["headers"])
    raw_path: bytes = scope.get("raw_path") or scope["path"].encode()
    query: bytes = scope.get("query_string", b"")
    path_query = (raw_path + b"?" + query if query else raw_path).decode("latin-1")
    host = next((value for key, value in headers if key == b"host"), b"")
    return Request(
        method=scope["method"],
        scheme=scope.get("scheme", "http"),
        host=host.decode("latin-1"),
        path=scope["path"],
        path_query=path_query,
        headers=headers,
    )


def origin_scope(scope: Scope, add: Headers) -> Scope:
    """The scope that the origin sees: no credential of ours, no `x-pay-*` of the payer's."""
    kept = [
        (key, value)
        for key, value in scope["headers"]
        if key not in CREDENTIALS
        and not key.startswith(b"x-pay-")
        and not (key == b"authorization" and value[:8].lower() == b"payment ")
    ]
    return {**scope, "headers": [*kept, *add]}


async def send_answer(send: Send, answer: Answer, *, method: str) -> None:
    """Send a whole answer; a HEAD request gets its head only."""
    body = answer.body or b""
    headers = [pair for pair in answer.headers if pair[0] != b"content-length"]
    if answer.status not in {204, 304}:
        length = next((v for k, v in answer.headers if k == b"content-length"), b"")
        size = length if method == "HEAD" and length else str(len(body)).encode()
        headers.append((b"content-length", size))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if method == "HEAD" else body})


class Serving:
    """One paid request to an ASGI application."""

    def __init__(self, app: App, scope: Scope, receive: Receive, send: Send) -> None:
        """As the server called us."""
        self._app = app
        self._scope = scope
        self._receive = receive
        self._send = send
        self._head: Message | None = None
        self._parts: list[bytes] = []
        self._whole = False
        self._streaming = False
        self._answered = False

    async def run(self, exchange: Exchange) -> None:
        """Serve, whatever the origin or the payer do meanwhile."""
        try:
            answer = await exchange.start()
            if answer is None and exchange.wanted is not None:
                answer = await self._through_origin(exchange, exchange.wanted)
        except asyncio.CancelledError:
            await asyncio.shield(exchange.abort())
            raise
        if exchange.cancelled:
            raise asyncio.CancelledError
        if answer is not None:
            await send_answer(self._send, answer, method=self._scope["method"])

    async def _through_origin(self, exchange: Exchange, wanted: AskOrigin) -> Answer | None:
        """The answer still to be sent; None where the origin's stream has gone out already."""
        failed: OriginFailed | None = None
        try:
            async with asyncio.timeout(wanted.timeout_s) as timer:
                await self._app(
                    origin_scope(self._scope, wanted.add),
                    self._receive,
                    self._tap(exchange, timer),
                )
        except TimeoutError:
            failed = OriginFailed("origin_timed_out", "the site did not answer in time")
        except (asyncio.CancelledError, KeyboardInterrupt, SystemExit):
            raise
        except Exception as wrong:  # the process edge: an application may raise anything
            _log.exception("the application failed: %s", type(wrong).__name__)
            if self._streaming:
                raise
            failed = OriginFailed("origin_failed", "the site failed to answer")
        if self._streaming:
            return None
        if failed is None and not self._whole:
            failed = OriginFailed("origin_closed_early", "the site closed before it answered")
        return await exchange.resume(failed if failed is not None else self._answered_whole())

    def _answered_whole(self) -> OriginAnswered:
        assert self._head is not None, "a whole answer has a head"
        return OriginAnswered(
            status=self._head["status"],
            headers=tuple((bytes(k), bytes(v)) for k, v in self._head.get("headers", ())),
            body=b"".join(self._parts),
        )

    def _tap(self, exchange: Exchange, timer: asyncio.Timeout) -> Send:
        """The `send` that the application sees."""

        async def tap(message: Message) -> None:
            if self._streaming:
                await self._send(message)
            elif message["type"] == "http.response.start":
                self._head = message
            elif message["type"] == "http.response.body" and self._head is not None:
                self._parts.append(message.get("body", b""))
                self._whole = not message.get("more_body", False)
                if not self._whole and not _short(self._head):
                    timer.reschedule(None)
                    await self._stream(exchange)

        return tap

    async def _stream(self, exchange: Exchange) -> None:
        """Confirm at the head, then let the parts through."""
        head = self._answered_whole()
        answer = await exchange.resume(
            OriginAnswered(status=head.status, headers=head.headers, body=None)
        )
        assert answer is not None, "a gate asks the origin once"
        self._streaming = True
        if answer.body is not None:
            await send_answer(self._send, answer, method=self._scope["method"])
            raise OriginFailed("not_charged", "the confirm failed; nothing was sent or charged")
        await self._send(
            {
                "type": "http.response.start",
                "status": answer.status,
                "headers": list(answer.headers),
            }
        )
        for part in self._parts:
            await self._send({"type": "http.response.body", "body": part, "more_body": True})
        self._parts.clear()


def _short(head: Message) -> bool:
    """Whether the answer says that it fits the buffer."""
    for key, value in head.get("headers", ()):
        if key == b"content-length":
            return value.isdigit() and int(value) <= BUFFER_BYTES_MAX
    return False
