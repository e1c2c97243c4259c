"""The postings added up: balances, their floors and ceilings, each scheme's equation.

Each kind of entry moves money between the accounts that `moves.py` names for it; whatever else it
touches is somebody's invention. Balances are debit-positive.
"""

import re
from dataclasses import dataclass, field

from farthing.auditing import moves
from farthing.auditing.entries import LARGEST_MICRO, Line
from farthing.auditing.holds import OUTSTANDING, Holds
from farthing.auditing.report import Findings, Scheme

# Account, by its first two parts: lowest and highest balance, how many parts follow, asset-like.
_UP, _DOWN, _BOTH = (0, LARGEST_MICRO), (-LARGEST_MICRO, 0), (-LARGEST_MICRO, LARGEST_MICRO)
_PERSON = (-(10**15), 0)
CHART: dict[str, tuple[tuple[int, int], tuple[int, int], bool]] = {
    "asset/bank": (_UP, (1, 1), True),
    "asset/clearing": (_BOTH, (1, 1), True),
    "asset/credit": (_UP, (1, 1), True),
    "asset/peer": (_BOTH, (1, 1), True),
    "asset/receivable": (_UP, (1, 1), True),
    "asset/stock": (_UP, (1, 2), True),
    "equity/lottery": (_BOTH, (0, 0), False),
    "equity/rounding": (_BOTH, (0, 0), False),
    "expense/fraud": (_BOTH, (0, 0), True),
    "expense/rail": (_BOTH, (0, 0), True),
    "income/breakage": (_BOTH, (0, 0), False),
    "income/commission": (_BOTH, (0, 0), False),
    "liability/disputed": (_DOWN, (1, 2), False),
    "liability/hold": (_PERSON, (1, 1), False),
    "liability/outstanding": (_DOWN, (1, 2), False),
    "liability/payer": (_PERSON, (1, 1), False),
    "liability/suspense": (_DOWN, (0, 0), False),
    "liability/unclaimed": (_DOWN, (0, 0), False),
    "liability/vat": (_DOWN, (0, 0), False),
    "liability/vendor": (_PERSON, (1, 1), False),
}
_PART = re.compile(r"[A-Za-z0-9][A-Za-z0-9._~-]{0,63}")

_OF_SCHEMES = {"liability/outstanding", "liability/disputed", "asset/stock"}
PAYER = {"liability/payer", "asset/credit", "asset/receivable"}

# What becomes of value that leaves `outstanding`, by the kind of entry. By any other it leaves the
# equation, and so does what comes in by any but these.
_GONE = {"issue": "redeemed", "redeem": "redeemed", "take_back": "returned", "lapse": "expired"}
_ISSUING = {"issue", "redeem", "take_back", "capture"}


def is_account(name: str) -> bool:
    """Whether the chart has such an account."""
    pieces = name.split("/")
    rule = CHART.get("/".join(pieces[:2]))
    if rule is None:
        return False
    fewest, most = rule[1]
    parts = pieces[2:]
    return fewest <= len(parts) <= most and all(_PART.fullmatch(part) for part in parts)


def kind_of(name: str) -> str:
    """The first two parts of an account's name."""
    first, _, rest = name.partition("/")
    return f"{first}/{rest.partition('/')[0]}"


def shown(name: str, micro: int) -> int:
    """A balance as people read it: what is owed or earned counts up as well."""
    return micro if CHART[kind_of(name)][2] else -micro


@dataclass(slots=True)
class Books:
    """Balances and equations after the entries so far."""

    findings: Findings
    balances: dict[str, int] = field(default_factory=dict)
    schemes: dict[str, Scheme] = field(default_factory=dict)
    limits: dict[str, int] = field(default_factory=dict)
    """Highest balance of credit accounts, where the journal has set one."""
    holds: Holds = field(init=False)
    _known: dict[str, str] = field(default_factory=dict)
    """What kind of account each name is."""

    def __post_init__(self) -> None:
        """Nothing is held yet."""
        self.holds = Holds(self.findings)

    def add(self, line: Line) -> None:
        """Take one entry in, and note what is wrong with it."""
        if sum(micro for _, micro in line.postings) or any(not m for _, m in line.postings):
            self.findings.note("entry_unbalanced", line.where)
        changes = line.changes
        for name, change_micro in changes.items():
            kind = self._known.get(name)
            if kind is None:
                if not is_account(name):
                    self.findings.note("account_not_in_chart", line.where, name[:80])
                    continue
                kind = self._known[name] = kind_of(name)
            balance_micro = self.balances.get(name, 0) + change_micro
            self.balances[name] = balance_micro
            (low, high), _, _ = CHART[kind]
            high = min(high, self.limits.get(name, high))
            # A limit may have been lowered below what is owed: then it may only shrink.
            if (balance_micro < low and change_micro < 0) or (
                balance_micro > high and change_micro > 0
            ):
                self.findings.note("account_below_floor", line.where, f"{name} at {balance_micro}")
        self._judge(line)
        captured = self.holds.add(line, changes, self.balances)
        self._count(line, changes, captured)

    def reserved_micro(self, scheme: str) -> int:
        """What open holds have taken out of what a scheme has out."""
        own = f"{OUTSTANDING}{scheme}"
        return sum(
            micro
            for held in self.holds.open.values()
            for name, micro in held.taken.items()
            if name == own or name.startswith(own + "/")
        )

    def _judge(self, line: Line) -> None:
        if not moves.is_known(line.kind):
            self.findings.note("entry_kind_unknown", line.where, line.kind)
            return
        debits: set[str] = set()
        credited: set[str] = set()
        for name, micro in line.postings:
            kind = self._known.get(name) or kind_of(name)
            (debits if micro > 0 else credited).add(kind)
            if kind in _OF_SCHEMES and name.split("/")[2:3] != [line.ref]:
                said = f"{line.ref[:32]} may not touch {name}"
                self.findings.note("posting_not_allowed", line.where, said)
        if not moves.is_way(line.ref, line.kind, frozenset(debits), frozenset(credited)):
            said = f"{line.kind} from {', '.join(sorted(debits))} to {', '.join(sorted(credited))}"
            self.findings.note("posting_not_allowed", line.where, said)

    def _count(self, line: Line, changes: dict[str, int], captured: dict[str, int]) -> None:
        """Each scheme's equation, by what the kind of entry says of it."""
        for name, change_micro in changes.items():
            if not name.startswith(OUTSTANDING):
                continue
            count = self.schemes.setdefault(name.split("/")[2], Scheme())
            micro = -change_micro
            if micro > 0:
                count.issued_micro += micro if line.kind in _ISSUING else 0
                continue
            where = _GONE.get(line.kind)
            if line.kind == "lapse" and any(map(_is_to_payer, line.postings)):
                where = "returned"  # what nobody has claimed goes back
            if where:
                term = f"{where}_micro"
                setattr(count, term, getattr(count, term) - micro)
        for name, micro in captured.items():
            if name.startswith(OUTSTANDING):
                self.schemes.setdefault(name.split("/")[2], Scheme()).redeemed_micro += micro


def _is_to_payer(posting: tuple[str, int]) -> bool:
    name, micro = posting
    return micro < 0 and kind_of(name) in PAYER
