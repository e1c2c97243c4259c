"""The bank's own list against deposits and payouts: what one has and the other lacks.

A statement is CSV with the columns `reference` and `amount_micro`, in the order that it likes; what
came in counts up, what went out counts down. Each reference stands in it once.
"""

import csv
import re
from dataclasses import dataclass, field
from pathlib import Path

from farthing.auditing.entries import Line
from farthing.auditing.report import Findings

WHOLE = re.compile(r"-?[0-9]{1,18}")
COLUMNS = {"reference", "amount_micro"}


def read_statement(path: Path) -> dict[str, int]:
    """Signed micro-units by reference; ValueError, OSError."""
    found: dict[str, int] = {}
    with path.open(newline="", encoding="utf-8") as file:
        rows = csv.DictReader(file)
        try:
            if not set(rows.fieldnames or ()) >= COLUMNS:
                raise ValueError("the first line names the columns: reference,amount_micro")
            for row in rows:
                reference, amount = row["reference"], row["amount_micro"]
                if reference in found:
                    raise ValueError(f"line {rows.line_num}: {reference!r} was there before")
                if reference is None or amount is None or not WHOLE.fullmatch(amount):
                    raise ValueError(f"line {rows.line_num}: {amount!r} is no micro-units")
                found[reference] = int(amount)
        except csv.Error as wrong:
            raise ValueError(f"line {rows.line_num}: {wrong}") from None
    return found


@dataclass(slots=True)
class Bank:
    """What the journal says of the bank, by reference."""

    findings: Findings
    booked: dict[str, int] = field(default_factory=dict)
    _once: set[tuple[str, ...]] = field(default_factory=set)
    """What is booked once: a deposit, a payment of or to one peer."""

    def add(self, line: Line) -> None:
        """Take one entry in."""
        micro = sum(m for name, m in line.postings if name.startswith("asset/bank/"))
        if not micro:
            return
        if line.kind in {"topup", "peer"}:
            peers = sorted(name for name, _ in line.postings if name.startswith("asset/peer/"))
            booked = (line.kind, line.ref, *peers)
            if booked in self._once:
                self.findings.note("reference_booked_twice", line.where, line.ref)
            self._once.add(booked)
        self.booked[line.ref] = self.booked.get(line.ref, 0) + micro

    def compare(self, statement: dict[str, int]) -> None:
        """Note every difference; a payout that came back is nothing on either side."""
        for reference in sorted(statement.keys() | self.booked.keys()):
            there, here = statement.get(reference, 0), self.booked.get(reference, 0)
            if here != there:
                code = "bank_entry_invented" if abs(here) > abs(there) else "bank_entry_missing"
                self.findings.note(code, reference, f"{here} booked, {there} at the bank")
