"""What moves in a village's books, what an answer says, and whether files are sound."""

import contextlib
import re
import time
from collections import Counter
from typing import cast

import apsw
import msgspec

from farthing.errors import Refusal
from farthing.ledger import accounts
from farthing.stores.commit import Committer
from tests.integration.crash.calls import PAYER
from tests.integration.crash.fleet import VENDOR
from tests.integration.crash.middle import Message
from tests.integration.crash.neighbour import NAME
from tests.integration.crash.place import Call
from tests.integration.crash.test_lost_reply import UNCOUNTED
from tests.kit.village import Village

STORES = {"broker": "broker.db", NAME: "broker.db", "gate": "marks.db"}
NEW = re.compile("[nv][0-9a-f]{12}")  # an account that one request opened
NEXT = re.compile(rf"(?<=/{PAYER})\.[0-9a-f]{{12}}")  # the payer's next, once one is full

# What is left of a rounded commission goes to the next one: a claim moves the two together.
PAID_ON = {"income/commission": accounts.vendor(VENDOR)}
DAILY = {"records", "due"}  # of a broker: one more where a day begins; the money tells

PAID = "WHERE k NOT LIKE 'list/%'"  # that a list was fetched is noted as a payment is
Moved = Counter[str]
LOG_S = 10  # longer than any log takes to be copied


def books(village: Village) -> Moved:
    """Balances of both brokers, and rows by table."""
    found: Moved = Counter()
    for name, path in STORES.items():
        db = apsw.Connection(str(village.folder / name / path))
        named = db.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        for table in (str(row[0]) for row in named):
            skipped = UNCOUNTED if name == "gate" else UNCOUNTED | DAILY
            if table not in skipped and not table.startswith("sqlite_"):
                only = PAID if (name, table) == ("gate", "payments") else ""
                query = f"SELECT count(*) FROM {table} {only}"  # noqa: S608 - its own names
                rows = db.execute(query).get
                found[f"{name} {table}"] = cast(int, rows)
        if name != "gate":
            for account, micro in db.execute("SELECT name, balance FROM accounts").fetchall():
                account = NEXT.sub("", NEW.sub("new", str(account).partition("hold/")[0]))
                account = PAID_ON.get(account, account)
                found[f"{name} {account}"] += cast(int, micro)
        db.close()
    return found


def difference(before: Moved, after: Moved) -> Moved:
    """What is more, and less, than before."""
    changed = Counter(after)
    changed.subtract(before)
    return Counter({name: by for name, by in changed.items() if by})


def reboot(village: Village, party: str) -> None:
    """After a power cut: the file is sound, whatever it holds."""
    village.reboot(party)
    db = apsw.Connection(str(village.folder / party / STORES[party]))
    assert db.pragma("integrity_check") == "ok"
    db.close()


def end_checkpoint(village: Village, party: str) -> None:
    """Wait for what the party's last commit has begun, as far as its disk lets it."""
    is_gate = party == "gate"
    writer = (
        village.vendor.store.writer if is_gate else village.brokers[party].engine.books.committer
    )
    assert isinstance(writer, Committer)
    for _ in range(3):  # begun after a commit; copied by a thread; then ended after another
        with contextlib.suppress(Refusal):
            writer.do_now(lambda _: None)
        writer.checkpoints.wait()


def join_log(village: Village, party: str) -> None:
    """Else each run would have more to copy than the one before, and none would be the last."""
    db = apsw.Connection(str(village.folder / party / STORES[party]))
    db.pragma("user_version")  # whoever has read nothing yet has no log to copy
    until_s = time.monotonic() + LOG_S
    while not _is_joined(db):  # the party's own thread may be at it
        assert time.monotonic() < until_s, f"somebody still reads what {party} was before"
        time.sleep(0.001)
    db.close()


def _is_joined(db: apsw.Connection) -> bool:
    try:
        logged, copied = db.wal_checkpoint()
    except apsw.BusyError:
        return False
    return logged == copied >= 0


def inner(call: Call, answer: Message) -> tuple[int, bytes]:
    """Status and body, of a sealed answer what is in it."""
    said = call.read(answer.body) if answer.status == 200 else answer.body
    if not isinstance(said, tuple):
        return answer.status, answer.body
    status, _, body = cast(tuple[int, object, bytes], said)
    return status, body


def code_of(call: Call, answer: Message) -> str:
    """What it was refused for; "" for nothing. A facilitator says so with status 200."""
    status, body = inner(call, answer)
    if 200 <= status < 300 and b'"extra":{"code":' not in body:
        return ""
    if not body:
        return f"status {status}"  # the answer to a HEAD
    told = msgspec.json.decode(body)
    code: str = told["extra"]["code"] if status == 200 else told["code"]
    return code
