"""What is held is held once, and ended once: whole, by its own scheme, for whom it was taken from.

`reserve` takes it, from accounts that it names; `capture` and `void` are for such a hold alone.
"""

from dataclasses import dataclass, field

from farthing.auditing.entries import Line
from farthing.auditing.report import Findings

HOLD = "liability/hold/"
OUTSTANDING = "liability/outstanding/"
_ENDS = {"capture", "void"}
_OWED = "asset/credit/", "asset/receivable/"


@dataclass(frozen=True, slots=True)
class Held:
    """What lies in one hold."""

    scheme: str
    taken: dict[str, int]
    """By account."""


@dataclass(slots=True)
class Holds:
    """The holds that are open after the entries so far."""

    findings: Findings
    open: dict[str, Held] = field(default_factory=dict)
    """By account."""

    def add(self, line: Line, changes: dict[str, int], balances: dict[str, int]) -> dict[str, int]:
        """Take one entry in; what the hold had taken, by account, where the entry captures one."""
        found = [name for name in changes if name.startswith(HOLD)]
        if len(found) != 1:
            if found or line.kind in _ENDS or line.kind == "reserve":
                said = f"{line.kind} of {len(found)} holds"
                self.findings.note("posting_not_allowed", line.where, said)
            return {}
        name = found[0]
        if changes[name] < 0:
            if name in self.open:
                self.findings.note("hold_ended_twice", line.where, f"{name} is held already")
            taken = {other: micro for other, micro in changes.items() if micro > 0}
            self.open[name] = Held(line.ref, taken)
            return {}
        return self._end(line, changes, balances, name)

    def _end(
        self, line: Line, changes: dict[str, int], balances: dict[str, int], name: str
    ) -> dict[str, int]:
        held = self.open.pop(name, None)
        if held is None or balances.get(name):
            self.findings.note("hold_ended_twice", line.where, name)
        balances.pop(name, None)
        if held is None:
            return {}
        if held.scheme != line.ref:
            said = f"{name} was reserved for {held.scheme[:32]}"
            self.findings.note("hold_returned_elsewhere", line.where, said)
        took = owners(held.taken)
        got = owners({other: -micro for other, micro in changes.items() if micro < 0})
        payers = (owner for owner in got if owner.startswith("liability/payer/"))
        if line.kind == "void":
            is_right = took == got
        else:  # less may be captured than was reserved; the rest is the payer's
            is_right = all(got[owner] <= took.get(owner, 0) for owner in payers)
        if not is_right:
            self.findings.note("hold_returned_elsewhere", line.where, name)
        return held.taken if line.kind == "capture" else {}


def owners(taken: dict[str, int]) -> dict[str, int]:
    """The same by owner: what a payer owes counts as the payer's."""
    found: dict[str, int] = {}
    for name, micro in taken.items():
        owner = name
        if name.startswith(_OWED):
            owner = "liability/payer/" + name.split("/")[2]
        found[owner] = found.get(owner, 0) + micro
    return found
