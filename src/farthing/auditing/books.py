"""The postings added up: balances, their floors and ceilings, each scheme's equation.

Each kind of entry may touch some accounts one way and others the other way; whatever else an entry
touches is somebody's invention. Balances are debit-positive.
"""

import re
from dataclasses import dataclass, field

from farthing.auditing.entries import LARGEST_MICRO, Line
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

_PAYER = {"liability/payer", "asset/credit", "asset/receivable"}
_VALUE = {"liability/outstanding", "liability/disputed", "asset/stock", "equity/lottery"}
_OF_SCHEMES = _VALUE - {"equity/lottery"}
_PEOPLE = _PAYER | {"liability/vendor"}
_MINTED = _PEOPLE | _VALUE | {"liability/hold", "asset/peer", "income/breakage"}
_MARGIN = {"income/commission"}  # of what was bought ahead, and only beside it or its vendor
_BOUGHT_AHEAD = {"asset/stock", "liability/vendor"}

# Kind: what it may debit, and what it may credit.
KINDS: dict[str, tuple[set[str], set[str]]] = {
    "topup": ({"asset/bank"}, {"liability/payer", "asset/credit"}),
    "transfer": ({"liability/payer", "liability/vendor"}, {"liability/payer", "liability/vendor"}),
    "payout": (
        {"liability/payer", "liability/vendor", "asset/clearing", "asset/bank"},
        {"liability/payer", "liability/vendor", "asset/clearing", "asset/bank"},
    ),
    "peer": ({"asset/peer", "asset/bank"}, {"asset/peer", "asset/bank"}),
    "commission": (
        {"liability/vendor", "asset/peer", "income/commission"},
        {"liability/vendor", "asset/peer", "income/commission"},
    ),
    "issue": (_MINTED, _MINTED - _PAYER | _MARGIN),
    "redeem": (_MINTED, _MINTED),
    "take_back": (_MINTED - _PAYER | _MARGIN, _MINTED),
    "grant": (_MINTED, _MINTED),
    "status": (set(), set()),
    "swap": (set(), set()),  # coins for coins: the marks alone
    "found": (_MINTED, _MINTED),
    "lapse": (_MINTED | _MARGIN, _MINTED | {"liability/unclaimed"}),
    "reserve": (_MINTED - {"liability/hold"}, {"liability/hold"}),
    "capture": ({"liability/hold"}, _MINTED - {"liability/hold"}),
    "void": ({"liability/hold"} | _VALUE, _MINTED - {"liability/hold"}),
    "limit": (set(), set()),
}

# Where money that leaves `outstanding` is counted; every other kind is a redemption.
_COUNTED = {"take_back": "returned_micro", "lapse": "expired_micro"}


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
    _known: set[str] = field(default_factory=set)
    _reserved: dict[str, dict[str, int]] = field(default_factory=dict)
    """What was debited for each hold, by whom it was taken from."""

    def add(self, line: Line) -> None:
        """Take one entry in, and note what is wrong with it."""
        if sum(micro for _, micro in line.postings) or any(not m for _, m in line.postings):
            self.findings.note("entry_unbalanced", line.where)
        changes = line.changes
        for name, change_micro in changes.items():
            if name not in self._known and not is_account(name):
                self.findings.note("account_not_in_chart", line.where, name[:80])
                continue
            self._known.add(name)
            balance_micro = self.balances.get(name, 0) + change_micro
            self.balances[name] = balance_micro
            (low, high), _, _ = CHART[kind_of(name)]
            high = min(high, self.limits.get(name, high))
            # A limit may have been lowered below what is owed: then it may only shrink.
            if (balance_micro < low and change_micro < 0) or (
                balance_micro > high and change_micro > 0
            ):
                self.findings.note("account_below_floor", line.where, f"{name} at {balance_micro}")
        self._judge(line)
        self._count(line, changes)
        self._hold(line, changes)

    def _judge(self, line: Line) -> None:
        allowed = KINDS.get(line.kind)
        if allowed is None:
            self.findings.note("entry_kind_unknown", line.where, line.kind)
            return
        touched = {kind_of(name) for name, _ in line.postings}
        if line.kind != "commission" and touched & _MARGIN and not touched & _BOUGHT_AHEAD:
            self.findings.note("posting_not_allowed", line.where, "a margin of nothing")
        for name, micro in line.postings:
            if kind_of(name) not in allowed[micro < 0]:
                side = "credit" if micro < 0 else "debit"
                self.findings.note(
                    "posting_not_allowed", line.where, f"{line.kind} may not {side} {name}"
                )
            elif kind_of(name) in _OF_SCHEMES and name.split("/")[2] != line.ref:
                said = f"{line.ref[:32]} may not touch {name}"
                self.findings.note("posting_not_allowed", line.where, said)

    def _count(self, line: Line, changes: dict[str, int]) -> None:
        for name, change_micro in changes.items():
            if not name.startswith("liability/outstanding/"):
                continue
            count = self.schemes.setdefault(name.split("/")[2], Scheme())
            micro = -change_micro
            if line.kind in {"reserve", "void"}:
                count.reserved_micro -= micro
            elif micro > 0:
                count.issued_micro += micro
            else:
                where = _COUNTED.get(line.kind, "redeemed_micro")
                if line.kind == "lapse" and any(map(_is_to_payer, line.postings)):
                    where = "returned_micro"  # what nobody has claimed goes back
                setattr(count, where, getattr(count, where) - micro)

    def _hold(self, line: Line, changes: dict[str, int]) -> None:
        """What is held is held once, and ended once, whole."""
        for name, change_micro in changes.items():
            if not name.startswith("liability/hold/"):
                continue
            if change_micro < 0:
                if name in self._reserved:
                    self.findings.note("hold_ended_twice", line.where, f"{name} is held already")
                self._reserved[name] = _owners(changes, 1)
                continue
            if name not in self._reserved or self.balances.get(name):
                self.findings.note("hold_ended_twice", line.where, name)
            taken = self._reserved.pop(name, {})
            self.balances.pop(name, None)
            if line.kind == "void":
                if taken != _owners(changes, -1):
                    self.findings.note("hold_returned_elsewhere", line.where, name)
                continue
            for source, micro in taken.items():
                if source.startswith("liability/outstanding/"):
                    scheme = self.schemes[source.split("/")[2]]
                    scheme.reserved_micro -= micro
                    scheme.redeemed_micro += micro


def _is_to_payer(posting: tuple[str, int]) -> bool:
    name, micro = posting
    return micro < 0 and kind_of(name) in _PAYER


def _owners(changes: dict[str, int], sign: int) -> dict[str, int]:
    """What was debited (1) or credited (-1), with what a payer owes counted as the payer's."""
    owners: dict[str, int] = {}
    for name, change_micro in changes.items():
        if change_micro * sign > 0 and not name.startswith("liability/hold/"):
            owner = name
            if name.startswith(("asset/credit/", "asset/receivable/")):
                owner = "liability/payer/" + name.split("/")[2]
            owners[owner] = owners.get(owner, 0) + change_micro * sign
    return owners
