"""Payments for httpx: `httpx.Client(auth=wallet.open().auth(max_per_day="5c"))`.

The payer's own client sends the page requests, unpaid and paid, so its transports, proxies and
certificates apply; brokers and outcome endpoints are asked by the wallet's client. httpx ends an
auth flow where a request breaks: the purchase is then left undecided, and the same request made
again sends the same bytes, as it does after a page that broke off before its end. A request with a
credential on it is never redirected: the guard sits in httpcore's `trace` extension, which sees
every request before its head is sent.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Generator, Iterator
from functools import partial
from typing import Any

import anyio
import anyio.to_thread
import httpx
import msgspec

from farthing.errors import Denied, Refusal
from farthing.wallet.commands import Command, Purchase, Request, SendRequest, Wait
from farthing.wallet.driver import Driver, Session, drive, has_json, heard
from farthing.wallet.fetching import Fetched, fetch
from farthing.wallet.messages import Headers
from farthing.wallet.reply import checking
from farthing.wallet.settling import is_delivered
from farthing.wire.replies import Checking

PAYERS_LEGS = frozenset({"first", "paid"})
Trace = Callable[[str, dict[str, Any]], None]


class FarthingAuth(httpx.Auth):
    """Pays for what is answered 402, within the wallet's budgets; any refusal is raised."""

    def __init__(self, driver: Driver) -> None:
        """On one wallet."""
        self._driver = driver

    def sync_auth_flow(
        self, request: httpx.Request
    ) -> Generator[httpx.Request, httpx.Response, None]:
        """For `httpx.Client`."""
        request.read()
        with self._driver.session() as session:
            steps = _Steps(self._driver, session, request)
            while steps.command is not None:
                if steps.is_own:
                    response = yield steps.outgoing(_guard)
                    if has_json(response):
                        response.read()
                    steps.hear(response)
                else:
                    steps.run(session.answer)

    async def async_auth_flow(
        self, request: httpx.Request
    ) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """For `httpx.AsyncClient`, on asyncio and trio."""
        await request.aread()
        with self._driver.session() as session:
            steps = _Steps(self._driver, session, request)
            while steps.command is not None:
                if steps.is_own:
                    response = yield steps.outgoing(_async_guard)
                    if has_json(response):
                        await response.aread()
                    steps.hear(response)
                elif isinstance(steps.command, Wait):
                    session.tell(steps.command)
                    await anyio.sleep(steps.command.delay_ms / 1000)
                    steps.take(None)
                else:
                    await anyio.to_thread.run_sync(steps.run, session.answer)


class _Steps:
    """The flow between its commands; the same for both kinds of client."""

    def __init__(self, driver: Driver, session: Session, request: httpx.Request) -> None:
        self._driver = driver
        self._session = session
        self._last: httpx.Response | None = None
        self._base = self._sent = request
        self._flow = fetch(driver.guide, _seen(request), redirects=True)
        self.command: Command | None = next(self._flow)

    @property
    def is_own(self) -> bool:
        """Whether the payer's own client sends this."""
        return isinstance(self.command, SendRequest) and self.command.leg in PAYERS_LEGS

    def outgoing(self, guard: Callable[[httpx.Request], Any]) -> httpx.Request:
        """The httpx request for the command."""
        assert isinstance(self.command, SendRequest), "is_own was asked before"
        self._sent, is_paid = self._base, self.command.leg == "paid"
        if is_paid or self.command.request.headers != _headers_in(self._base):
            self._sent = httpx.Request(
                self._base.method,
                self._base.url,
                headers=[_as_bytes(pair) for pair in self.command.request.headers],
                stream=self._base.stream,
                extensions=dict(self._base.extensions),
            )
        if is_paid:
            self._sent.extensions["trace"] = guard(self._sent)
        return self._sent

    def hear(self, response: httpx.Response) -> None:
        """Go on with an answer to the payer's own request."""
        assert isinstance(self.command, SendRequest), "is_own was asked before"
        self._last = response
        answer = heard(response, response.content if has_json(response) else b"")
        if self.command.leg == "first":
            self._base = response.request
            if response.request is not self._sent:  # redirected; what it says elsewhere is httpx's
                response.request.read()  # of bytes that are here, whichever the client is
                answer = msgspec.structs.replace(answer, redirected=_seen(response.request))
        self.take(answer)

    def run(self, answer: Callable[[Command], Any]) -> None:
        """Have the command carried out, and go on; what refuses it is thrown into the flow."""
        assert self.command is not None, "the flow has not ended"
        try:
            value = answer(self.command)
        except Refusal as refusal:
            self._go_on(partial(self._flow.throw, refusal))
        else:
            self.take(value)

    def take(self, value: Any) -> None:
        """Go on with an answer."""
        self._go_on(partial(self._flow.send, value))

    def _go_on(self, step: Callable[[], Command]) -> None:
        try:
            self.command = step()
        except StopIteration as end:
            self.command = None
            fetched: Fetched = end.value
            made, page = fetched.purchase, self._last
            if made is None or page is None:
                return
            if is_delivered(fetched.verdict, page.status_code):
                if has_json(page):  # a refusal, which was read above: no page is to come
                    self._session.deliver(made)
                    return
                check = checking(self._driver.guide, made, heard(page))
                self._session.leave(made)
                page.stream = _Body(page.stream, self._driver, made, check)


class _Body(httpx.SyncByteStream, httpx.AsyncByteStream):
    """The body of a page that is paid for: only who has read it to its end, unaltered, has got it.

    Else the purchase is let go, so that the same request made again sends the same bytes. The
    second half of a payment that has one goes out when the body has ended, by the wallet's client.
    """

    def __init__(self, stream: Any, driver: Driver, made: Purchase, check: Checking | None) -> None:
        self._stream = stream
        self._driver = driver
        self._made = made
        self._check = check
        self._is_got = False

    def __iter__(self) -> Iterator[bytes]:
        for part in self._stream:
            self._see(part)
            yield part
        if self._get():
            self._release()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for part in self._stream:
            self._see(part)
            yield part
        if self._get():
            await anyio.to_thread.run_sync(self._release)

    def _see(self, part: bytes) -> None:
        if self._check is not None:
            self._check.add(part)

    def _get(self) -> bool:
        """Whether there is a second half to send; `Forged` for a page altered on its way."""
        if self._check is not None:
            self._check.require()
        self._is_got = True
        made, driver = self._made, self._driver
        driver.store.deliver(made)
        return driver.guide.purse(made.scheme, made.broker_id).releases

    def _release(self) -> None:
        with self._driver.session() as session:
            drive(session.after(self._made), session.answer)

    def close(self) -> None:
        self._stream.close()
        self._leave()

    async def aclose(self) -> None:
        await self._stream.aclose()
        self._leave()

    def _leave(self) -> None:
        if not self._is_got:
            self._driver.store.let_go((self._made.id,))


def _seen(request: httpx.Request) -> Request:
    """An httpx request as the flow sees it."""
    return Request(
        method=request.method,
        url=str(request.url),
        headers=_headers_in(request),
        body=request.content,
    )


def _headers_in(request: httpx.Request) -> Headers:
    """Every byte is one character, as in `heard`: httpx guesses an encoding, and sends ASCII."""
    return tuple(
        (name.decode("latin-1"), value.decode("latin-1")) for name, value in request.headers.raw
    )


def _as_bytes(pair: tuple[str, str]) -> tuple[bytes, bytes]:
    return pair[0].encode("latin-1"), pair[1].encode("latin-1")


def _check(paid: httpx.Request, event: str, info: dict[str, Any]) -> None:
    """`Denied` before the head of any request but `paid` goes out with its headers."""
    if not event.endswith("send_request_headers.started"):
        return
    url = info["request"].url
    place = (url.scheme, url.host, url.port, url.target)
    own = paid.url
    if place != (own.raw_scheme, own.raw_host, own.port, own.raw_path):
        raise Denied(
            "redirect_with_payment", "the site redirects a paid request; the payment stays here"
        )


def _guard(paid: httpx.Request) -> Trace:
    def trace(event: str, info: dict[str, Any]) -> None:
        _check(paid, event, info)

    return trace


def _async_guard(paid: httpx.Request) -> Callable[[str, dict[str, Any]], Awaitable[None]]:
    async def trace(event: str, info: dict[str, Any]) -> None:
        _check(paid, event, info)

    return trace
