"""A mint over a real file, and a wallet on paper that speaks to its routes."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import apsw
import httpx
import msgspec

from farthing.broker.cashu.routes import Routes
from farthing.broker.cashu.spending import PAYOUT_KEY
from farthing.crypto import bdhke
from farthing.schemes.coin.cashu.keysets import KEYSET_KEY, Keyset
from farthing.schemes.coin.cashu.messages import Proof, Signature
from farthing.schemes.contract import Key
from tests.kit import cashu
from tests.kit.cashu import Blank
from tests.unit.broker.desk import Desk, open_desk

EURO_MICRO = 1_000_000
Json = dict[str, Any]


class Refused(Exception):  # noqa: N818 - as the refusals that it carries
    def __init__(self, status: int, body: Json) -> None:
        super().__init__(f"{status} {body}")
        self.status = status
        self.body = body

    @property
    def code(self) -> int | str:
        """The number that wallets know, or the rule as accounts hear it."""
        found: int | str = self.body["code"]
        return found


class Stall:
    def __init__(self, desk: Desk, http: httpx.AsyncClient, unit: str = "eur") -> None:
        self.desk = desk
        self.http = http
        self.unit = unit
        self.tokens: dict[str, str] = {}

    def beside(self, unit: str) -> "Stall":
        """The same broker's mint of another unit."""
        other = Stall(self.desk, self.http, unit)
        other.tokens = self.tokens
        return other

    async def open(self, name: str, **fields: Any) -> None:
        self.tokens[name] = (await self.desk.open(name, **fields))["pay"]

    async def send(self, method: str, path: str, body: object = None, **headers: str) -> Any:
        raw = body if isinstance(body, bytes) else msgspec.json.encode(body)
        answer = await self.http.request(
            method,
            f"/cashu/{self.unit}/{path}",
            content=raw if body is not None else b"",
            headers=headers,
        )
        if answer.status_code != 200:
            raise Refused(answer.status_code, answer.json())
        found = answer.json()
        assert "detail" not in found, "wallets take it for an error"
        return found

    async def post(self, path: str, body: object) -> Any:
        return await self.send("POST", f"v1/{path}", body)

    async def get(self, path: str) -> Any:
        return await self.send("GET", f"v1/{path}")

    async def keyset(self) -> Keyset:
        (found,) = (await self.get("keys"))["keysets"]
        keys = {int(amount): key for amount, key in found["keys"].items()}
        keyset = Keyset(unit=found["unit"], keys=keys, final_expiry=found["final_expiry"])
        keyset.require_id(found["id"])
        return keyset

    async def blanks(self, amount: int) -> list[Blank]:
        return cashu.blanks((await self.keyset()).id, amount)

    async def quote(self, amount: int, **more: object) -> Json:
        found: Json = await self.post(
            "mint/quote/bolt11", {"amount": amount, "unit": self.unit} | more
        )
        return found

    async def pay(self, quote: Json, name: str = "alice") -> Json:
        path = quote["request"].partition(f"/cashu/{self.unit}/")[2]
        found: Json = await self.send("POST", path, authorization=f"Bearer {self.tokens[name]}")
        return found

    async def signed(self, path: str, body: Json, blanks: Sequence[Blank]) -> tuple[Proof, ...]:
        answer = await self.post(path, body)
        return await self.unblinded(blanks, answer["signatures"])

    async def unblinded(self, blanks: Sequence[Blank], found: list[Json]) -> tuple[Proof, ...]:
        signatures = msgspec.convert(found, tuple[Signature, ...])
        return cashu.coins(blanks, signatures, (await self.keyset()).keys)

    async def load(self, amount: int) -> tuple[Proof, ...]:
        quote = await self.quote(amount)
        await self.pay(quote)
        blanks = await self.blanks(amount)
        return await self.signed("mint/bolt11", mint_of(quote, blanks), blanks)

    async def swap(self, inputs: Sequence[Proof], blanks: Sequence[Blank]) -> tuple[Proof, ...]:
        return await self.signed("swap", spend_of(inputs, blanks), blanks)

    async def code(self, amount: int, name: str = "alice", key: str = "k1") -> Json:
        headers = {"authorization": f"Bearer {self.tokens[name]}", "idempotency-key": key}
        found: Json = await self.send("POST", "payouts", {"amount": amount}, **headers)
        return found

    async def melt_quote(self, request: str) -> Json:
        found: Json = await self.post("melt/quote/bolt11", {"request": request, "unit": self.unit})
        return found

    async def state(self, coin: Proof) -> str:
        (found,) = (await self.post("checkstate", {"Ys": [y_of(coin)]}))["states"]
        state: str = found["state"]
        return state

    def rotate(self, name: str = "2", not_after_s: int = 0) -> None:
        secret = cashu.scalar(f"keyset {name}")
        key = Key(id=name, purpose=KEYSET_KEY, secret=secret, not_after_s=not_after_s)
        self.desk.ring.add(key)

    def rows(self) -> int:
        """How many the broker's file has, in all its tables."""

        def count(connection: apsw.Connection) -> int:
            names = connection.execute("SELECT name FROM sqlite_schema WHERE type='table'")
            counts = [f"SELECT count(*) FROM {name}" for (name,) in names]  # noqa: S608 - its own
            return sum(connection.execute(count).get for count in counts)

        return self.desk.committer.read(count)

    def outstanding(self) -> int:
        return -self.desk.balance(f"liability/outstanding/cashu/{self.unit}")


def y_of(coin: Proof) -> str:
    return bdhke.hash_to_curve(coin.secret.encode()).format().hex()


def spend_of(inputs: Sequence[Proof], blanks: Sequence[Blank]) -> Json:
    return {"inputs": list(inputs), "outputs": [blank.output for blank in blanks]}


def mint_of(quote: Json, blanks: Sequence[Blank], **more: object) -> Json:
    return {"quote": quote["quote"], "outputs": [blank.output for blank in blanks]} | more


def at_the_stall(path: Path, conversation: Callable[[Stall], Awaitable[None]]) -> None:
    """Run a conversation with a fresh broker; afterwards its books must be in order."""

    async def run() -> None:
        async with open_desk(path / "broker.db") as desk:
            desk.ring.add(Key(id="p", purpose=PAYOUT_KEY, secret=cashu.scalar("payout")))
            transport = httpx.ASGITransport(Routes(desk.engine))
            async with httpx.AsyncClient(transport=transport, base_url="http://b") as http:
                stall = Stall(desk, http)
                stall.rotate("1")
                await stall.open("alice")
                await desk.top_up("alice", 1_000 * EURO_MICRO, "in 1")
                await conversation(stall)

    asyncio.run(run())
