"""The parties of a world: a broker and vendors, each the program that production runs.

A party is a name, a disk and, while it is up, a process. `start` builds the program from its disk
alone; `kill` ends it wherever it stands. Their clocks may differ from the right time.
"""

import contextvars
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar, cast

import apsw

from farthing import marks
from farthing.broker import api, peer_api, revoking_api, store
from farthing.broker.app import Broker, keep_house
from farthing.broker.courier import HttpCourier
from farthing.broker.edge import Edge as BrokerEdge
from farthing.broker.fast import HOT, Fast
from farthing.errors import Refusal
from farthing.lab.disk import InlineWriter, Seen
from farthing.lab.faults import JUMP_S, Timed
from farthing.lab.given import GIVING, PAGE, Giving
from farthing.lab.goods import Options, Page
from farthing.lab.ground import Ground
from farthing.lab.loop import PROCESS, Process
from farthing.lab.metered import SERVING, Serving
from farthing.lab.network import App, Message, Site, Transport
from farthing.lab.shows import Show, send_show
from farthing.schemes.contract import At
from farthing.stores import sqlite_tables as tables
from farthing.stores.sqlite import WRITES, SqliteMarks
from farthing.vendor.app import Vendor
from farthing.vendor.broker_client import NO_HEADERS, TIMEOUT_S, BrokerClient
from farthing.vendor.driver import ENTROPY_BYTES
from farthing.vendor.edge import Edge as VendorEdge


class Party:
    """One party: what survives it, and its present life."""

    def __init__(self, ground: Ground, name: str) -> None:
        """Not up yet. Its host is `<name>.example`."""
        self.ground = ground
        self.name = name
        self.folder = ground.folder / name
        self.url = f"https://{name}.example"
        self.site = Site(name)
        ground.network.add(f"{name}.example", self.site)
        self.process: Process | None = None
        self.ahead_s = 0
        """How far its clock is ahead of the right time."""
        self.was_wrong = False
        """Whether its clock has ever been off."""
        self.is_spared = False
        """Whether no commit is fatal to it: who cheats sees to its own programs."""

    @property
    def forgotten_s(self) -> int:
        """What is over by then it may forget: a while more where its clock was ahead."""
        return self.ground.wall_s() + (JUMP_S if self.was_wrong else 0)

    @property
    def life(self) -> Process:
        """Its present life."""
        assert self.process is not None, "it is up"
        return self.process

    @property
    def is_up(self) -> bool:
        """Whether its program runs."""
        return self.process is not None

    def now_s(self) -> int:
        """What its clock shows, in unix seconds."""
        return self.ground.wall_s() + self.ahead_s

    def start(self) -> bool:
        """Begin a new life from the disk; False where the program refuses to start."""
        assert self.process is None, "it is up"
        self.ground.lives += 1
        process = Process(f"{self.name}/{self.ground.lives}")
        try:
            self._inside(process, self._open)
        except Refusal as refusal:  # as a clock that is behind the books
            self.ground.trace.note("refused", self.name, refusal.code)
            self.process = process
            self.kill(refusal.code)
            return False
        self.ground.trace.note("up", self.name)
        return True

    def kill(self, why: str) -> None:
        """End its life here and now; only what is on its disk stays."""
        process = self.process
        if process is None:
            return
        self.ground.trace.note("killed", self.name, why)
        self.process = None
        process.kill()
        self.site.hang_up()
        self._lose()
        self.ground.loop.outside(0.0, _bury, process)
        self.ground.died(self.name)

    def _inside(self, process: Process, work: Callable[[], None]) -> None:
        """Run `work` as the first step of a process."""

        def begin() -> None:
            PROCESS.set(process)
            self.process = process
            work()

        contextvars.copy_context().run(begin)

    def _open(self) -> None:
        """Build the program, in its process; refusals as it says."""
        raise NotImplementedError

    def _lose(self) -> None:
        """Close what the process had open, nothing more."""
        raise NotImplementedError

    def serve(self, app: App) -> None:
        """Answer requests to its host from now on."""
        self.site.listen(self.life, app)

    def writer(
        self,
        path: Path,
        schema: str,
        application_id: int,
        version: int,
        seen: Seen,
    ) -> InlineWriter:
        """The writer of one of its files."""
        return InlineWriter(
            path,
            schema,
            application_id=application_id,
            version=version,
            timing=Timed(self.ground.faults, lambda: self.is_spared),
            die=self.kill,
            seen=seen,
        )


def _bury(process: Process) -> None:
    contextvars.copy_context().run(_bury_in, process)


def _bury_in(process: Process) -> None:
    PROCESS.set(process)
    process.bury()


class BrokerParty(Party):
    """A broker: the engine, its books, its clock-driven work, its HTTP."""

    _routers: ClassVar[list[Any]] = []  # Litestar's routing: dear to build, and used again

    def __init__(self, ground: Ground, name: str) -> None:
        """Not founded yet."""
        super().__init__(ground, name)
        self.tokens: dict[str, dict[str, str]] = {}
        """By account and scope."""
        self._router: Any = None
        self._writer: InlineWriter | None = None
        self.broker: Broker | None = None

    def edge(self) -> BrokerEdge:
        """This broker's edge."""
        return BrokerEdge(
            now_s=self.now_s, entropy=self.ground.entropy, open_books=self._open_books
        )

    def found(self, currency: str) -> None:
        """Make its folder."""
        self.folder.mkdir()
        token = Broker.init(
            self.folder, broker_id=self.name, currency=currency, url=self.url, edge=self.edge()
        )
        self.tokens["operator"] = {"admin": token}

    def _open_books(self, path: Path) -> InlineWriter:
        self._writer = self.writer(
            path, store.SCHEMA, store.APPLICATION_ID, store.VERSION, self._committed
        )
        self.ground.checks.remembered.watch(self.name, self._writer.connection)
        return self._writer

    def _committed(self, connection: apsw.Connection, *, done: bool) -> None:
        if done:
            self.ground.checks.broker_committed(self.name, connection)
        self.ground.checks.remembered.committed(self.name, connection, self.forgotten_s)

    def _open(self) -> None:
        courier = HttpCourier(Transport(self.ground.network, self.name))
        broker = Broker.open(self.folder, edge=self.edge(), courier=courier)
        self.broker = broker
        self.ground.checks.broker_committed(self.name, self.connection)  # what the books begin with
        if self._router is None:
            self._router = self._routers.pop() if self._routers else _router()
        self._router.state.engine = broker.engine
        self._router.state.documents = broker
        self.serve(Fast(broker.engine, self._router, ring=broker.ring))
        self.ground.loop.spawn(self.life, keep_house(broker))

    def _lose(self) -> None:
        self.broker = None
        if self._writer is not None:
            self._writer.close()

    @property
    def connection(self) -> apsw.Connection:
        """To its books, while it is up; for the world's own eyes."""
        assert self._writer is not None, "it is up"
        return self._writer.connection

    def part(self) -> None:
        """The world ends; its routing is somebody else's from now on."""
        if self._router is not None:
            self._routers.append(self._router)
            self._router = None


class BrokerLine(BrokerClient):
    """A vendor's way to its broker, past the library that costs more than the broker's answer."""

    def __init__(self, url: str, token: str, transport: Transport) -> None:
        """As `BrokerClient`."""
        super().__init__(url, token, transport)
        self._url, self._transport = url, transport
        self._always = {"authorization": f"Bearer {token}"} if token else {}

    async def _exchange(
        self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] = NO_HEADERS
    ) -> tuple[int, bytes]:
        raw = tuple((n.encode(), v.encode()) for n, v in {**self._always, **headers}.items())
        message = Message(method=method, url=self._url + path, headers=raw, body=body)
        reply = await self._transport.ask(message, TIMEOUT_S)
        return reply.status, reply.body


class WatchedMarks(SqliteMarks):
    """A gate's store that tells what it has committed."""

    def __init__(
        self, open_writer: Callable[[Any], InlineWriter], tell: Callable[[list[Any]], None]
    ) -> None:
        """Over a writer that calls `seen`."""
        self._doing: list[tuple[Any, Any]] = []
        self._tell = tell
        super().__init__(open_writer(self._seen))

    async def do(self, command: marks.Command) -> Any:
        """As `SqliteMarks.do`."""
        giving = GIVING.get()
        if giving is not None:
            giving.asks(command)
        work = WRITES.get(type(command))
        if work is None:
            return await super().do(command)
        serving = SERVING.get()
        if serving is not None:
            serving.writes(command)

        def noted(connection: apsw.Connection) -> Any:
            answer = work(connection, command)
            self._doing.append((command, answer))
            return answer

        return await self.writer.do(noted)

    def _seen(self, connection: apsw.Connection, *, done: bool) -> None:
        doing, self._doing = self._doing, []
        self._tell(doing if done else [])


class VendorParty(Party):
    """A vendor: the gate before a small site, its store, its clearing."""

    def __init__(self, ground: Ground, name: str, home: BrokerParty) -> None:
        """Not founded yet. `home`: where it has its account."""
        super().__init__(ground, name)
        self.home = home
        ground.checks.conserved.homes[name] = home.name
        self.vendor: Vendor | None = None
        self._writer: InlineWriter | None = None
        self.token = ""
        """For its gate."""
        self.sold: tuple[Page, ...] = ()
        """What it sells."""
        self.shows: tuple[Show, ...] = ()
        """What it sells by the tick."""
        self.options: Options = {}
        """How it has set its schemes."""
        self.served = 0
        """Pages that its site has made."""

    @property
    def pages(self) -> tuple[Page, ...]:
        """What it sells to anybody at one price."""
        return tuple(page for page in self.sold if not page.kind)

    def look(self) -> At:
        """Its clock, and fresh entropy."""
        return At(now_s=self.now_s(), entropy=self.ground.entropy(ENTROPY_BYTES))

    def edge(self) -> VendorEdge:
        """This vendor's edge."""
        return VendorEdge(
            look=self.look,
            ticks=self.ground.loop.time,
            entropy=self.ground.entropy,
            open_store=self._open_store,
            connect=self.connect,
        )

    def connect(self, url: str, token: str) -> BrokerClient:
        """The way to its broker."""
        return BrokerLine(url, token, Transport(self.ground.network, self.name))

    def _open_store(self, path: Path) -> SqliteMarks:
        def open_writer(seen: Seen) -> InlineWriter:
            self._writer = self.writer(
                path, tables.SCHEMA, tables.APPLICATION_ID, tables.VERSION, seen
            )
            self.ground.checks.remembered.watch(self.name, self._writer.connection)
            return self._writer

        def tell(done: list[tuple[Any, Any]]) -> None:
            for command, answer in done:
                self.ground.checks.gate_did(self.name, command, answer)
            self.ground.checks.gate_committed(self.name, self.connection, self.forgotten_s)

        return WatchedMarks(open_writer, tell)

    def _open(self) -> None:
        self.vendor = Vendor(self.folder, self.edge())
        self.serve(self._serve)
        self.ground.loop.spawn(self.life, self.vendor.keep_house())

    async def _serve(self, scope: Any, receive: Any, send: Any) -> None:
        """One request at the gate."""
        assert self.vendor is not None, "who answers is up"
        show = self._show_at(scope["path"]) if self.shows else None
        if show is not None:
            serving = Serving(self.ground.checks.streams, show, self.name, scope)
            serving.begin()
            send = serving.tap(send)
        elif page := self._page_at(scope["path"]):
            giving = Giving(self.ground.checks.given, self.name, page, scope["path"])
            giving.begin()
            send = giving.tap(send)
        await self.vendor.serve(self.page, scope, receive, send)

    def _show_at(self, path: str) -> Show | None:
        route = path.rpartition("/")[0]
        return next((show for show in self.shows if show.path == route), None)

    def _page_at(self, path: str) -> Page | None:
        route = path.rpartition("/")[0]
        return next((page for page in self.sold if page.path == route), None)

    def _lose(self) -> None:
        if self.vendor is not None:
            self.vendor.store.close()
        self.vendor = None

    @property
    def connection(self) -> apsw.Connection:
        """To its store, while it is up; for the world's own eyes."""
        assert self._writer is not None, "it is up"
        return self._writer.connection

    def is_private(self, scheme: str) -> bool:
        """Whether it sells this scheme's pages under a seal."""
        return self.vendor is not None and self.vendor.gate.tills[scheme].is_private

    async def page(self, scope: Any, receive: Any, send: Any) -> None:
        """The site behind the gate."""
        self.served += 1
        show = self._show_at(scope["path"]) if self.shows else None
        if show is not None:
            await send_show(show, scope, send, self.ground.luck)
            return
        body = PAGE + scope["path"].encode()
        headers = [(b"content-type", b"text/plain"), (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})


def _router() -> Any:
    more = [*peer_api.ROUTES, *revoking_api.ROUTES]
    router = api.build(cast(Any, None), cast(Any, None), more=more, hot=HOT)
    # Building it configures logs for a server; a world makes thousands of requests a second.
    logging.getLogger("httpx").setLevel(logging.WARNING)
    return router
