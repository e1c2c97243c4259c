import json
from pathlib import Path

from farthing.auditing.report import CODES, FINDINGS_MAX, Finding, Findings, Report, Scheme

ROOT = Path(__file__).parents[3]


def test_a_finding_is_one_line_for_people() -> None:
    assert str(Finding("chain_broken", "entry 7")) == (
        "chain_broken: entry 7: a hash does not follow from the entry before it"
    )
    assert str(Finding("chain_broken", "entry 7", "why")).endswith("(why)")


def test_findings_are_cut_where_nobody_reads_on() -> None:
    findings = Findings()
    for number in range(101):
        findings.note("chain_broken", f"entry {number}")
    findings.note("mark_removed", "entry 7")
    assert len(findings.found) == FINDINGS_MAX + 1
    assert findings.found[-1] == Finding("mark_removed", "entry 7"), "none hides another"
    assert findings.counts == {"chain_broken": 101, "mark_removed": 1}


def test_a_report_is_one_json_object() -> None:
    report = Report(
        currency="eur",
        entries=1,
        head="00",
        ledger_sum_micro=0,
        balances={"asset/bank/manual": 5},
        schemes={"coupon": Scheme(issued_micro=5, outstanding_micro=5)},
        findings=[Finding("chain_broken", "entry 1", "x")],
        counts={"chain_broken": 1},
    )
    found = json.loads(json.dumps(report.as_json()))
    assert found["findings"] == [{"code": "chain_broken", "where": "entry 1", "detail": "x"}]
    assert found["schemes"]["coupon"]["issuedMicro"] == 5
    assert found["ledgerSumMicro"] == 0
    assert found["counts"] == {"chain_broken": 1}


def test_the_equation_counts_every_way_out() -> None:
    whole = Scheme(5, 1, 1, 1, 1, 1)
    assert whole.is_conserved
    whole.outstanding_micro = 2
    assert not whole.is_conserved


def test_every_finding_has_its_line_in_the_reference() -> None:
    page = (ROOT / "docs" / "reference" / "audit.md").read_text()
    assert [code for code in CODES if f"| `{code}` |" not in page] == []
