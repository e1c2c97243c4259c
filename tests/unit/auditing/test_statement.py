from pathlib import Path

import pytest

from farthing.auditing.entries import Line
from farthing.auditing.report import Findings
from farthing.auditing.statement import Bank, read_statement


def booked(*lines: tuple[str, str, int]) -> tuple[Bank, Findings]:
    findings = Findings()
    bank = Bank(findings)
    for kind, ref, micro in lines:
        postings = (("asset/bank/manual", micro), ("liability/payer/a", -micro))
        bank.add(Line(1, "", kind, ref, 0, postings, ()))
    return bank, findings


def test_what_the_bank_has_and_the_books_have_is_in_order() -> None:
    bank, findings = booked(("topup", "r1", 500), ("payout", "po_1", -200))
    bank.compare({"r1": 500, "po_1": -200})
    assert findings.found == []


def test_what_one_has_and_the_other_lacks_is_named() -> None:
    bank, findings = booked(("topup", "r1", 500), ("topup", "r2", 70))
    bank.compare({"r1": 400, "r3": 9})
    assert [(one.code, one.where) for one in findings.found] == [
        ("bank_entry_invented", "r1"),
        ("bank_entry_invented", "r2"),
        ("bank_entry_missing", "r3"),
    ]


def test_a_payout_that_came_back_is_nothing_at_the_bank() -> None:
    bank, findings = booked(("payout", "po_1", -200), ("payout", "po_1", 200))
    bank.compare({})
    assert findings.found == []


def test_one_deposit_is_booked_once() -> None:
    _, findings = booked(("topup", "r1", 500), ("topup", "r1", 500))
    assert [one.code for one in findings.found] == ["reference_booked_twice"]


def test_one_deposit_is_booked_once_whoever_gets_it() -> None:
    findings = Findings()
    bank = Bank(findings)
    for name in ("liability/payer/a", "liability/payer/b"):
        bank.add(Line(1, "", "topup", "r1", 0, (("asset/bank/manual", 5), (name, -5)), ()))
    assert [one.code for one in findings.found] == ["reference_booked_twice"]
    for peer in ("asset/peer/north", "asset/peer/south"):
        bank.add(Line(1, "", "peer", "r2", 0, (("asset/bank/manual", 5), (peer, -5)), ()))
    assert len(findings.found) == 1, "each peer names its payments itself"


def test_the_smallest_unit_is_missed_too() -> None:
    for listed, rows in (({"r1": 1}, []), ({}, [("topup", "r1", 1)])):
        bank, findings = booked(*rows)
        bank.compare(listed)
        code = "bank_entry_invented" if rows else "bank_entry_missing"
        assert [one.code for one in findings.found] == [code]
    bank, findings = booked(("topup", "r1", 500))
    bank.compare({"r1": -500})
    assert [one.code for one in findings.found] == ["bank_entry_missing"]


def test_a_statement_is_read_as_it_says(tmp_path: Path) -> None:
    path = tmp_path / "bank.csv"
    path.write_text("date,amount_micro,reference\n2026-11-21,500,r1\n2026-11-22,-200,po_1\n")
    assert read_statement(path) == {"r1": 500, "po_1": -200}
    path.write_text("reference,amount_micro\nr1,500\n")
    assert read_statement(path) == {"r1": 500}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a,b\n1,2\n",
        "reference,amount_micro\nr1,5\nr1,5\n",
        "reference,amount_micro\nr1,5.0\n",
        "reference,amount_micro\nr1,5_0\n",
        "reference,amount_micro\nr1\n",
        "amount_micro,reference\n5\n",
        "reference,amount_micro\nr0,1\n" + "r" * 200_000 + ",5\n",
    ],
)
def test_another_file_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "bank.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"."):
        read_statement(path)
