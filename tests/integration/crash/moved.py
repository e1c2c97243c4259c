"""What moves in a village's books, and whether the files beneath them are sound."""

import re
from collections import Counter
from typing import cast

import apsw

from tests.integration.crash.neighbour import NAME
from tests.integration.crash.test_lost_reply import UNCOUNTED
from tests.kit.village import Village

STORES = {"broker": "broker.db", NAME: "broker.db", "gate": "marks.db"}
NEW = re.compile("[nv][0-9a-f]{12}")  # an account that one request opened

DAILY = {"records", "due"}  # of a broker: one more where a day begins; the money tells

Moved = Counter[str]


def books(village: Village) -> Moved:
    """Balances of both brokers, and rows by table."""
    found: Moved = Counter()
    for name, path in STORES.items():
        db = apsw.Connection(str(village.folder / name / path))
        named = db.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        for table in (str(row[0]) for row in named):
            skipped = UNCOUNTED if name == "gate" else UNCOUNTED | DAILY
            if table not in skipped and not table.startswith("sqlite_"):
                rows = db.execute(f"SELECT count(*) FROM {table}").get  # noqa: S608 - its own names
                found[f"{name} {table}"] = cast(int, rows)
        if name != "gate":
            for account, micro in db.execute("SELECT name, balance FROM accounts").fetchall():
                account = NEW.sub("new", str(account).partition("hold/")[0])
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
    db.wal_checkpoint()  # else each run would have more to copy than the one before
    db.close()
