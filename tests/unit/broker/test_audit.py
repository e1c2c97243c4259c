from pathlib import Path
from typing import Any

import apsw
import msgspec
import pytest

from farthing.broker import audit, store
from farthing.ledger.transfers import link
from tests.unit.broker.desk import Desk, with_desk

EDIT = "UPDATE entries SET body = CAST(replace(CAST(body AS TEXT),"
THEFTS = {
    "edited amount": f"{EDIT} '300', '400') AS BLOB) WHERE seq = 2",
    "deleted entry": "DELETE FROM entries WHERE seq = 2",
    "truncated tail": "DELETE FROM entries WHERE seq = (SELECT max(seq) FROM entries)",
    "edited balance": "UPDATE accounts SET balance = balance - 1 WHERE name LIKE '%v7'",
    "money from nowhere": "UPDATE accounts SET balance = -5000 WHERE name LIKE '%r/alice'",
    "broken chain": "UPDATE entries SET hash = zeroblob(32) WHERE seq = 2",
    "reordered": "UPDATE entries SET seq = seq + 100 WHERE seq = 1",
    "swapped payee": f"{EDIT} 'alice', 'mallo') AS BLOB) WHERE seq = 1",
    "unreadable": "UPDATE entries SET body = x'00' WHERE seq = 2",
}


async def deal(desk: Desk) -> None:
    await desk.open("alice")
    await desk.open("v7", role="vendor", commission_e4=500)
    await desk.top_up("alice", 1_000, "bank-1")
    coupons = [await desk.coupon("alice", 300, "k1"), await desk.coupon("alice", 200, "k2")]
    raw = [msgspec.json.encode(coupons[0])]
    await desk.engine.redeeming.redeem("coupon", raw, desk.account("v7"), "b1")
    alice = desk.account("alice")
    await desk.engine.operations.run("coupon", "take_back", coupons[1], alice, "k3")


def of(connection: apsw.Connection) -> audit.Report:
    return audit.audit(connection)


def test_clean_books_have_no_findings_and_the_equation_holds(tmp_path: Path) -> None:
    async def talk(desk: Desk) -> None:
        await deal(desk)
        report = desk.audit()
        assert report.findings == []
        assert report.ledger_sum_micro == 0
        assert report.balances["liability/vendor/v7"] == 285
        coupon = report.schemes["coupon"]
        assert (coupon.issued_micro, coupon.redeemed_micro, coupon.returned_micro) == (
            500,
            300,
            200,
        )
        assert coupon.outstanding_micro == 0

    with_desk(tmp_path, talk)


@pytest.mark.parametrize("theft", THEFTS)
def test_every_theft_is_found(tmp_path: Path, theft: str) -> None:
    with_desk(tmp_path, deal)
    connection = apsw.Connection(str(tmp_path / "broker.db"))
    connection.execute(THEFTS[theft])
    assert connection.changes() == 1
    assert of(connection).findings


def test_an_edit_with_the_whole_chain_rewritten_is_still_found(tmp_path: Path) -> None:
    with_desk(tmp_path, deal)
    connection = apsw.Connection(str(tmp_path / "broker.db"))
    connection.execute(THEFTS["edited amount"])
    head = bytes(32)
    rows: list[Any] = connection.execute("SELECT seq, body FROM entries ORDER BY seq").fetchall()
    for seq, body in rows:
        head = link(head, body)
        connection.execute("UPDATE entries SET hash = ? WHERE seq = ?", (head, seq))
    findings = of(connection).findings
    assert any("the table says" in finding for finding in findings)


def test_a_scheme_whose_outstanding_was_edited_breaks_its_equation(tmp_path: Path) -> None:
    with_desk(tmp_path, deal)
    connection = apsw.Connection(str(tmp_path / "broker.db"))
    connection.execute("UPDATE accounts SET balance = -7 WHERE name LIKE '%outstanding%'")
    assert any("issued is not" in finding for finding in of(connection).findings)


def test_an_empty_book_is_in_order() -> None:
    connection = apsw.Connection(":memory:")
    connection.execute(store.SCHEMA)
    assert of(connection).findings == []
