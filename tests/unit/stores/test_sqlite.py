"""What is the SQLite store's own; what it shares with the others is the conformance suite's."""

import asyncio
import threading
from pathlib import Path

import apsw
import pytest

from farthing.errors import Busy, Misconfigured, Replayed
from farthing.marks import Confirm, Find, Held, Hold, LeaseSerials, Once, Payment
from farthing.stores import sqlite_tables
from farthing.stores.commit import Committer
from farthing.stores.sqlite import SqliteMarks

NOW_S = 1_800_000_000


def hold(k: str, now_s: int = NOW_S) -> Hold:
    return Hold(
        k=k,
        digest=k.encode(),
        marks=(Once(id=b"m", until_s=NOW_S),),
        kept=b"",
        now_s=now_s,
        lease_until_s=now_s + 60,
        until_s=NOW_S,
    )


def test_an_open_committer_serves_as_well_as_a_path(tmp_path: Path) -> None:
    committer = Committer(
        tmp_path / "m.db",
        sqlite_tables.SCHEMA,
        application_id=sqlite_tables.APPLICATION_ID,
        version=sqlite_tables.VERSION,
    )
    store = SqliteMarks(committer)
    assert isinstance(store.do_now(hold("p")), Held)
    store.close()
    again = SqliteMarks(tmp_path / "m.db")
    assert again.do_now(Find(k="p")).state == "held"
    again.close()


def test_a_file_of_other_tables_is_refused(tmp_path: Path) -> None:
    SqliteMarks(tmp_path / "m.db").close()
    other = apsw.Connection(str(tmp_path / "m.db"))
    other.pragma("user_version", sqlite_tables.VERSION + 1)
    other.close()
    with pytest.raises(Misconfigured):
        SqliteMarks(tmp_path / "m.db")


def test_two_processes_over_one_file_see_one_store(tmp_path: Path) -> None:
    one, two = SqliteMarks(tmp_path / "m.db"), SqliteMarks(tmp_path / "m.db")
    fence = one.do_now(hold("p")).fence
    with pytest.raises(Busy):
        two.do_now(hold("p"))
    with pytest.raises(Busy):
        two.do_now(hold("q"))
    two.do_now(Confirm(k="p", fence=fence, outcome=b"done"))
    found = one.do_now(Find(k="p"))
    assert isinstance(found, Payment)
    assert found.outcome == b"done"
    with pytest.raises(Replayed):
        one.do_now(hold("q"))
    one.close()
    two.close()


def test_two_processes_lease_no_serial_twice(tmp_path: Path) -> None:
    stores = [SqliteMarks(tmp_path / "m.db") for _ in range(2)]
    firsts: list[int] = []

    def lease(store: SqliteMarks) -> None:
        firsts.extend(store.do_now(LeaseSerials(series="s", count=3)) for _ in range(20))

    threads = [threading.Thread(target=lease, args=(store,)) for store in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(firsts) == list(range(0, 120, 3))
    for store in stores:
        store.close()


def test_of_two_processes_racing_for_one_mark_one_wins(tmp_path: Path) -> None:
    stores = [SqliteMarks(tmp_path / "m.db") for _ in range(2)]

    async def race() -> list[object]:
        racers = (stores[n % 2].do(hold(f"p{n}")) for n in range(32))
        return list(await asyncio.gather(*racers, return_exceptions=True))

    kinds = [type(answer) for answer in asyncio.run(race())]
    assert (kinds.count(Held), kinds.count(Busy)) == (1, 31)
    for store in stores:
        store.close()
