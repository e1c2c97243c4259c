"""The auditor over a whole file: clean ones, and every theft that a broker's books allow."""

import hashlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from farthing.auditing import CODES, Report, audit, audit_file
from farthing.auditing.report import FINDINGS_MAX
from farthing.broker import store
from farthing.broker.edge import now_s
from farthing.ledger.transfers import Entry, Posting, write
from tests.unit.auditing import forgeries
from tests.unit.auditing.thefts import THEFTS
from tests.unit.auditing.thieves import Thief, make_books

UNSEEN = "topup", "transfer", "issue"
"""Edited amounts that fit as well: only the bank, or whoever kept a published head, can tell."""


@pytest.fixture(scope="module")
def books(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("books") / "broker.db"
    make_books(path)
    return path


@pytest.fixture
def file(books: Path, tmp_path: Path) -> Path:
    copy = tmp_path / "broker.db"
    shutil.copy(books, copy)
    return copy


def codes_of(report: Report) -> set[str]:
    return {finding.code for finding in report.findings}


def test_clean_books_have_no_findings(file: Path) -> None:
    report = audit_file(file)
    assert report.findings == []
    assert (report.ledger_sum_micro, report.currency) == (0, "eur")
    assert 0 not in report.balances.values()
    assert report.balances["income/commission"] > 0
    coupon = report.schemes["coupon"]
    assert coupon.is_conserved
    assert min(coupon.issued_micro, coupon.redeemed_micro, coupon.returned_micro) > 0
    assert coupon.expired_micro > 0


@pytest.mark.parametrize("name", THEFTS)
def test_a_theft_is_found_and_named_though_the_chain_was_written_anew(
    file: Path, name: str
) -> None:
    steal, codes = THEFTS[name]
    thief = Thief(file)
    before = audit_file(file).head
    if name == "a claim paid twice by its own entry":
        # Its number is unique in the table, so the thief makes a table without that rule.
        thief.run(
            "CREATE TABLE other (seq INTEGER PRIMARY KEY, id BLOB, body BLOB, hash BLOB);"
            "INSERT INTO other SELECT * FROM entries; DROP TABLE entries;"
            "ALTER TABLE other RENAME TO entries"
        )
    steal(thief)
    thief.rechain()
    found = audit_file(file)
    assert codes_of(found) == codes, [str(one) for one in found.findings]
    if found.head != before:  # whoever kept the published head sees it whatever it is
        seen = audit_file(file, {found.entries: before})
        assert codes_of(seen) & {"journal_forked", "journal_truncated"}


def test_at_least_the_twenty_thefts_and_every_code_are_tried() -> None:
    elsewhere = {
        "bank_entry_invented", "bank_entry_missing", "chain_broken", "file_damaged",
        "journal_forked", "journal_truncated", "row_unreadable",
    }  # fmt: skip  # - one list
    tried = set().union(*(codes for _, codes in THEFTS.values()))
    assert len(THEFTS) >= 20 + len(UNSEEN)
    assert tried | elsewhere == set(CODES)


@pytest.mark.parametrize("name", THEFTS)
def test_a_thief_who_leaves_the_hashes_is_seen_by_them(file: Path, name: str) -> None:
    steal, _ = THEFTS[name]
    thief = Thief(file)
    before = thief.run("SELECT body FROM entries ORDER BY seq").fetchall()
    try:
        steal(thief)
    except apsw.ConstraintError:
        return  # the table itself refuses it
    if thief.run("SELECT body FROM entries ORDER BY seq").fetchall() != before:
        assert "chain_broken" in codes_of(audit_file(file))


def test_a_truncated_tail_is_seen_by_what_was_published(file: Path) -> None:
    whole = audit_file(file)
    thief = Thief(file)
    thief.run("DELETE FROM entries WHERE seq > ?", (whole.entries - 3,))
    thief.rebalance()
    assert "journal_truncated" in codes_of(audit_file(file, {whole.entries: whole.head}))


def test_a_forked_log_is_seen_by_what_was_published(file: Path) -> None:
    whole = audit_file(file)
    thief = Thief(file)
    seq, body = thief.entries("transfer")[-1]
    thief.rewrite(seq, body | {"ref": "another"})
    thief.rechain()
    assert audit_file(file).findings == [], "nothing inside the file tells"
    assert codes_of(audit_file(file, {whole.entries: whole.head})) == {"journal_forked"}


@pytest.mark.parametrize("kind", UNSEEN)
def test_a_raised_amount_that_nothing_else_refers_to_is_seen_by_what_was_published(
    file: Path, kind: str
) -> None:
    whole = audit_file(file)
    thief = Thief(file)
    forgeries.raise_by(thief, -1, 5, kind)
    thief.rechain()
    assert audit_file(file).findings == [], "nothing inside the file tells"
    assert codes_of(audit_file(file, {whole.entries: whole.head})) == {"journal_forked"}
    listed = {"bank-alice": 40_000_000, "bank-bob": 40_000_000}
    if kind == "topup":
        seen = codes_of(audit_file(file, statement=listed))
        assert "bank_entry_invented" in seen


def test_what_the_file_itself_published_must_be_in_it(file: Path) -> None:
    document = json.dumps({"entries": 2, "head": "ff" * 32, "currency": "eur"})
    thief = Thief(file)
    thief.run("INSERT INTO settings VALUES ('published/2027-01-15', ?)", (document,))
    assert codes_of(audit_file(file)) == {"journal_forked"}


@pytest.mark.parametrize("written", ["<html>", "[]", '{"entries": "x", "head": ""}'])
def test_a_published_head_that_no_broker_writes_is_a_finding(file: Path, written: str) -> None:
    thief = Thief(file)
    thief.run("INSERT INTO settings VALUES ('published/2027-01-15', ?)", (written,))
    assert codes_of(audit_file(file)) == {"row_unreadable"}


def test_a_damaged_file_is_said_to_be_damaged(file: Path) -> None:
    thief = Thief(file)
    thief.connection.config(apsw.SQLITE_DBCONFIG_DEFENSIVE, 0)
    thief.run("PRAGMA writable_schema = ON")
    thief.run("UPDATE sqlite_schema SET rootpage = 2 WHERE name = 'once_until'")
    thief.connection.close()
    assert "file_damaged" in codes_of(audit_file(file))


def test_an_empty_book_is_in_order() -> None:
    connection = apsw.Connection(":memory:")
    connection.execute(store.SCHEMA)
    report = audit(connection)
    assert (report.findings, report.entries, report.currency) == ([], 0, "")
    assert audit(connection, {0: bytes(32).hex()}).findings == []
    assert codes_of(audit(connection, {0: "11" * 32})) == {"journal_truncated"}


@pytest.fixture
def small() -> Iterator[apsw.Connection]:
    """Books in which a deposit came and went."""
    with apsw.Connection(":memory:") as connection:
        connection.execute(store.SCHEMA)
        head = bytes(32)
        for number, micro in enumerate((5, -5), start=1):
            postings = (Posting("asset/bank/m", micro), Posting("liability/payer/a", -micro))
            name = number.to_bytes(16)
            body = write(Entry(id=name, postings=postings, kind="topup", ref="r", at_s=1))
            head = hashlib.sha256(head + body).digest()
            connection.execute(
                "INSERT INTO entries VALUES (?, ?, ?, ?)", (number, name, body, head)
            )
        yield connection


def test_what_is_at_zero_is_no_balance(small: apsw.Connection) -> None:
    report = audit(small)
    assert (report.entries, report.balances, report.ledger_sum_micro) == (2, {}, 0)


def test_each_published_head_is_looked_for(small: apsw.Connection) -> None:
    report = audit(small)
    assert codes_of(audit(small, {2: report.head})) == codes_of(report)
    other = codes_of(audit(small, {2: bytes(32).hex()}))
    assert other - codes_of(report) == {"journal_forked"}


def test_all_tables_are_looked_at(small: apsw.Connection) -> None:
    usual = codes_of(audit(small))
    small.execute("INSERT INTO settings VALUES ('other', x'00')")
    assert codes_of(audit(small)) - usual == {"row_unreadable"}
    small.execute("UPDATE settings SET name = 'indexed', value = '2'")
    assert codes_of(audit(small)) - usual == {"statement_differs"}
    seen = codes_of(audit(small, statement={"r": 1}))
    assert "bank_entry_missing" in seen


def test_what_is_written_meanwhile_is_not_looked_at(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("farthing.auditing.journal.STEP", 10)
    thief = Thief(file)
    thief.run("PRAGMA journal_mode = WAL")
    heard: list[int] = []

    def move(count: int, _: int) -> None:
        thief.move("liability/payer/alice", 1)
        heard.append(count)

    assert audit_file(file, progress=move).findings == []
    assert heard
    assert codes_of(audit_file(file)) >= {"balance_differs"}


def test_marks_that_may_be_forgotten_are_not_missed(file: Path) -> None:
    thief = Thief(file)
    thief.run("DELETE FROM once; DELETE FROM counters")
    far_s = now_s() + 10 * 365 * 86_400
    assert audit(thief.connection, now_s=far_s).findings == []


def test_progress_is_told(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("farthing.auditing.journal.STEP", 10)
    heard: list[tuple[int, int]] = []
    total = audit_file(file, progress=lambda *told: heard.append(told)).entries
    assert heard[0] == (10, total)
    assert len(heard) == total // 10


def test_a_flood_of_findings_is_cut(file: Path) -> None:
    thief = Thief(file)
    _, body = thief.find("redeem")
    for number in range(300):
        thief.insert(body | {"id": f"{number:032x}"})
    thief.run("DELETE FROM once WHERE id IN (SELECT id FROM once LIMIT 1)")
    found = audit_file(file)
    assert found.counts["mark_used_twice"] == 300
    assert [one.code for one in found.findings].count("mark_used_twice") == FINDINGS_MAX
    assert "mark_removed" in codes_of(found), "however many others there are"
