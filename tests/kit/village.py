"""A broker, its neighbour and a vendor's gate in one process, each over its own folder and disk.

They are asked as over HTTP, byte by byte, without sockets. `Callers` writes the requests; whatever
needs time is driven by hand, so that one request is all that happens.
"""

import asyncio
import secrets
import time
from collections.abc import Awaitable, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self, TypeVar, cast
from urllib.parse import unquote_to_bytes

import httpx
import msgspec
from litestar import Litestar

from farthing.auditing import audit
from farthing.broker import api, peer_api, revoking_api
from farthing.broker.app import LIST_LIFE_S, Broker
from farthing.broker.courier import HttpCourier
from farthing.broker.edge import Edge as BrokerEdge
from farthing.broker.fast import HOT, Fast
from farthing.broker.journal import balances
from farthing.lab.bad_disk import Disk
from farthing.schemes.contract import At, Json
from farthing.stores.keys import KeyRing
from farthing.vendor import driver
from farthing.vendor.app import Vendor
from farthing.vendor.asgi import App, Receive, Scope, Send
from farthing.vendor.broker_client import BrokerClient, problem_of
from farthing.vendor.edge import Edge as VendorEdge
from farthing.vendor.founding import Config, grants_of, new_keys
from farthing.vendor.lists import BROKER_ROOT_KEY, fetch_keys
from tests.integration.crash.calls import BROKER_ID
from tests.integration.crash.fleet import COMMISSION_E4, VENDOR
from tests.integration.crash.middle import Message
from tests.integration.crash.neighbour import NAME, furnish
from tests.integration.crash.place import Call, newest_claims
from tests.integration.crash.wares import page, prices_of

T = TypeVar("T")
PORTS = {"broker": 1, NAME: 2, "gate": 3}
URLS = {name: f"http://127.0.0.1:{port}" for name, port in PORTS.items()}
RESERVED_S = 61  # a reservation is over
BASE = ("broker", NAME)


class _Exchange(httpx.AsyncBaseTransport):
    """From one party to another of the village."""

    def __init__(self, village: "Village") -> None:
        self._village = village

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        apps = {PORTS[name]: app for name, app in self._village.apps.items()}
        app = apps.get(request.url.port or 0)
        if app is None:
            raise httpx.ConnectError("nobody is there", request=request)
        return await httpx.ASGITransport(app).handle_async_request(request)


class Village:
    """All parties, opened; `later_s` is how far every clock is ahead."""

    # Litestar's routing by party: it is dear to build, and the next village uses it again.
    _routers: ClassVar[dict[str, Litestar]] = {}

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.broker_url, self.gate_url = URLS["broker"], URLS["gate"]
        self.neighbour_url = URLS[NAME]
        self.disks = {name: Disk(folder / name) for name in PORTS}
        self.apps: dict[str, App] = {}
        self.brokers: dict[str, Broker] = {}
        self.tokens: dict[str, dict[str, str]] = {}
        self.admins: dict[str, str] = {}
        self.later_s = 0
        self._fetched_s = 0  # of `later_s`, when the gate last fetched the broker's lists
        self._keys = 0
        self._loop = asyncio.new_event_loop()

    def __enter__(self) -> Self:
        for disk in self.disks.values():
            disk.folder.mkdir()
            disk.__enter__()
        for name, broker_id in zip(BASE, (BROKER_ID, NAME), strict=True):
            self.admins[name] = Broker.init(
                self.folder / name, broker_id=broker_id, currency="eur", url=URLS[name]
            )
            self.open(name)
        self.admin_token = self.admins["broker"]
        vendor = {"id": VENDOR, "role": "vendor", "commissionE4": COMMISSION_E4}
        self.tokens[VENDOR] = self.call("/accounts", vendor)["tokens"]
        self.run(self._found_vendor())
        self.open("gate")
        self.run(self.vendor.fetch_lists())
        self.deposit_token = furnish(
            lambda path, body, token: self.post(NAME, path, body, token), self.admins[NAME]
        )
        return self

    def __exit__(self, *_: object) -> None:
        for name in list(self.apps):
            self.close(name)
        for disk in self.disks.values():
            disk.__exit__()
        self._loop.close()

    # --- parties --------------------------------------------------------------------------------

    def open(self, name: str) -> None:
        """As a process would that starts."""
        if name == "gate":
            edge = VendorEdge(look=self._look, connect=self._connect)
            self.vendor = Vendor(self.folder / name, edge)
            self.apps[name] = self._gate
            return
        broker = Broker.open(
            self.folder / name,
            courier=HttpCourier(_Exchange(self)),
            edge=BrokerEdge(now_s=self.now_s),
        )
        self.brokers[name], self.apps[name] = broker, self._routed(name, broker)

    def _routed(self, name: str, broker: Broker) -> App:
        if name not in self._routers:
            more = [*peer_api.ROUTES, *revoking_api.ROUTES]
            self._routers[name] = api.build(broker.engine, broker, more=more, hot=HOT)
        router = self._routers[name]
        router.state.engine, router.state.documents = broker.engine, broker
        return Fast(broker.engine, cast(App, router), ring=broker.ring)

    def close(self, name: str) -> None:
        del self.apps[name]
        if name == "gate":
            self.run(self.vendor.close())
        else:
            broker = self.brokers.pop(name)
            self.run(broker.courier.close())
            broker.close()

    def reboot(self, name: str) -> None:
        """Whose power was cut: nothing is left but what is on the disk."""
        disk = self.disks[name]
        disk.bury()
        if name in self.apps:
            self.close(name)
        disk.reboot()
        self.open(name)

    def run(self, work: Awaitable[T]) -> T:
        async def finished() -> T:
            return await work

        return self._loop.run_until_complete(finished())

    def _connect(self, url: str, token: str) -> BrokerClient:
        return BrokerClient(url, token, _Exchange(self))

    def _look(self) -> At:
        return At(now_s=self.now_s(), entropy=secrets.token_bytes(driver.ENTROPY_BYTES))

    async def _gate(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.vendor.serve(_gate_site, scope, receive, send)

    # --- asking ---------------------------------------------------------------------------------

    def ask(self, to: str, request: bytes, count: int = 1) -> list[Message]:
        """As `middle.ask`, of one of the village."""
        return [self.run(_exchanged(self.apps[to], request)) for _ in range(count)]

    async def exchange(self, call: Call) -> Message:
        """One request, on the loop that all run on."""
        return await _exchanged(self.apps[call.to], call.request)

    def race(self, calls: Sequence[Call]) -> list[Message]:
        """All at once."""

        async def raced() -> list[Message]:
            return await asyncio.gather(*(self.exchange(call) for call in calls))

        return self.run(raced())

    def call(self, path: str, body: Any = None, *, key: str = "") -> Any:
        """One call of the broker as its operator."""
        return self.post("broker", path, body, self.admins["broker"], key=key)

    def post(self, to: str, path: str, body: Any, token: str, *, key: str = "") -> Any:
        self._keys += 1
        content = b"" if body is None else msgspec.json.encode(body)
        lines = [
            f"{'GET' if body is None else 'POST'} {path} HTTP/1.1",
            f"authorization: Bearer {token}",
            f"idempotency-key: {key or f'village-{self._keys}'}",
            "content-type: application/json",
        ]
        (answer,) = self.ask(to, "\r\n".join([*lines, "", ""]).encode() + content)
        return self.require(answer)

    def require(self, answer: Message) -> Any:
        """What it says; the refusal in it."""
        if answer.status >= 300:
            raise problem_of(answer.body, answer.status)
        return msgspec.json.decode(answer.body)

    def top_up(self, name: str, amount_micro: int, reference: str) -> None:
        body = {"payer": name, "amountMicro": amount_micro, "reference": reference}
        self.call("/topup", body, key=f"topup-{reference}")

    def newest_claims(self, scheme: str) -> list[Json]:
        return self.run(newest_claims(self.vendor, scheme))

    def now_s(self) -> int:
        return int(time.time()) + self.later_s

    def pass_time(self, by_s: int) -> None:
        """Every clock goes on; the gate has the broker's lists as of then."""
        self.later_s += by_s
        if self.later_s >= self._fetched_s + LIST_LIFE_S:
            self._fetched_s = self.later_s
            self.run(self.vendor.fetch_lists())

    def end_overdue(self) -> None:
        """Let every reservation end by time alone, at both brokers."""
        self.pass_time(RESERVED_S)
        for broker in self.brokers.values():
            while self.run(broker.engine.tick()):
                pass

    # --- books ----------------------------------------------------------------------------------

    def require_sound(self) -> None:
        """Both brokers' books add up, recomputed from their journals."""
        for broker in self.brokers.values():
            report = broker.engine.books.committer.read(audit)
            assert report.findings == []
            assert report.ledger_sum_micro == 0

    def balances(self) -> dict[str, int]:
        """Of every account of the broker, debit-positive."""
        return self.brokers["broker"].engine.books.committer.read(balances)

    # --- founding -------------------------------------------------------------------------------

    async def _found_vendor(self) -> None:
        token = self.tokens[VENDOR]["redeem"]
        broker = self._connect(self.broker_url, token)
        document, keys = await fetch_keys(broker)
        data = self.folder / "gate"
        ring = KeyRing.create(data / "ring")
        for key in (*keys, *new_keys(bytes(range(224)), VENDOR, int(time.time()))):
            ring.add(key)
        for scheme, grant in grants_of(ring):
            await broker.post(f"/grant/{scheme}", grant, f"licence-{scheme}")
        await broker.close()
        config = Config(
            vendor_id=VENDOR,
            broker_id=document.broker,
            broker_url=self.broker_url,
            broker_root=next(key.id for key in keys if key.purpose == BROKER_ROOT_KEY),
            currency=document.currency,
        )
        (data / "vendor.json").write_bytes(msgspec.json.encode(config))
        (data / "token").write_text(token)
        (data / "prices.toml").write_text(prices_of())


async def _gate_site(scope: Scope, receive: Receive, send: Send) -> None:
    """The site behind the gate: as the fleet's stock server would."""
    area, name = scope["path"].strip("/").split("/")
    body = page(area, int(name.partition(".")[0])).encode()
    headers = [(b"content-type", b"text/html"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    body = b"" if scope["method"] == "HEAD" else body
    await send({"type": "http.response.body", "body": body})


async def _exchanged(app: App, request: bytes) -> Message:
    """One request through an application, as a server would."""
    head, _, body = request.partition(b"\r\n\r\n")
    first, *lines = head.split(b"\r\n")
    method, target, _ = first.split(b" ")
    path, _, query = target.partition(b"?")
    pairs = (line.partition(b":") for line in lines)
    scope: Scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": method.decode(),
        "scheme": "http",
        "path": unquote_to_bytes(path).decode(),
        "raw_path": path,
        "root_path": "",
        "query_string": query,
        "headers": [(name.lower(), value.strip()) for name, _, value in pairs],
        "client": ("127.0.0.1", 9),
        "server": ("127.0.0.1", 80),
        "state": {},
    }
    parts: list[Any] = []
    waiting = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Any:
        if not waiting:
            await asyncio.Event().wait()
        return waiting.pop()

    async def send(message: Any) -> None:
        parts.append(message)

    await app(scope, receive, send)
    start, *rest = parts
    headers = b"".join(b"%s: %s\r\n" % pair for pair in start["headers"])
    answered = b"HTTP/1.1 %d \r\n%s\r\n" % (start["status"], headers)
    return Message(answered, b"".join(part.get("body", b"") for part in rest))
