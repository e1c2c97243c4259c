"""The broker on a stage: the one that production opens, on the lab's edges, and its commands.

After every command the books are added up. A case compares `snapshot` before and after what must
have changed nothing.
"""

import asyncio
import hashlib
from collections.abc import Callable
from functools import partial
from typing import Any, Literal, TypeVar

import apsw
import httpx
import msgspec

from farthing import codec
from farthing.auditing import audit
from farthing.broker import journal, store
from farthing.broker.app import RING, Broker
from farthing.broker.courier import HttpCourier
from farthing.broker.edge import Edge
from farthing.broker.fast import Fast
from farthing.broker.operations import BEARER
from farthing.broker.people import OpenAccount, TopUp
from farthing.broker.plain import Receive, Scope, Send
from farthing.broker.purposes import SIGNING
from farthing.errors import Refusal, by_name
from farthing.lab.conformance.cases import require, require_equal
from farthing.lab.conformance.room import Room
from farthing.schemes.contract import Json, Key, Operation
from farthing.stores.keys import KeyRing

T = TypeVar("T")

CURRENCY = "eur"
UNCOMPARED = frozenset({"answers", "lines", "sqlite_sequence"})
"""Tables that a refusal may touch: its own stored answer, and an index that reading fills."""
_NEXT = "SELECT min(at_s) FROM due"
_FROZEN = "SELECT key FROM due JOIN records USING (key) WHERE until_s < at_s"


class _KeyLuck:
    """What a broker's keys are drawn from: the same in every room.

    Nothing depends on it, and from some keys others are derived, which takes long.
    """

    def __init__(self, name: str) -> None:
        self._name, self._drawn = name, 0

    def __call__(self, count: int) -> bytes:
        self._drawn += 1
        return hashlib.shake_256(f"{self._name}/{self._drawn}".encode()).digest(count)


class Bank:
    """One broker. What it refuses is raised."""

    def __init__(
        self,
        room: Room,
        name: str = "broker",
        *,
        currency: str = CURRENCY,
        keys: tuple[Key, ...],
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        """A new one; `keys` are those that its schemes share with nobody's founding.

        `transport`: the way to other brokers; by default there are none.
        """
        self.room, self.id, self.currency = room, name, currency
        self.url = f"https://{name}.example"
        self.courier = HttpCourier(transport or httpx.MockTransport(_nobody))
        self.watch: Callable[[Refusal], None] = lambda _: None
        """Sees every refusal."""
        self._folder = room.folder / name
        self._keys = 0
        self._tokens: dict[str, str] = {}
        room.wait_for(self._found(keys))

    async def _found(self, keys: tuple[Key, ...]) -> None:
        Broker.init(
            self._folder,
            broker_id=self.id,
            currency=self.currency,
            url=self.url,
            edge=msgspec.structs.replace(self._edge, entropy=_KeyLuck(self.id)),
        )
        if keys:
            KeyRing.open(self._folder / RING).add(*keys)
        await self._opened()

    async def _opened(self) -> None:
        self._broker = Broker.open(self._folder, edge=self._edge, courier=self.courier)
        self.engine, self.books = self._broker.engine, self._broker.engine.books
        self._facilitator = Fast(self.engine, _nothing, ring=self._broker.ring)

    @property
    def _edge(self) -> Edge:
        return Edge(
            now_s=lambda: self.room.now_s,
            entropy=self.room.entropy,
            open_books=lambda path: self.room.open_writer(
                path, store.SCHEMA, application_id=store.APPLICATION_ID, version=store.VERSION
            ),
        )

    def publics(self) -> tuple[Key, ...]:
        """The public halves of its keys."""
        ring = self._broker.ring
        found = [key for purpose in SIGNING for key in ring.known(purpose)]
        return tuple(msgspec.structs.replace(key, secret=b"") for key in found)

    def close(self) -> None:
        """Stop."""
        self._broker.close()

    def restart(self) -> None:
        """As another process would: nothing is left but the file and the ring."""
        self.close()
        self.room.wait_for(self._opened())

    def next_key(self) -> str:
        """An idempotency key that nobody has used."""
        self._keys += 1
        return f"key-{self._keys}"

    # --- people -----------------------------------------------------------------------------------

    def admit(self, name: str, role: Literal["payer", "vendor", "broker"], **fields: Any) -> None:
        """Open an account."""
        asked = OpenAccount(id=name, role=role, **fields)
        answer = self.room.wait_for(self.engine.people.open(asked, self.next_key()))
        tokens = msgspec.json.decode(answer)["tokens"]
        self._tokens[name] = tokens.get("redeem", tokens.get("pay", ""))

    def top_up(self, name: str, amount_micro: int) -> None:
        """Money comes in at the bank."""
        key = self.next_key()
        asked = TopUp(payer=name, amount_micro=amount_micro, reference=key)
        self.room.wait_for(self.engine.people.top_up(asked, key))

    # --- what mints do ----------------------------------------------------------------------------

    def operate(
        self, scheme: str, operation: Operation, message: Json, who: str, key: str = ""
    ) -> bytes:
        """The body that answers one message to a mint, as its route does; any refusal."""
        answer: bytes = self._done(self.operation(scheme, operation, message, who, key))
        return answer

    def operate_all(
        self, scheme: str, operation: Operation, message: Json, who: str, keys: list[str]
    ) -> list[bytes | Refusal]:
        """The same message under several keys, all at once."""
        return self._at_once([self.operation(scheme, operation, message, who, key) for key in keys])

    async def operation(
        self, scheme: str, operation: Operation, message: Json, who: str, key: str
    ) -> bytes:
        """As `operate`."""
        account = BEARER
        message = codec.read_json(codec.canonical(message))
        if who or not self.books.mint(scheme).is_bearer(operation, message):
            acting: Literal["payer", "vendor"] = "payer" if operation != "grant" else "vendor"
            account = self.books.account(who, acting)
        return await self.engine.operations.run(
            scheme, operation, message, account, key or self.next_key()
        )

    def redeem(
        self, scheme: str, claims: list[Json], who: str, key: str = ""
    ) -> list[dict[str, Json]]:
        """One result for each claim; any refusal of the whole batch."""
        found: list[dict[str, Json]] = self._done(
            self.redeeming(scheme, claims, who, key or self.next_key())
        )
        return found

    def redeem_all(
        self, scheme: str, claim: Json, whose: list[str]
    ) -> list[list[dict[str, Json]] | Refusal]:
        """The same claim, shown by several vendors at once."""
        return self._at_once(
            [self.redeeming(scheme, [claim], who, self.next_key()) for who in whose]
        )

    async def redeeming(
        self, scheme: str, claims: list[Json], who: str, key: str
    ) -> list[dict[str, Json]]:
        """As `redeem`."""
        raw = [codec.canonical(claim) for claim in claims]
        account = self.books.account(who, "vendor")
        answer = await self.engine.redeeming.redeem(scheme, raw, account, key)
        results: list[dict[str, Json]] = msgspec.json.decode(answer)["results"]
        for result in results:
            if result["state"] == "refused":
                self.watch(by_name(result["refusal"], result["code"], result["detail"]))
        return results

    def facilitate(self, call: str, message: Json, who: str) -> Json:
        """`settle`, `capture` or `void`, as it goes over HTTP."""
        return self._done(self.facilitating(call, message, who))

    async def facilitating(self, call: str, message: Json, who: str) -> Json:
        """As `facilitate`."""
        sent: list[dict[str, Any]] = []
        token = f"Bearer {self._tokens[who]}".encode()

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": codec.canonical(message)}

        async def send(event: Any) -> None:
            sent.append(event)

        scope = {
            "type": "http", "method": "POST", "path": f"/{call}",
            "headers": [(b"authorization", token)],
        }  # fmt: skip  # - one request
        await self._facilitator(scope, receive, send)
        answer: Any = codec.read_json(sent[1]["body"])
        if sent[0]["status"] != 200:
            raise by_name(answer["refusal"], answer["code"], answer["detail"])
        return answer

    def tick(self) -> None:
        """What time alone does, until there is no more of it."""
        while self._done(self.engine.tick()):
            pass

    # --- what it all comes to ---------------------------------------------------------------------

    def balances(self) -> dict[str, int]:
        """Signed micro-units by account."""
        return self.books.committer.read(journal.balances)

    def has_micro(self, kind: str, name: str = "") -> int:
        """What accounts of this kind have, debts counted up: `payer`, `vendor`, `credit` ..."""
        side = "asset" if kind in {"credit", "bank", "peer"} else "liability"
        sign = 1 if side == "asset" else -1
        prefix = f"{side}/{kind}/{name}"
        return sign * sum(
            micro
            for account, micro in self.balances().items()
            if account == prefix or (not name and account.startswith(prefix))
        )

    def snapshot(self) -> dict[str, list[tuple[Any, ...]]]:
        """Every row of every table, but of answers that are stored for repeats."""
        return self.books.committer.read(_rows)

    def next_due_s(self) -> int | None:
        """When the broker looks at a record next; None where none waits for that."""
        found = self.books.committer.read(lambda rows: rows.execute(_NEXT).get)
        return None if found is None else int(str(found))

    def require_sound(self) -> None:
        """The independent audit finds nothing, and nothing is reserved for ever."""
        frozen = self.books.committer.read(lambda rows: rows.execute(_FROZEN).fetchall())
        require(not frozen, "what is looked at once is not forgotten before", frozen)
        report = self.books.committer.read(partial(audit, now_s=self.room.now_s))
        require(not report.findings, "the books are in order", report.findings)
        require_equal(report.ledger_sum_micro, 0, "the books sum to zero")

    def _done(self, work: Any) -> Any:
        try:
            return self.room.wait_for(work)
        except Refusal as refusal:
            self.watch(refusal)
            raise
        finally:
            require_equal(sum(self.balances().values()), 0, "the books sum to zero")

    def _at_once(self, works: list[Any]) -> list[Any]:
        async def gathered() -> list[Any]:
            return list(await asyncio.gather(*(_outcome(work) for work in works)))

        found: list[Any] = self._done(gathered())
        for one in found:
            if isinstance(one, Refusal):
                self.watch(one)
        return found


async def _outcome(work: Any) -> Any:
    try:
        return await work
    except Refusal as refusal:
        return refusal


def _rows(connection: apsw.Connection) -> dict[str, list[tuple[Any, ...]]]:
    tables = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall()
    return {
        str(name): connection.execute(f"SELECT * FROM {name}").fetchall()  # noqa: S608 - our tables
        for (name,) in tables
        if name not in UNCOMPARED
    }


def _nobody(request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("no such broker", request=request)


async def _nothing(scope: Scope, receive: Receive, send: Send) -> None:
    raise AssertionError(f"{scope['path']} is not on this stage")
