"""The journal beside each table; what thieves do to whole files is in `test_journal.py`."""

import json
from collections.abc import Iterator

import apsw
import pytest

from farthing.auditing.books import CHART, Books, kind_of
from farthing.auditing.entries import Line
from farthing.auditing.notes import Notes
from farthing.auditing.report import Findings
from farthing.auditing.tables import Index, Payouts, compare, indexed, require_types
from farthing.broker import store

OWNER, TRANSIT, BANK = "liability/vendor/v7", "asset/clearing/manual", "asset/bank/manual"
PLANNED = ((OWNER, 5), (TRANSIT, -5))
CONFIRMED = ((TRANSIT, 5), (BANK, -5))
BOUNCED = ((TRANSIT, 5), (OWNER, -5))
RETURNED = ((BANK, 5), (OWNER, -5))


def after(*steps: tuple[tuple[str, int], ...]) -> tuple[str, list[str]]:
    findings = Findings()
    payouts = Payouts(findings)
    for seq, postings in enumerate(steps):
        payouts.add(Line(seq, "", "payout", "po_1", 0, postings, ()))
    return payouts.booked["po_1"][2], [one.code for one in findings.found]


@pytest.mark.parametrize(
    ("steps", "state"),
    [
        ((PLANNED,), "planned"),
        ((PLANNED, CONFIRMED), "confirmed"),
        ((PLANNED, BOUNCED), "returned"),
        ((PLANNED, CONFIRMED, RETURNED), "returned"),
        ((((OWNER, 1), (TRANSIT, -1)), ((TRANSIT, 1), (BANK, -1))), "confirmed"),
    ],
)
def test_a_payout_goes_its_way(steps: tuple[tuple[tuple[str, int], ...], ...], state: str) -> None:
    assert after(*steps) == (state, [])


@pytest.mark.parametrize(
    "steps",
    [
        (PLANNED, CONFIRMED, CONFIRMED),
        (PLANNED, BOUNCED, BOUNCED),
        (PLANNED, PLANNED),
        (PLANNED, ((TRANSIT, 6), (BANK, -6))),
        (PLANNED, ((BANK, 5), (TRANSIT, -5))),
        (PLANNED, RETURNED),
        (PLANNED, CONFIRMED, BOUNCED),
        (PLANNED, ((TRANSIT, 5), ("liability/vendor/v8", -5))),
    ],
)
def test_no_other_way(steps: tuple[tuple[tuple[str, int], ...], ...]) -> None:
    assert after(*steps)[1] == ["payout_differs"]


def test_a_payout_of_nothing_is_none() -> None:
    findings = Findings()
    payouts = Payouts(findings)
    payouts.add(Line(1, "", "payout", "po_1", 0, ((OWNER, 5), (OWNER, -5)), ()))
    assert (payouts.booked, list(findings.counts)) == ({}, ["payout_differs"])


PAYER, SOLD, HELD = "liability/payer/a", "liability/outstanding/s", "liability/hold/tx_1"
FUND = Line(1, "", "topup", "r", 0, ((BANK, 9), (PAYER, -9)), ())


def of_s(kind: str, *postings: tuple[str, int]) -> Line:
    return Line(2, "", kind, "s", 0, postings, ())


@pytest.fixture
def tables() -> Iterator[apsw.Connection]:
    with apsw.Connection(":memory:") as connection:
        connection.execute(store.SCHEMA)
        yield connection


class Beside:
    """A journal in memory, and the tables beside it."""

    def __init__(self, tables: apsw.Connection, *lines: Line) -> None:
        self.tables, self.findings = tables, Findings()
        self.books, self.payouts = Books(self.findings), Payouts(self.findings)
        self.notes = Notes(self.findings, self.books)
        for line in lines:
            self.books.add(line)
            self.notes.add(line)
            self.payouts.add(line)
        for name, micro in self.books.balances.items():
            self.account(name, micro)

    def account(self, name: str, micro: int, high: int | None = None) -> None:
        (low, ceiling), _, _ = CHART[kind_of(name)]
        row = (name, micro, low, ceiling if high is None else high)
        self.tables.execute("INSERT OR REPLACE INTO accounts VALUES (?, ?, ?, ?)", row)

    def found(self, now_s: int = 0) -> list[tuple[str, str]]:
        compare(self.tables, self.books, self.notes, self.payouts, self.findings, now_s)
        return [(one.code, one.where) for one in self.findings.found]


def test_an_account_at_zero_may_be_missing_on_either_side(tables: apsw.Connection) -> None:
    beside = Beside(tables, FUND)
    beside.account("liability/payer/b", 0)
    beside.books.balances["liability/payer/c"] = 0
    assert beside.found() == []


def test_an_account_goes_as_far_as_the_chart_says_or_its_note(tables: apsw.Connection) -> None:
    beside = Beside(tables, FUND)
    beside.account(PAYER, -9, high=5)
    beside.account("asset/credit/a", 0, high=5)
    assert beside.found() == [("limit_differs", PAYER)], "older journals note no credit"
    beside.books.limits["asset/credit/a"] = 4
    assert ("limit_differs", "asset/credit/a") in beside.found()


def test_a_balance_of_no_account_is_named(tables: apsw.Connection) -> None:
    tables.execute("INSERT INTO accounts VALUES ('liability/offshore/me', 0, 0, 0)")
    assert Beside(tables).found() == [("account_not_in_chart", "liability/offshore/me")]


def reserve(beside: Beside, *postings: tuple[str, int]) -> None:
    row = json.dumps(postings).encode()
    beside.tables.execute(
        "INSERT INTO reservations VALUES ('tx_1', 'v', 's', 1, 'reserved', 9, 'void', 5, x'', ?, "
        "x'')",
        (row,),
    )


def test_what_is_held_stands_in_its_reservation(tables: apsw.Connection) -> None:
    sold = of_s("issue", (PAYER, 9), (SOLD, -9))
    beside = Beside(tables, FUND, sold, of_s("reserve", (SOLD, 5), (HELD, -5)))
    reserve(beside, (SOLD, 2), (SOLD, 3))
    assert beside.found() == []
    assert beside.books.schemes["s"].reserved_micro == 5
    tables.execute("DELETE FROM reservations")
    assert ("hold_without_reservation", "tx_1") in beside.found()


def test_a_reservation_that_cannot_be_read_is_named(tables: apsw.Connection) -> None:
    beside = Beside(tables, FUND, of_s("reserve", (PAYER, 5), (HELD, -5)))
    reserve(beside)
    tables.execute("UPDATE reservations SET postings = CAST('{' AS BLOB)")
    assert ("row_unreadable", "reservation tx_1") in beside.found()


def test_payouts_have_both_a_row_and_an_entry(tables: apsw.Connection) -> None:
    planned = Line(2, "", "payout", "po_1", 0, ((PAYER, 5), (TRANSIT, -5)), ())
    beside = Beside(tables, FUND, planned)
    row = "INSERT INTO payouts VALUES (?, 'a', ?, 'manual', '', 5, 'exported', 0)"
    tables.execute(row, ("po_1", PAYER))
    assert beside.found() == []
    tables.execute("DELETE FROM payouts")
    tables.execute(row, ("po_2", PAYER))
    assert beside.found() == [("payout_differs", "po_1"), ("payout_without_entry", "po_2")]


def marked(*notes: str) -> Line:
    return Line(7, "", "redeem", "s", 0, (), notes)


def test_marks_and_counters_of_the_journal_are_in_their_tables(tables: apsw.Connection) -> None:
    beside = Beside(tables, marked("once 0a 9", "advance 0b 0 5 9"))
    assert beside.found(10) == [], "their time is over"
    assert beside.found(9) == [("mark_removed", "entry 7")] * 2
    tables.execute("INSERT INTO once VALUES (x'0a', 9)")
    tables.execute("INSERT INTO counters VALUES (x'0b', 5, x'', 9)")
    beside.findings.found.clear()
    assert beside.found(9) == []
    tables.execute("UPDATE counters SET place = 4")
    assert beside.found(9) == [("counter_set_back", "entry 7")]


def test_shares_have_the_rate_and_the_rest_that_the_journal_has(tables: apsw.Connection) -> None:
    def found(rate_e4: int, carry_e4: int) -> list[str]:
        tables.execute("DELETE FROM parties")
        row = "INSERT INTO parties VALUES ('v7', 'vendor', ?, ?, '', '')"
        tables.execute(row, (rate_e4, carry_e4))
        earned = Line(1, "", "redeem", "s", 0, ((PAYER, 30), (OWNER, -30)), ())
        beside = Beside(tables, FUND, earned)
        beside.notes.shares[OWNER].rate_e4 = noted_e4
        return [code for code, where in beside.found() if where == OWNER]

    noted_e4 = -1
    assert found(333, 0) == [], "older journals note no rate"
    assert found(333, 1) == ["carry_differs"]
    noted_e4 = 333
    assert found(333, 0) == []
    assert found(334, 0) == ["rate_differs"]
    tables.execute("DELETE FROM parties")
    earned = Line(1, "", "redeem", "s", 0, ((PAYER, 9), (OWNER, -9)), ())
    assert Beside(tables, FUND, earned).found() == [], "whose contract is gone"


def test_too_much_or_too_little_shared_is_named(tables: apsw.Connection) -> None:
    def found(unshared_micro: int) -> list[tuple[str, str]]:
        beside = Beside(tables, FUND)
        beside.notes.add(Line(2, "", "rate", "", 0, (), (f"rate {OWNER} 0",)))
        beside.notes.shares[OWNER].unshared_micro = unshared_micro
        return beside.found()

    assert found(1) == [("earnings_unshared", OWNER)]
    assert found(-1) == [("earnings_overstated", OWNER)]
    assert found(0) == []


def test_statements_are_compared_as_far_as_they_go(tables: apsw.Connection) -> None:
    def found() -> list[tuple[str, str]]:
        findings = Findings()
        index = Index(findings, indexed(tables))
        for seq in (1, 2, 3):
            index.add(Line(seq, "", "topup", "r", 0, ((BANK, seq), (PAYER, -seq)), ()))
        index.compare(tables)
        return [(one.code, one.where) for one in findings.found]

    assert (indexed(tables), found()) == (0, []), "no statement was asked for yet"
    tables.execute("INSERT INTO settings VALUES ('indexed', '2')")
    assert found() == [("statement_differs", BANK), ("statement_differs", PAYER)]
    for seq in (1, 2):
        tables.execute("INSERT INTO lines VALUES (?, ?, ?)", (BANK, seq, seq))
        tables.execute("INSERT INTO lines VALUES (?, ?, ?)", (PAYER, seq, -seq))
    assert found() == []
    tables.execute("UPDATE lines SET amount = 3 WHERE seq = 2 AND amount > 0")
    assert found() == [("statement_differs", BANK)]


def test_a_value_of_another_type_is_named_in_whatever_table(tables: apsw.Connection) -> None:
    findings = Findings()
    tables.execute('CREATE TABLE own (a TEXT, b NUMERIC, "c-d" TEXT)')
    tables.execute('CREATE TABLE "not ours" (a TEXT)')
    tables.execute("INSERT INTO own VALUES ('k', 'x', 5.5)")
    tables.execute("INSERT INTO \"not ours\" VALUES (x'00')")
    tables.execute("INSERT INTO entries VALUES (1, 'text', 'text', 'text')")
    require_types(tables, findings)
    assert findings.found == []
    tables.execute("INSERT INTO settings VALUES ('currency', x'00')")
    tables.execute("INSERT INTO once VALUES (x'0a', 'soon')")
    require_types(tables, findings)
    told = {(one.code, one.where, one.detail) for one in findings.found}
    assert told == {
        ("row_unreadable", "settings currency", "value is no text"),
        ("row_unreadable", "once 0a", "until_s is no integer"),
    }
