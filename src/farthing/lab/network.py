"""The network of a world: HTTP messages between parties, which it may lose, repeat or hold up.

Each end is an ASGI application, called as a server calls it. Requests and answers have fates of
their own: an answer that is lost is an answer to a request that was carried out. A party that dies
with a request in its hands breaks the connection; one that is down refuses it.
"""

import asyncio
from collections.abc import Callable, Coroutine, MutableMapping
from functools import lru_cache
from typing import Any, Protocol
from urllib.parse import unquote, urlsplit

import httpx
import msgspec

from farthing.lab.loop import Process, VirtualLoop
from farthing.lab.trace import Trace, brief

Headers = tuple[tuple[bytes, bytes], ...]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Coroutine[Any, Any, dict[str, Any]]]
App = Callable[[Scope, Any, Any], Coroutine[Any, Any, None]]

REFUSED_S = 0.002  # how long it takes to learn that nobody listens
URLS_KEPT = 4_096  # taken apart: a world has some hundreds
SOURCE = "farthing.source"  # of a scope: who asks, where an answer comes in parts
ADDRESS = ("192.0.2.1", 40_000)  # RFC 5737: of nobody


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """One HTTP request."""

    method: str
    url: str
    headers: Headers = ()
    """Names in lower case."""
    body: bytes = b""


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """One HTTP answer."""

    status: int
    headers: Headers = ()
    body: bytes = b""


class NotReached(Exception):  # noqa: N818 - what a connection is, not an error of ours
    """Nobody listens: the request was surely not read."""


class NoAnswer(Exception):  # noqa: N818 - likewise
    """No answer came, and nobody knows what became of the request."""


class Weather(Protocol):
    """What happens to messages."""

    def travel_s(self, source: str, target: str) -> float | None:
        """How long a message is on its way; None where it is lost."""

    def is_repeated(self) -> bool:
        """Whether a request arrives twice."""


class Asked(Protocol):
    """Who waits for an answer that comes in parts: `connections.Connection`."""

    def outlet(self, network: "Network", source: str, target: str) -> "Giving":
        """The other end of it."""

    def end(self, how: str) -> None:
        """It broke, for this reason."""


class Giving(Protocol):
    """An answer that is given part by part."""

    async def receive(self) -> dict[str, Any]:
        """What comes after the request."""

    async def send(self, event: MutableMapping[str, Any]) -> None:
        """As ASGI has it."""

    def close(self) -> None:
        """The application is done with it."""


class Site:
    """Where requests to one host go."""

    def __init__(self, name: str) -> None:
        """Of a party; nobody listens yet."""
        self.name = name
        self.process: Process | None = None
        self.app: App | None = None
        self.open: dict[asyncio.Future[Reply], None] = {}
        """Who waits for an answer of the present process."""
        self.connections: dict[Asked, None] = {}
        """Answers in parts that it gives, or waits for."""

    def listen(self, process: Process, app: App) -> None:
        """From now on `app` answers, in this process."""
        self.process, self.app = process, app

    def hang_up(self) -> None:
        """The process is gone: whoever waits for it learns that the connection broke."""
        self.process = self.app = None
        for future in self.open:
            _fail(future, NoAnswer("the connection broke"))
        self.open.clear()
        for connection in self.connections:
            connection.end("the connection broke")
        self.connections.clear()


class Tap(Protocol):
    """Reads along."""

    def sent(self, source: str, target: str, message: Message) -> None:
        """A request goes out, whether it arrives or not."""

    def answered(self, source: str, target: str, message: Message, reply: Reply) -> None:
        """`target` has answered a request of `source`."""


class Network:
    """Carries requests from any party to the sites."""

    def __init__(self, loop: VirtualLoop, weather: Weather, trace: Trace) -> None:
        """Between no sites yet."""
        self._loop = loop
        self.weather = weather
        self.trace = trace
        self._sites: dict[str, Site] = {}
        self.carried = 0
        """Requests that reached somebody."""
        self.taps: list[Tap] = []

    def add(self, host: str, site: Site) -> None:
        """Have requests to `host` go there."""
        self._sites[host] = site

    async def ask(self, source: str, message: Message, timeout_s: float) -> Reply:
        """The answer; `NotReached`, `NoAnswer`."""
        site = self._sites.get(_place(message.url).netloc)
        if site is None:
            raise NotReached("no such host")
        for tap in self.taps:
            tap.sent(source, site.name, message)
        future: asyncio.Future[Reply] = self._loop.create_future()
        delay_s = self.weather.travel_s(source, site.name)
        if delay_s is not None:
            self._loop.outside(delay_s, self._arrive, source, site, message, future)
            if self.weather.is_repeated():
                later_s = self.weather.travel_s(source, site.name)
                if later_s is not None:
                    self._loop.outside(later_s, self._arrive, source, site, message, future)
        timer = self._loop.call_later(timeout_s, _give_up, future)
        try:
            return await future
        finally:
            timer.cancel()
            site.open.pop(future, None)

    def _arrive(
        self, source: str, site: Site, message: Message, future: asyncio.Future[Reply]
    ) -> None:
        process, app = site.process, site.app
        if process is None or app is None:
            self._loop.outside(REFUSED_S, _fail, future, NotReached("nobody listens"))
            return
        self._arrived(source, site, message)
        site.open[future] = None
        self._loop.spawn(process, self._serve(source, site, app, message, future))

    def _arrived(self, source: str, site: Site, message: Message) -> None:
        self.carried += 1
        path = _place(message.url).path
        self.trace.note("request", source, site.name, message.method, path, message.body)

    async def _serve(
        self, source: str, site: Site, app: App, message: Message, future: asyncio.Future[Reply]
    ) -> None:
        """One request, in the process of who answers it."""
        reply = await call(app, message)
        for tap in self.taps:
            tap.answered(source, site.name, message, reply)
        self.trace.note("answer", site.name, source, str(reply.status), brief(reply.body), b"")
        delay_s = self.weather.travel_s(site.name, source)
        if delay_s is not None:
            self._loop.outside(delay_s, _deliver, future, reply)

    def connect(self, own: Site, message: Message, asked: Asked) -> None:
        """Ask for an answer in parts, in the name of whose site that is."""
        site = self._sites[_place(message.url).netloc]
        own.connections[asked] = None
        for tap in self.taps:
            tap.sent(own.name, site.name, message)
        for again in (False, True):
            if again and not self.weather.is_repeated():
                return
            delay_s = self.weather.travel_s(own.name, site.name)
            if delay_s is not None:
                self._loop.outside(delay_s, self._reach, own.name, site, message, asked)

    def _reach(self, source: str, site: Site, message: Message, asked: Asked) -> None:
        process, app = site.process, site.app
        if process is None or app is None:
            self._loop.outside(REFUSED_S, asked.end, "nobody listens")
            return
        self._arrived(source, site, message)
        site.connections[asked] = None
        self._loop.spawn(process, self._give(source, site, app, message, asked))

    async def _give(
        self, source: str, site: Site, app: App, message: Message, asked: Asked
    ) -> None:
        """One request, in the process of who answers it part by part."""
        outlet = asked.outlet(self, source, site.name)
        await app(scope_of(message, source), receiving(message, outlet.receive), outlet.send)
        outlet.close()
        site.connections.pop(asked, None)


class _Place(msgspec.Struct, frozen=True):
    """An address, taken apart."""

    scheme: str
    netloc: str
    host: str
    path: str
    unquoted: str
    query: str


@lru_cache(maxsize=URLS_KEPT)
def _place(url: str) -> _Place:
    parts = urlsplit(url)
    return _Place(
        parts.scheme,
        parts.netloc,
        parts.hostname or "",
        parts.path,
        unquote(parts.path),
        parts.query,
    )


def _give_up(future: asyncio.Future[Reply]) -> None:
    _fail(future, NoAnswer("no answer in time"))


def _fail(future: asyncio.Future[Reply], wrong: Exception) -> None:
    if not future.done():
        future.set_exception(wrong)
        future.exception()  # heard, in case whoever asked is dead


def _deliver(future: asyncio.Future[Reply], reply: Reply) -> None:
    if not future.done():
        future.set_result(reply)


def scope_of(message: Message, source: str = "") -> Scope:
    """One request as ASGI has it; `source` is for the world's own eyes."""
    place = _place(message.url)
    scope: Scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": message.method,
        "scheme": place.scheme,
        "path": place.unquoted,
        "raw_path": place.path.encode(),
        "query_string": place.query.encode(),
        "root_path": "",
        "headers": [(b"host", place.netloc.encode()), *message.headers],
        "client": ADDRESS,
        "server": (place.host, 443),
        "extensions": {},
        SOURCE: source,
    }
    if message.body:
        scope["headers"].append((b"content-length", b"%d" % len(message.body)))
    return scope


def receiving(message: Message, later: Receive) -> Receive:
    """The body of a request, and what comes after it."""
    unread = True

    async def receive() -> dict[str, Any]:
        nonlocal unread
        if unread:
            unread = False
            return {"type": "http.request", "body": message.body, "more_body": False}
        return await later()

    return receive


def head_of(event: MutableMapping[str, Any]) -> Reply:
    """An answer as it begins."""
    headers = tuple((bytes(name).lower(), bytes(value)) for name, value in event["headers"])
    return Reply(status=event["status"], headers=headers)


async def _nothing() -> dict[str, Any]:
    await asyncio.get_running_loop().create_future()  # it hangs up only when it is answered
    raise AssertionError("nobody fulfils this")


async def call(app: App, message: Message) -> Reply:
    """What an ASGI application answers to one request."""
    head, body = Reply(status=0), bytearray()

    async def send(event: MutableMapping[str, Any]) -> None:
        nonlocal head
        if event["type"] == "http.response.start":
            head = head_of(event)
        elif event["type"] == "http.response.body":
            body.extend(event.get("body", b""))

    await app(scope_of(message), receiving(message, _nothing), send)
    return Reply(status=head.status, headers=head.headers, body=bytes(body))


class Transport(httpx.AsyncBaseTransport):
    """The world's network for programs that speak through httpx."""

    def __init__(self, network: Network, source: str) -> None:
        """For the programs of one party."""
        self._network = network
        self._source = source

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """As httpx asks; its own errors."""
        headers = tuple(
            (name.lower(), value)
            for name, value in request.headers.raw
            if name.lower() not in {b"host", b"content-length", b"accept-encoding"}
        )
        message = Message(
            method=request.method,
            url=str(request.url),
            headers=headers,
            body=await request.aread(),
        )
        reply = await self.ask(message, request.extensions["timeout"]["read"])
        return httpx.Response(reply.status, headers=list(reply.headers), content=reply.body)

    async def ask(self, message: Message, timeout_s: float) -> Reply:
        """As `Network.ask`, with httpx's errors."""
        try:
            return await self._network.ask(self._source, message, timeout_s)
        except NotReached as wrong:
            raise httpx.ConnectError(str(wrong)) from None
        except NoAnswer as wrong:
            raise httpx.ReadTimeout(str(wrong)) from None
