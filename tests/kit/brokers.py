"""Two real brokers: a payer's in the north, a vendor's in the south, and what may happen between.

Both are opened over their own folders and spoken to over HTTP without sockets. What goes from north
to south passes a `Wire`, which may lose it, lose the answer, or be where the north dies.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx

from farthing.auditing import Report, audit
from farthing.broker.app import Broker, asgi_app
from farthing.broker.courier import HttpCourier
from farthing.broker.edge import REAL, Edge
from farthing.broker.journal import balance, balances
from farthing.schemes.contract import Asked, Instrument, Need, Setting
from farthing.schemes.mac.millicent import MILLICENT
from farthing.schemes.mac.millicent.purse import MillicentPurse
from tests.kit.millicent import licence, vendor_ring
from tests.kit.parties import DAY_S, VENDOR, Clock, Ring, Vendor

NORTH, SOUTH = "north", "south"
HERE, THERE = "https://north.example", "https://south.example"
DEPOSIT_MICRO = 100_000  # of the north at the south
ALICE_MICRO = 50_000


class DiedError(Exception):
    """The north is gone, in the middle of something."""


class Wire(httpx.AsyncBaseTransport):
    """From north to south. `faults` are popped one for each message that is no introduction."""

    def __init__(self) -> None:
        self.inner: httpx.AsyncBaseTransport | None = None
        self.faults: list[str] = []
        self.keys: list[str] = []
        """Idempotency keys that the south has seen."""
        self.dead, self.read = asyncio.Event(), asyncio.Event()
        """Set by the test, and by the wire: see "down late" and "reply late"."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        fault = self.faults.pop(0) if self.faults and request.method == "POST" else ""
        if fault == "down":
            raise httpx.ConnectError("nobody is there", request=request)
        if fault == "down late":  # found dead only when another message has been read
            await self.read.wait()
            raise httpx.ConnectError("nobody is there", request=request)
        if fault == "lost":
            raise httpx.ReadTimeout("no answer", request=request)
        if fault == "died before":
            raise DiedError
        assert self.inner is not None
        if request.method == "POST":
            self.keys.append(request.headers["idempotency-key"])
        answer = await self.inner.handle_async_request(request)
        if fault == "reply late":
            self.read.set()
            await self.dead.wait()
            return answer
        if fault == "reply lost":
            raise httpx.ReadTimeout("no answer", request=request)
        if fault == "died after":
            raise DiedError
        if fault:
            body = fault.encode()
            return httpx.Response(200, content=b'{"answer":' + body + b"}", request=request)
        return answer


class Brokers:
    """Both, with alice in the north and the vendor in the south."""

    def __init__(self, path: Path, edge: Edge = REAL) -> None:
        self._edge = edge
        self.path = path
        self.wire = Wire()
        self.clock = Clock()
        self.clock.now_s = int(time.time())
        self.tokens: dict[str, str] = {}
        self.vendor = Vendor(MILLICENT, vendor_ring(), self.clock)
        self.purse = self.purse_with()
        self._keys = 0
        for name, url in ((NORTH, HERE), (SOUTH, THERE)):
            self.tokens[f"{name} operator"] = Broker.init(
                path / name, broker_id=name, currency="eur", url=url
            )

    def purse_with(self, **options: Any) -> MillicentPurse:
        """Alice's purse for the south's vendors, or with `home` left out for her own broker's."""
        found = {"home": NORTH} | options
        return MillicentPurse(Setting(broker_id=SOUTH, currency="eur", ring=Ring(), options=found))

    def open(self) -> None:
        self.south = Broker.open(self.path / SOUTH, edge=self._edge)
        self.wire.inner = httpx.ASGITransport(asgi_app(self.south))
        self.north = Broker.open(self.path / NORTH, courier=HttpCourier(self.wire), edge=self._edge)
        self.clients = {
            name: httpx.AsyncClient(transport=httpx.ASGITransport(asgi_app(broker)), base_url=url)
            for name, broker, url in ((NORTH, self.north, HERE), (SOUTH, self.south, THERE))
        }

    async def close(self) -> None:
        for client in self.clients.values():
            await client.aclose()
        await self.north.courier.close()
        self.north.close()
        self.south.close()

    async def restart(self) -> None:
        """As after a crash: nothing is left but what is on the disk."""
        await self.close()
        self.open()

    async def found(self) -> None:
        """Accounts, money, the vendor's licence, and the peering."""
        await self.made(NORTH, "alice", "payer")
        await self.made(SOUTH, "broker-north", "payer")
        await self.made(SOUTH, VENDOR, "vendor")
        await self.funded(NORTH, "alice", ALICE_MICRO)
        await self.funded(SOUTH, "broker-north", DEPOSIT_MICRO)
        grant = licence(self.vendor.ring, notAfterS=self.clock.now_s + 90 * DAY_S)
        await self.ok(SOUTH, f"{SOUTH} {VENDOR}", "/grant/millicent", grant)
        await self.ok(NORTH, f"{NORTH} operator", "/peers", self.peer())

    def peer(self, **changed: Any) -> dict[str, Any]:
        token = self.tokens[f"{SOUTH} broker-north"]
        return {"id": SOUTH, "url": THERE, "token": token} | changed

    async def made(self, where: str, name: str, role: str) -> None:
        body = {"id": name, "role": role}
        answer = await self.ok(where, f"{where} operator", "/accounts", body)
        scope = "redeem" if role == "vendor" else "pay"
        self.tokens[f"{where} {name}"] = answer["tokens"][scope]

    async def funded(self, where: str, name: str, micro: int) -> None:
        self._keys += 1
        body = {"payer": name, "amountMicro": micro, "reference": f"r{self._keys}"}
        await self.ok(where, f"{where} operator", "/topup", body)

    async def post(
        self, where: str, who: str, path: str, body: Any, key: str = ""
    ) -> httpx.Response:
        self._keys += 1
        headers = {"idempotency-key": key or f"key-{self._keys}"}
        if who:
            headers["authorization"] = f"Bearer {self.tokens[who]}"
        return await self.clients[where].post(path, json=body, headers=headers)

    async def ok(self, where: str, who: str, path: str, body: Any, key: str = "") -> Any:
        answer = await self.post(where, who, path, body, key)
        assert answer.is_success, answer.text
        return answer.json()

    async def get(self, where: str, who: str, path: str) -> Any:
        headers = {"authorization": f"Bearer {self.tokens[who]}"}
        return (await self.clients[where].get(path, headers=headers)).json()

    def order(self, micro: int = 2_000, vendor: str = VENDOR, **need: Any) -> Asked:
        wanted = Need(amount_micro=micro, currency="eur", vendor_id=vendor, **need)
        return self.purse.ask(wanted, self.clock.at())

    async def ask(self, asked: Asked, key: str) -> httpx.Response:
        """An order of alice's at her broker."""
        who = "" if asked.bearer else f"{NORTH} alice"
        path = {"issue": "issue", "take_back": "take-back"}[asked.operation]
        return await self.post(NORTH, who, f"/{path}/millicent", asked.message, key)

    def received(self, asked: Asked, answer: httpx.Response) -> tuple[Instrument, ...]:
        assert answer.is_success, answer.text
        found = self.purse.receive(asked, answer.json()["answer"], self.clock.at())
        assert not isinstance(found, Asked)
        return found

    async def buy(self, micro: int = 2_000) -> Instrument:
        asked = self.order(micro)
        self._keys += 1
        return self.received(asked, await self.ask(asked, f"buy-{self._keys}"))[0]

    def burned(self, piece: Instrument, purse: MillicentPurse | None = None) -> Asked:
        """The vendor has burned it; what alice then tells her broker."""
        purse = purse or self.purse
        first = purse.give_back(piece, self.clock.at())
        second = purse.receive(first, self.vendor.burn(first.message), self.clock.at())
        assert isinstance(second, Asked)
        return second

    def at(self, where: str, account: str) -> int:
        """What an account has, debts counted up."""
        broker = self.north if where == NORTH else self.south
        sign = 1 if account.startswith("asset/") else -1
        return sign * broker.engine.books.committer.read(lambda db: balance(db, account))

    def audits(self) -> tuple[Report, Report]:
        north, south = (
            broker.engine.books.committer.read(audit) for broker in (self.north, self.south)
        )
        return north, south

    def require_sound(self, *, holding: bool = False) -> None:
        """Both books sum to zero, agree on what stands between them, and hold nothing."""
        for report in self.audits():
            assert report.findings == []
            assert report.ledger_sum_micro == 0
        names = self.north.engine.books.committer.read(balances)
        held = [name for name in names if name.startswith("liability/hold/")]
        assert bool(held) is holding
        if not holding:
            spent_micro = DEPOSIT_MICRO - self.at(SOUTH, "liability/payer/broker-north")
            assert self.at(NORTH, f"asset/peer/{SOUTH}") == -spent_micro


def with_brokers(path: Path, talk: Callable[[Brokers], Awaitable[None]]) -> None:
    """A conversation with both; afterwards their books must be in order."""

    async def run() -> None:
        brokers = Brokers(path)
        brokers.open()
        try:
            await brokers.found()
            await talk(brokers)
            brokers.require_sound()
        finally:
            await brokers.close()

    asyncio.run(run())
