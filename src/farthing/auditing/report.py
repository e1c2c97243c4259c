"""What an audit found: findings by name, balances, and what each scheme's money did."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

# What comes of reading a value that is not what it should be.
UNREADABLE = ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError
FINDINGS_MAX = 20  # of one code: a broken chain would otherwise list every later entry

CODES = {
    "account_below_floor": "an account went below what it may hold",
    "account_not_in_chart": "an entry names an account that cannot exist",
    "balance_differs": "the table of balances says something else than the journal",
    "bank_entry_invented": "the books have a bank transfer that the statement lacks",
    "bank_entry_missing": "the statement has a bank transfer that the books lack",
    "books_do_not_sum_to_zero": "the balances do not sum to zero",
    "chain_broken": "a hash does not follow from the entry before it",
    "counter_set_back": "a counter stands before the place that was paid for",
    "counter_skipped": "an entry pays for steps of a chain from where it had not come",
    "counter_used_twice": "an entry pays again for steps of a chain that were paid before",
    "currency_differs": "a published document is in another currency than these books",
    "earnings_overstated": "a share was taken of more than was earned",
    "earnings_unshared": "a vendor was paid something of which no share was taken",
    "entry_back_dated": "an entry is older than those before it",
    "entry_id_differs": "the row's id is not the entry's own",
    "entry_kind_unknown": "no operation of a broker makes entries of this kind",
    "entry_missing": "a number of the journal is missing",
    "entry_twice": "two entries have one id",
    "entry_unbalanced": "the postings of an entry do not sum to zero",
    "entry_unreadable": "a row is no entry in its one spelling",
    "file_damaged": "SQLite finds the file damaged",
    "hold_ended_twice": "what was reserved was given out more than once",
    "hold_returned_elsewhere": "what was reserved went back to somebody else",
    "hold_without_reservation": "money is held for a reservation that does not exist",
    "journal_forked": "another head was published of the journal up to here",
    "journal_truncated": "the journal ends before an entry that was published",
    "limit_differs": "an account's limit is not the one that the journal set",
    "mark_missing": "an entry paid a claim without a mark, as no entry of its kind does",
    "mark_removed": "a mark that an entry set is not there any more",
    "mark_used_twice": "two entries spent the same mark",
    "payout_differs": "a payout's row and its entries say different things",
    "payout_without_entry": "a payout was never booked",
    "posting_not_allowed": "an entry of this kind may not touch this account this way",
    "rate_differs": "the broker's rate is not the one that the journal set",
    "records_differ": "a scheme's records hold another amount than its account",
    "reference_booked_twice": "one bank transfer was booked twice",
    "reservation_without_hold": "a reservation is open for which nothing is held",
    "row_unreadable": "a row beside the journal holds what no program writes there",
    "scheme_not_conserved": "issued is not redeemed + returned + expired + outstanding",
    "steps_mispriced": "steps of a chain were paid at another price than its others",
    "statement_differs": "an account's statement is not what the journal says of it",
    "share_wrong": "the broker's share is not what was earned, times the rate, rounded down",
    "value_without_end": "nothing will ever look at value that a record holds",
    "carry_differs": "what rounding left over is not what the journal carried",
}
"""Every finding: its code, and what it means."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong."""

    code: str
    """One of `CODES`."""
    where: str
    """`entry 7`, or an account, a payout, a mark."""
    detail: str = ""

    def __str__(self) -> str:
        """One line for people."""
        said = f"{self.code}: {self.where}: {CODES[self.code]}"
        return f"{said} ({self.detail})" if self.detail else said


@dataclass(slots=True)
class Scheme:
    """What one scheme's money did, in micro-units."""

    issued_micro: int = 0
    redeemed_micro: int = 0
    returned_micro: int = 0
    expired_micro: int = 0
    reserved_micro: int = 0
    outstanding_micro: int = 0

    @property
    def is_conserved(self) -> bool:
        """Whether issued = redeemed + returned + expired + reserved + outstanding."""
        gone_micro = self.redeemed_micro + self.returned_micro + self.expired_micro
        return self.issued_micro == gone_micro + self.reserved_micro + self.outstanding_micro

    def as_json(self) -> dict[str, int]:
        """With the names of the published documents."""
        return {
            "expiredMicro": self.expired_micro,
            "issuedMicro": self.issued_micro,
            "outstandingMicro": self.outstanding_micro,
            "redeemedMicro": self.redeemed_micro,
            "reservedMicro": self.reserved_micro,
            "returnedMicro": self.returned_micro,
        }


@dataclass(slots=True)
class Findings:
    """A list that says no more than people can read, and leaves no kind of finding out."""

    found: list[Finding] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    """How many there were of each code, listed or not."""

    def note(self, code: str, where: str, detail: str = "") -> None:
        """Add one, unless there are too many of its code already."""
        assert code in CODES, code
        count = self.counts[code] = self.counts.get(code, 0) + 1
        if count <= FINDINGS_MAX:
            self.found.append(Finding(code, where, detail))

    @contextmanager
    def reading(self, what: str) -> Iterator[None]:
        """Note what cannot be read as what it should be, and go on behind it."""
        try:
            yield
        except UNREADABLE as wrong:
            self.note("row_unreadable", what[:80], type(wrong).__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What an audit found. `findings` is empty where all is well."""

    currency: str
    """Of these books; empty where they do not say."""
    entries: int
    head: str
    """Hash of the last entry, hex: publish it, and the journal up to it is fixed."""
    ledger_sum_micro: int
    """Of all balances; 0."""
    balances: dict[str, int]
    """As people read them, by account, from the journal; accounts at zero are left out."""
    schemes: dict[str, Scheme]
    findings: list[Finding]
    """The first of each code."""
    counts: dict[str, int]
    """How many there are of each code that was found."""

    def as_json(self) -> dict[str, Any]:
        """One JSON object."""
        return {
            "balances": self.balances,
            "counts": self.counts,
            "currency": self.currency,
            "entries": self.entries,
            "findings": [
                {"code": one.code, "where": one.where, "detail": one.detail}
                for one in self.findings
            ],
            "head": self.head,
            "ledgerSumMicro": self.ledger_sum_micro,
            "schemes": {name: one.as_json() for name, one in self.schemes.items()},
        }
