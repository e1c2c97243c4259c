"""What is used up stays so until it may be forgotten."""

import apsw
import pytest

from farthing import marks
from farthing.broker import store
from farthing.lab.remembered import Remembered
from farthing.stores import sqlite_tables as tables

PARTY = "vendor0"
UNTIL_S = 1_000


class Kept:
    """A store with one mark and one counter, and what was found in it."""

    def __init__(self, schema: str = tables.SCHEMA) -> None:
        self.findings: list[str] = []
        self.remembered = Remembered(self.findings.append)
        self.connection = apsw.Connection(":memory:")
        self.connection.execute(schema)
        self.remembered.watch(PARTY, self.connection)

    def do(self, *statements: str, now_s: int = UNTIL_S - 1) -> list[str]:
        for statement in statements:
            self.connection.execute(statement)
        self.remembered.committed(PARTY, self.connection, now_s)
        return self.findings


ONCE = "INSERT INTO onces VALUES (x'01', 1, 1000)"
COUNTER = "INSERT INTO counters VALUES (x'02', 7, x'', 1000, NULL)"
BACK = "UPDATE counters SET place = 6"
GONE = "DELETE FROM onces"


@pytest.mark.parametrize(
    ("statements", "finds"),
    [
        ((GONE,), "forgets a mark 1 s too early"),
        ((BACK,), "sets a counter back from 7 to 6"),
        (("DELETE FROM counters",), "sets a counter back from 7 to -1"),
        (("SAVEPOINT a", GONE, BACK, "ROLLBACK TO a"), ""),
        (("UPDATE counters SET place = 8", "UPDATE onces SET holder = 2"), ""),
        ((GONE, ONCE), ""),
    ],
)
def test_what_goes_too_early_is_found_unless_it_was_undone(
    statements: tuple[str, ...], finds: str
) -> None:
    kept = Kept()
    assert kept.do(ONCE, COUNTER) == []
    found = kept.do(*statements)
    assert [one for one in found if finds in one] if finds else not found


def test_what_is_over_or_was_never_used_may_go() -> None:
    kept = Kept()
    kept.do(ONCE, COUNTER)
    assert kept.do(GONE, "DELETE FROM counters", now_s=UNTIL_S) == []
    kept.do(ONCE)
    kept.connection.execute(GONE)
    kept.remembered.committed(PARTY, kept.connection, 0, lambda _: False)
    assert kept.findings == []


def test_a_brokers_marks_are_looked_at_too() -> None:
    kept = Kept(store.SCHEMA)
    kept.do("INSERT INTO once VALUES (x'01', 1000)")
    assert kept.do("DELETE FROM once") == [f"{PARTY} forgets a mark 1 s too early"]


def test_what_is_used_up_must_be_there() -> None:
    kept = Kept()
    kept.do(ONCE, COUNTER)
    for mark in (
        marks.Once(id=b"\x01", until_s=9),
        marks.Advance(id=b"\x02", over=0, to=7, link=b"", until_s=9),
    ):
        kept.remembered.uses(PARTY, mark, "k")
    assert kept.findings == []
    kept.remembered.uses(PARTY, marks.Once(id=b"other", until_s=9), "k")
    assert "does not write down a mark of k" in kept.findings.pop()
    far = marks.Advance(id=b"\x02", over=7, to=8, link=b"", until_s=9)
    kept.remembered.uses(PARTY, far, "k")
    assert "leaves a counter of k at 7, and not at 8" in kept.findings.pop()
