"""A broker's file with everything in it, and what thieves do to it with plain SQL."""

import asyncio
import contextlib
import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import apsw
import msgspec

from farthing.auditing import audit_file
from farthing.broker import journal
from farthing.broker.engine import Transfer
from farthing.broker.people import OpenAccount, PayOut
from farthing.broker.settling import Payment
from farthing.errors import OutOfRange
from farthing.lab.faults import CALM
from farthing.lab.world import World
from farthing.ledger import accounts
from farthing.rails.manual import PayoutState
from tests.unit.broker.desk import Desk, open_desk

PAYEE = "iban-of-v7"
RATE_E4 = 333  # leaves something over at every rounding


async def trade(desk: Desk) -> None:
    """A few days at a broker: every kind of entry, some of them twice."""
    for name, limit_micro in (("alice", 5_000), ("bob", 0)):
        await desk.open(name, credit_limit_micro=limit_micro)
        await desk.top_up(name, 40_000_000, f"bank-{name}")
    await desk.open("v7", role="vendor", commission_e4=RATE_E4, payout_to=PAYEE)
    await desk.open("v8", role="vendor", commission_e4=RATE_E4)
    coupons = [await desk.coupon("alice", 1_001, f"c{number}") for number in range(6)]
    for number, vendor in enumerate(("v7", "v7", "v8")):
        await redeem(desk, "coupon", coupons[number], vendor, f"batch-{number}")
    for index in (7, 20, 1_900):
        await redeem(desk, "tab", {"payer": "bob", "index": index}, "v7", f"tab-{index}")
    alice, v7 = desk.account("alice"), desk.account("v7")
    await desk.engine.operations.run("coupon", "take_back", coupons[3], alice, "back")
    settling = desk.engine.settling
    for number, coupon in enumerate(coupons[4:]):
        payment = Payment(scheme="coupon", payload=coupon, amount_micro=1_001)
        reserved = await settling.settle(payment, v7, "void")
        end = settling.void if number else settling.capture
        await end(reserved.tx, reserved.reservation, v7)
    transfer = Transfer(id="a1" * 16, to="vendor/v7", amount_micro=30_000_000)
    await desk.engine.transfer("alice", transfer)
    people = desk.engine.people
    for number, end_state in enumerate((PayoutState.CONFIRMED, PayoutState.RETURNED)):
        asked = PayOut(amount_micro=10_000_000)
        answer = await people.pay_out("v7", asked, f"payout-{number}")
        payout = msgspec.json.decode(answer)["payout"]
        people.export_payouts()
        await people.step_payout(payout, PayoutState.EXPORTED, f"e{number}")
        await people.step_payout(payout, end_state, f"s{number}")
    await people.change(OpenAccount(id="alice", credit_limit_micro=9_000), "raise")
    await people.change(OpenAccount(id="v8", role="vendor", commission_e4=RATE_E4 + 1), "rate")
    desk.now_s += 5_000  # longer than a coupon lives
    while await desk.engine.tick():
        pass
    desk.committer.do_now(journal.index_lines)  # as a statement does, of the entries until now
    await desk.coupon("bob", 500_000, "kept")  # what others hold hides what is stolen
    last = await desk.coupon("alice", 500, "last")
    await redeem(desk, "coupon", last, "v8", "batch-last")


async def redeem(desk: Desk, scheme: str, claim: Any, vendor: str, key: str) -> None:
    raw = [msgspec.json.encode(claim)]
    answer = await desk.engine.redeeming.redeem(scheme, raw, desk.account(vendor), key)
    assert msgspec.json.decode(answer)["results"][0]["state"] == "paid"


def make_books(path: Path) -> None:
    """The file of such a broker."""

    async def run() -> None:
        async with open_desk(path) as desk:
            desk.committer.do_now(
                lambda db: db.execute("INSERT INTO settings VALUES ('currency', 'eur')")
            )
            await trade(desk)

    asyncio.run(run())


_LINE = (
    "INSERT INTO lines VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET amount = amount + excluded.amount"
)


# By scheme: the account of what is sold, and the record of it.
_SOLD: dict[str, Callable[[int], tuple[str, bytes, bytes]]] = {
    "ecash": lambda micro: ("ecash/e9-k1", b"ecash/out/9-k1", str(micro).encode()),
    "millicent": lambda micro: ("millicent/v8", b"millicent/pool/v8/1", pool(micro)),
    "netcash": lambda micro: ("netcash", b"netcash/live/9/s", micro.to_bytes(8) + bytes(32)),
}


def pool(sold_micro: int) -> bytes:
    """MilliCent's record of what was sold."""
    found = {"redeemed_micro": 0, "returned_micro": 0, "sold_micro": sold_micro}
    return json.dumps(found).encode()


class Thief:
    """Somebody with the file, SQL and the time to write the chain of hashes anew."""

    def __init__(self, path: Path) -> None:
        self.connection = apsw.Connection(str(path))
        self.run = self.connection.execute
        self.run("PRAGMA synchronous = OFF")

    def entries(self, kind: str) -> list[tuple[int, dict[str, Any]]]:
        rows: list[Any] = self.run(
            "SELECT seq, CAST(body AS TEXT) FROM entries ORDER BY seq"
        ).fetchall()
        found = [(seq, json.loads(body)) for seq, body in rows]
        return [(seq, body) for seq, body in found if body["kind"] == kind]

    def find(self, kind: str) -> tuple[int, dict[str, Any]]:
        return self.entries(kind)[0]

    def rewrite(self, seq: int, body: dict[str, Any]) -> None:
        raw = json.dumps(body, sort_keys=True, separators=(",", ":")).encode()
        entry_id = bytes.fromhex(body["id"])
        self.run("UPDATE entries SET body = ?, id = ? WHERE seq = ?", (raw, entry_id, seq))

    def insert(self, body: dict[str, Any]) -> None:
        """Append an entry, as of now."""
        last = json.loads(
            self.run("SELECT CAST(body AS TEXT) FROM entries ORDER BY seq DESC LIMIT 1").get
        )
        body = body | {"at_s": max(body.get("at_s", 0), last["at_s"])}
        raw = json.dumps(body, sort_keys=True, separators=(",", ":")).encode()
        entry_id = bytes.fromhex(body["id"])
        self.run("INSERT INTO entries (id, body, hash) VALUES (?, ?, x'')", (entry_id, raw))

    def append(
        self, kind: str, ref: str, moved: dict[str, int], *notes: str, number: int = 0
    ) -> None:
        """An entry of the thief's own, with the balances moved along."""
        body: dict[str, Any] = {"id": f"{0xAB + number:032x}", "kind": kind, "ref": ref}
        body["postings"] = [[name, micro] for name, micro in moved.items()]
        self.insert(body | ({"notes": list(notes)} if notes else {}))
        self.rebalance()

    def sell(self, scheme: str, micro: int = 900_000) -> None:
        """What bob holds of a scheme, honestly: a theft out of it leaves every floor alone."""
        name, key, value = _SOLD[scheme](micro)
        out = f"liability/outstanding/{name}"
        self.append("issue", scheme, {"liability/payer/bob": micro, out: -micro}, number=1_000)
        self.run("INSERT INTO records VALUES (?, ?, ?)", (key, value, 2**40))
        self.run("INSERT INTO due VALUES (?, ?, ?)", (2**40, scheme, key))

    def drop(self, seq: int) -> None:
        """Take an entry out and close the gap."""
        self.run("DELETE FROM entries WHERE seq = ?", (seq,))
        self.run("UPDATE entries SET seq = -seq WHERE seq > ?", (seq,))
        self.run("UPDATE entries SET seq = -seq - 1 WHERE seq < 0")

    def move(self, account: str, micro: int) -> None:
        """Make a balance what it has to be."""
        self.run("UPDATE accounts SET balance = balance + ? WHERE name = ?", (micro, account))

    def rebalance(self) -> None:
        """Write balances and statements anew from the journal as it now is, as the broker would."""
        self.run("UPDATE accounts SET balance = 0; DELETE FROM lines")
        query = "SELECT CAST(value AS INTEGER) FROM settings WHERE name = 'indexed'"
        indexed = self.run(query).get or 0
        rows: list[Any] = self.run("SELECT seq, CAST(body AS TEXT) FROM entries").fetchall()
        for seq, raw in rows:
            for account, micro in json.loads(raw)["postings"]:
                self.run("INSERT OR IGNORE INTO accounts VALUES (?, 0, ?, ?)", bounds(account))
                self.move(account, micro)
                if seq <= indexed:
                    self.run(_LINE, (account, seq, micro))
        self.run("DELETE FROM accounts WHERE name LIKE 'liability/hold/%' AND balance = 0")

    def rechain(self) -> None:
        """Write the chain of hashes anew."""
        head = bytes(32)
        rows: list[Any] = self.run(
            "SELECT seq, CAST(body AS BLOB) FROM entries ORDER BY seq"
        ).fetchall()
        for seq, body in rows:
            head = hashlib.sha256(head + body).digest()
            self.run("UPDATE entries SET hash = ? WHERE seq = ?", (head, seq))


def bounds(account: str) -> tuple[str, int, int]:
    """(name, lowest, highest) of a fresh account; anything for one that the chart lacks."""
    try:
        rule = accounts.rule_of(account)
    except OutOfRange:
        return account, -(2**60), 2**60
    return account, rule.low_micro, rule.high_micro


Theft = Callable[[Thief], None]


def kept_books(folder: Path, scheme: str, *, seed: int, steps: int) -> Path:
    """A broker's file after a while of a scheme's business in calm weather, in order."""
    path = folder / "broker.db"
    with World(seed, [scheme]) as world:
        world.run(world.act(range(steps), CALM))
        world.broker.connection.execute("VACUUM INTO ?", (str(path),))
    assert audit_file(path).findings == []
    return path


@contextlib.contextmanager
def thief_of(books: Path, folder: Path) -> Iterator[Thief]:
    """Somebody with a copy of these."""
    shutil.copy(books, folder / "broker.db")
    found = Thief(folder / "broker.db")
    try:
        yield found
    finally:
        found.connection.close()
