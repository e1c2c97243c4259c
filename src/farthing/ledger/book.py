"""Balances in memory: every entry checked against the bounds of its accounts, all or nothing."""

from collections.abc import Mapping

from farthing.errors import OutOfRange, Overlimit, Refusal, Unfunded, Unknown
from farthing.ledger.accounts import rule_of
from farthing.ledger.transfers import Entry, Posting

_WHOSE = {"liability/payer": "the payer's account", "liability/vendor": "the vendor's account"}


def changes(postings: tuple[Posting, ...]) -> dict[str, int]:
    """What postings do to each account, in micro-units; accounts that end unchanged are left out.

    In the order of first mention.
    """
    found: dict[str, int] = {}
    for posting in postings:
        found[posting.account] = found.get(posting.account, 0) + posting.amount_micro
    return {name: change_micro for name, change_micro in found.items() if change_micro}


def out_of_bounds(name: str, change_micro: int) -> Refusal:
    """The refusal for a change that leaves the bounds of an account."""
    if name.startswith("asset/credit/") and change_micro > 0:
        return Overlimit("credit_limit_reached", "pay the credit back, or ask for a higher limit")
    rule, kind = rule_of(name), "/".join(name.split("/")[:2])
    if (change_micro > 0) is (rule.side == "liability"):  # towards empty
        return Unfunded("balance_too_low", f"{_WHOSE.get(kind, 'what there is')} does not cover it")
    return OutOfRange("balance_out_of_range", "an account holds at most 10^9 units of currency")


class Book:
    """Balances by account name, debit-positive; accounts come into being when opened."""

    def __init__(self) -> None:
        """An empty book."""
        self._balances: dict[str, int] = {}
        self._highs: dict[str, int] = {}

    @property
    def balances(self) -> Mapping[str, int]:
        """Signed balances in micro-units."""
        return self._balances

    def open(self, name: str, *, high_micro: int | None = None) -> None:
        """Open an account, or move its upper bound; `OutOfRange` if the chart lacks it."""
        rule = rule_of(name)
        self._balances.setdefault(name, 0)
        self._highs[name] = rule.high_micro if high_micro is None else high_micro

    def apply(self, entry: Entry) -> dict[str, int]:
        """Post an entry; the new balances of the accounts it changed.

        `Unknown` for an account that is not open, `Unfunded`, `Overlimit` or `OutOfRange` for one
        that would leave its bounds; then nothing has changed.
        """
        after: dict[str, int] = {}
        for name, change_micro in changes(entry.postings).items():
            balance_micro = self._balances.get(name)
            if balance_micro is None:
                raise Unknown("account_unknown", "no such account")
            after[name] = balance_micro + change_micro
            if change_micro > 0:
                inside = after[name] <= self._highs[name]
            else:  # back towards the bounds is always allowed: a limit may have been lowered
                inside = after[name] >= rule_of(name).low_micro
            if not inside:
                raise out_of_bounds(name, change_micro)
        self._balances.update(after)
        return after

    def require_balanced(self) -> None:
        """`OutOfRange` unless all balances sum to zero; no sequence of entries gets there."""
        if sum(self._balances.values()):
            raise OutOfRange("book_unbalanced", "the balances of a book sum to zero")
