"""The gate around an ASGI application: hold, let the application answer, confirm, send.

An answer whose length is known and at most 1 MiB is buffered and sent after the confirm; a longer
one, a chunked one or an event stream is confirmed at its head and then passed on as it comes, and
so is whatever is sold by the tick, as far as it is paid for (`streaming.py`). What the application
does after its answer is its own affair: the payer waits for the answer only.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Generator, MutableMapping
from types import coroutine
from typing import Any, Literal
from urllib.parse import quote

from farthing import faults
from farthing.errors import OriginFailed, Refusal, Unsupported
from farthing.vendor.commands import (
    Aborted,
    Answer,
    AskOrigin,
    Headers,
    OriginAnswered,
    Request,
    refuse,
)
from farthing.vendor.driver import Exchange, to_the_end
from farthing.vendor.heads import Head, read_head
from farthing.vendor.payments import BODILESS
from farthing.vendor.streaming import Bells, Pacing, Unpaid, is_events
from farthing.wire import problems
from farthing.wire.dialects import without_credentials
from farthing.wire.peers import is_local

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

BUFFER_BYTES_MAX = 1024 * 1024  # longer answers stream, confirmed at their head
OURS = b"x-pay-"  # what the gate tells the site behind it; payers may not
OURS_BEGIN = frozenset({b"x-", b"x_"})  # both spell one CGI variable
# By these a site may serve another path, or another method, than the one that was priced.
REWRITING = (
    b"x-http-method",
    b"x-method-override",
    b"x-original-",
    b"x-override-",
    b"x-rewrite-",
)
_log = logging.getLogger("farthing.gate")


def raw_path(scope: Scope) -> bytes:
    """The path as it came; percent-encoded anew where the server does not keep it."""
    found: bytes | None = scope.get("raw_path")
    return found if found is not None else quote(scope["path"], safe="/%:@!$&'()*+,;=~-._").encode()


def request_of(scope: Scope) -> Request:
    """The gate's view of an ASGI request."""
    headers = tuple([(bytes(key), bytes(value)) for key, value in scope["headers"]])
    path, query = raw_path(scope), scope.get("query_string", b"")
    path_query = (path + b"?" + query if query else path).decode("latin-1")
    host = b""
    for key, value in headers:
        if key == b"host":
            host = value
            break
    scheme: str = scope.get("scheme", "http")
    return Request(
        method=scope["method"],
        scheme=scheme,
        host=host.decode("latin-1"),
        path=scope["path"],
        path_query=path_query,
        headers=headers,
        secure=scheme == "https" or is_local(scope),
    )


def origin_scope(scope: Scope, add: Headers = ()) -> Scope:
    """The scope that the origin sees: no credential of ours, no header that only we may send.

    None by which the site would serve what was not priced, either.
    """
    kept = [
        pair
        for pair in without_credentials(scope["headers"])
        if pair[0][:2] not in OURS_BEGIN
        or not pair[0].replace(b"_", b"-").startswith((OURS, *REWRITING))
    ]
    return {**scope, "headers": [*kept, *add]}


async def send_answer(send: Send, answer: Answer, *, method: str) -> None:
    """Send a whole answer; a HEAD request gets its head only."""
    body, length = answer.body or b"", b""
    headers: list[tuple[bytes, bytes]] = []
    for pair in answer.headers:
        if pair[0] != b"content-length":
            headers.append(pair)
        else:
            length = pair[1]
    if answer.status not in BODILESS:
        size = length if method == "HEAD" and length else b"%d" % len(body)
        headers.append((b"content-length", size))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if method == "HEAD" else body})


async def refuse_socket(scope: Scope, receive: Receive, send: Send, why: str) -> None:
    """Refuse a WebSocket in words, where the server can answer its handshake; else close it."""
    await receive()
    if "websocket.http.response" not in scope.get("extensions", {}):
        await send({"type": "websocket.close", "code": 1008, "reason": why})
        return
    wrong = Unsupported("websocket_unsupported", why)
    status, headers, body = problems.problem(wrong)
    start = {"type": "websocket.http.response.start", "status": status}
    await send({**start, "headers": [*headers, (b"content-length", b"%d" % len(body))]})
    await send({"type": "websocket.http.response.body", "body": body})


_Phase = Literal["collecting", "streaming", "answered"]
"""Of the application's answer: not confirmed yet; its head has gone out; all of it has."""


@coroutine
def _rest(steps: Generator[Any, Any, None], waited: object) -> Generator[Any, Any, None]:
    """Go on with a coroutine that waits for something already."""
    while True:
        try:
            yield waited
        except BaseException as thrown:  # noqa: BLE001 - whatever it is, it is meant for `steps`
            try:
                waited = steps.throw(thrown)
            except StopIteration:
                return
        else:
            yield from steps
            return


class _Stopped(Exception):  # noqa: N818 - a signal to the application, not an error
    """The payer was refused: nobody wants the rest of this answer."""


class Serving:
    """One paid request to an ASGI application."""

    def __init__(
        self,
        app: App,
        scope: Scope,
        receive: Receive,
        send: Send,
        *,
        bells: Bells,
        whole: bool = False,
    ) -> None:
        """As the server called us; `bells` are those of this process.

        `whole`: all that goes out is one sealed answer, whatever its length and the method.
        """
        self._bells = bells
        self._app = app
        self._scope = scope
        self._receive = receive
        self._send = send
        self._method: str = scope["method"]
        self._answered = "POST" if whole else self._method
        self._whole = whole
        self._head: Head | None = None
        self._parts: list[bytes] = []
        self._size_bytes = 0
        self._phase: _Phase = "collecting"
        self._timer: asyncio.Timeout | None = None
        self._pacing: Pacing | None = None
        self._is_unpaid = False

    async def run(self, exchange: Exchange) -> None:
        """Serve, whatever the origin or the payer do meanwhile."""
        answer = await self._answer_of(exchange)
        if answer is not None:
            if answer.voucher_for:
                self._bells.ring(answer.voucher_for, answer.stream_paid_micro)
            await send_answer(self._send, answer, method=self._answered)

    async def _answer_of(self, exchange: Exchange) -> Answer | None:
        try:
            answer = await self._walk(exchange)
        except Aborted:
            raise asyncio.CancelledError from None
        except Refusal as wrong:  # a gate that cannot even refuse: keys or prices out of order
            if self._phase != "collecting":
                raise
            answer = refuse(wrong)
        except BaseException as wrong:
            await to_the_end(asyncio.ensure_future(exchange.abort()))
            if self._phase != "collecting" or not isinstance(wrong, Exception):
                raise
            faults.tell(wrong, "the gate")
            return refuse(faults.refusal_of(wrong))
        if exchange.cancelled:
            raise asyncio.CancelledError
        return answer

    async def _walk(self, exchange: Exchange) -> Answer | None:
        """The answer still to be sent; None where the origin's has gone out already."""
        answer = await exchange.start()
        if answer is not None or exchange.wanted is None:
            return answer
        try:
            return await self._through_origin(exchange, exchange.wanted)
        except GeneratorExit:  # nothing runs any more: as after a crash
            self._pacing = None
            raise
        finally:
            if self._pacing is not None:
                over = exchange.end_stream(*self._pacing.close())
                await to_the_end(asyncio.ensure_future(over))

    async def _through_origin(self, exchange: Exchange, wanted: AskOrigin) -> Answer | None:
        """As `_walk`, once the origin is asked."""
        # No extension of the server's: an answer passes through here message by message.
        scope = origin_scope(self._scope, wanted.add)
        scope["extensions"] = {}
        if wanted.streams:  # what is counted is what the site says, not how it is packed
            scope["headers"] = [p for p in scope["headers"] if p[0] != b"accept-encoding"]
        failed: OriginFailed | None = None
        try:
            await self._in_time(
                self._app(scope, self._receive, self._tap(exchange, wanted)), exchange, wanted
            )
        except TimeoutError:
            failed = OriginFailed("origin_timed_out", "the site did not answer in time")
        except _Stopped:
            return None
        except OriginFailed as wrong:
            if self._phase == "streaming":
                raise
            failed = wrong
        except Exception as wrong:  # the process edge: an application may raise anything
            if self._is_unpaid:  # it came back in whatever the application wraps its own in
                return None
            if self._phase == "streaming":
                raise
            _log.exception("the application failed: %s", type(wrong).__name__)
            failed = OriginFailed("origin_failed", "the site failed to answer")
        if self._phase != "collecting":
            return None
        return await exchange.resume(
            failed or OriginFailed("origin_closed_early", "the site closed before it answered")
        )

    async def _in_time(self, work: Awaitable[None], exchange: Exchange, wanted: AskOrigin) -> None:
        """Run the application; `TimeoutError` where it waits too long before it has answered.

        The timer is set when it first waits: one that answers without waiting needs none.
        """
        steps = work.__await__()
        try:
            waited = steps.send(None)
        except StopIteration:
            return
        if exchange.wanted is None:  # it has answered, and waits for our own commit
            await _rest(steps, waited)
            return
        async with asyncio.timeout(wanted.timeout_s) as self._timer:
            await _rest(steps, waited)

    def _tap(self, exchange: Exchange, wanted: AskOrigin) -> Send:
        """The `send` that the application sees."""

        async def tap(message: Message) -> None:
            if self._phase == "streaming":
                await self._pass_on(message)
            is_late = self._timer is not None and self._timer.expired()
            if self._phase != "collecting" or is_late:
                return
            if message["type"] == "http.response.start":
                self._head = read_head(message)
                if self._head.is_event_stream or wanted.streams:
                    await self._confirm(exchange, self._head, is_whole=False)
            elif message["type"] == "http.response.body" and self._head is not None:
                self._parts.append(message.get("body", b""))
                self._size_bytes += len(self._parts[-1])
                is_whole = not message.get("more_body", False)
                if is_whole or not self._is_short(self._head):
                    await self._confirm(exchange, self._head, is_whole=is_whole)

        return tap

    async def _confirm(self, exchange: Exchange, head: Head, *, is_whole: bool) -> None:
        """Confirm or release, then let the answer through."""
        if self._timer is not None:
            self._timer.reschedule(None)
        if is_whole:
            self._require_length(head)
        body = b"".join(self._parts) if is_whole else None
        answered = OriginAnswered(status=head.status, headers=head.headers, body=body)
        answer = await exchange.resume(answered)
        if exchange.cancelled:
            raise asyncio.CancelledError
        assert answer is not None, "a gate asks the origin once"
        if answer.body is not None:
            self._phase = "answered"
            await send_answer(self._send, answer, method=self._answered)
            if not is_whole:
                raise _Stopped
            return
        self._phase = "streaming"
        start = {"type": "http.response.start", "status": answer.status}
        await self._send({**start, "headers": self._paced(answer, exchange)})
        for part in self._parts:
            await self._send({"type": "http.response.body", "body": part, "more_body": True})
        self._parts.clear()

    def _paced(self, answer: Answer, exchange: Exchange) -> list[tuple[bytes, bytes]]:
        """Prepare to pass a stream on; the headers that it goes out with."""
        stream, headers = answer.stream, list(answer.headers)
        if stream is None or self._method == "HEAD":
            return headers
        tells = is_events(headers)
        self._pacing = Pacing(
            stream,
            answer.charged_micro,
            tells=tells,
            read=exchange.read,
            put=self._put,
            bells=self._bells,
        )
        # An event stream grows by our own events.
        return [pair for pair in headers if not tells or pair[0] != b"content-length"]

    async def _put(self, part: bytes) -> None:
        await self._send({"type": "http.response.body", "body": part, "more_body": True})

    async def _pass_on(self, message: Message) -> None:
        """The next part of a stream, when it is paid for."""
        pacing = self._pacing
        if pacing is None or message["type"] != "http.response.body":
            await self._send(message)
            return
        is_last = not message.get("more_body", False)
        try:
            await pacing.pass_on(message.get("body", b""))
            if is_last:
                await pacing.end()
        except Unpaid:
            self._is_unpaid = True
            await pacing.end()
            if pacing.tells:
                await self._send({"type": "http.response.body", "body": b""})
            raise _Stopped from None
        if is_last:
            self._phase = "answered"
            await self._send({"type": "http.response.body", "body": b""})

    def _is_short(self, head: Head) -> bool:
        """Whether the answer says that it fits the buffer; `OriginFailed` once it does not."""
        if head.length is None and self._whole:
            return self._size_bytes <= BUFFER_BYTES_MAX
        if head.length is None or head.length > BUFFER_BYTES_MAX:
            return False
        self._require_at_most(head.length)
        return True

    def _require_at_most(self, length: int) -> None:
        if self._size_bytes > length:
            raise OriginFailed("origin_length_wrong", "the site sent more than it said")

    def _require_length(self, head: Head) -> None:
        """`OriginFailed` unless a whole body is as long as its head says."""
        if head.length is None or self._method == "HEAD" or head.status in BODILESS:
            return
        if self._size_bytes != head.length:
            raise OriginFailed("origin_length_wrong", "the site sent another length than it said")
