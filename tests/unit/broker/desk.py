"""A broker's engine over a real file, with a clock and a randomness that the test turns."""

import asyncio
import contextlib
import hashlib
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import msgspec

from farthing import auditing
from farthing.broker import journal, store
from farthing.broker.books import Books, Identity
from farthing.broker.checks import Checks
from farthing.broker.courier import HttpCourier
from farthing.broker.engine import Engine
from farthing.broker.people import OpenAccount, TopUp, hash_of, new_token
from farthing.broker.vault import Vault
from farthing.schemes.contract import Account, Key
from farthing.stores.commit import Committer
from tests.unit.broker.coupon import mints, ring_for_tests

START_S = 1_800_000_000


def _nobody(request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("nobody is there", request=request)


class Desk:
    """An engine and the knobs that a test turns."""

    def __init__(self, path: Path) -> None:
        self.now_s = START_S
        self.expected: set[str] = set()
        """What the auditor finds in the end, where a test books what no broker would."""
        self._drawn, self._seed = 0, secrets.token_bytes(16)  # no two desks on a file are alike
        self.committer = Committer(
            path, store.SCHEMA, application_id=store.APPLICATION_ID, version=store.VERSION
        )
        self.operator_token = new_token(self._entropy(24))
        token_hash = hash_of(self.operator_token)
        self.committer.do_now(
            lambda db: store.add_token(db, token_hash, store.OPERATOR, ("admin",))
        )
        ring = ring_for_tests()
        self.ring = ring
        made = mints(ring)
        self.books = Books(
            committer=self.committer,
            identity=Identity(broker_id="test-broker", currency="eur", url="https://b.example"),
            mints=made,
            ring=ring,
            vault=Vault(Key(id="1", purpose="vault", secret=bytes(32))),
            now_s=lambda: self.now_s,
            entropy=self._entropy,
        )
        self.engine = Engine(self.books, Checks(made), HttpCourier(httpx.MockTransport(_nobody)))

    def _entropy(self, count: int) -> bytes:
        self._drawn += 1
        return hashlib.sha256(self._seed + self._drawn.to_bytes(8)).digest()[:count]

    async def open(self, name: str, **fields: Any) -> dict[str, str]:
        answer = await self.engine.people.open(OpenAccount(id=name, **fields), f"open {name}")
        tokens: dict[str, str] = msgspec.json.decode(answer)["tokens"]
        return tokens

    async def top_up(self, payer: str, amount_micro: int, reference: str) -> None:
        asked = TopUp(payer=payer, amount_micro=amount_micro, reference=reference)
        await self.engine.people.top_up(asked, reference)

    def account(self, name: str) -> Account:
        return self.books.account(name)

    def balance(self, account: str) -> int:
        return self.committer.read(lambda db: journal.balance(db, account))

    def balances(self) -> dict[str, int]:
        return self.committer.read(journal.balances)

    def audit(self) -> auditing.Report:
        return self.committer.read(partial(auditing.audit, now_s=self.now_s))

    async def coupon(self, payer: str, micro: int, key: str) -> dict[str, Any]:
        answer = await self.engine.operations.run(
            "coupon", "issue", {"micro": micro}, self.account(payer), key
        )
        coupon: dict[str, Any] = msgspec.json.decode(answer)["answer"]
        return coupon


@contextlib.asynccontextmanager
async def open_desk(path: Path) -> AsyncIterator[Desk]:
    desk = Desk(path)
    try:
        yield desk
        assert sum(desk.balances().values()) == 0
        assert {finding.code for finding in desk.audit().findings} == desk.expected
    finally:
        desk.committer.close()


def with_desk(path: Path, conversation: Callable[[Desk], Awaitable[None]]) -> None:
    """Run a conversation with a fresh broker; afterwards its books must be in order."""

    async def run() -> None:
        async with open_desk(path / "broker.db") as desk:
            await conversation(desk)

    asyncio.run(run())
