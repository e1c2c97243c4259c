"""The chart of accounts: every account that may exist, its side, and how far it may go.

Names are paths: `asset/bank/manual`, `liability/payer/alice`, `liability/outstanding/millicent/v7`.
Balances are debit-positive: an asset of 5 is +5, a debt of 5 to a payer is -5. `low_micro` and
`high_micro` are the bounds of that signed balance, so "a payer's balance is never negative" reads
`high_micro = 0`.

Source: the chart of the trust programme, section 6; `asset/stock` and
`asset/peer` are ours, for bought scrip and for the brokers that we buy of.
"""

import re
from typing import Literal

import msgspec

from farthing.errors import OutOfRange
from farthing.money import ACCOUNT_MICRO_MAX

Side = Literal["asset", "liability", "income", "expense", "equity"]

LEDGER_MICRO_MAX = 2**60  # a broker's own accounts sum up thousands of the largest; fits 64 bits

_PART = re.compile(r"[A-Za-z0-9][A-Za-z0-9._~-]{0,63}")


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """How one kind of account behaves."""

    side: Side
    low_micro: int
    """The lowest signed balance."""
    high_micro: int
    """The highest signed balance."""
    parts_min: int = 0
    """How many parts a name has after the kind, at least."""
    parts_max: int = 0
    """And at most."""


def _owned(parts_min: int = 1, parts_max: int = 1) -> Rule:
    return Rule(
        side="asset", low_micro=0, high_micro=LEDGER_MICRO_MAX,
        parts_min=parts_min, parts_max=parts_max,
    )  # fmt: skip  # - one line a bound would hide the table below


def _owed(largest_micro: int, parts_min: int = 0, parts_max: int = 0) -> Rule:
    return Rule(
        side="liability", low_micro=-largest_micro, high_micro=0,
        parts_min=parts_min, parts_max=parts_max,
    )  # fmt: skip  # - likewise


def _either(side: Side, parts: int = 0) -> Rule:
    return Rule(
        side=side, low_micro=-LEDGER_MICRO_MAX, high_micro=LEDGER_MICRO_MAX,
        parts_min=parts, parts_max=parts,
    )  # fmt: skip  # - likewise


CHART: dict[str, Rule] = {
    "asset/bank": _owned(),
    "asset/credit": _owned(),  # its high bound is the payer's credit limit, set when opened
    "asset/clearing": _either("asset", 1),  # on its way in (+) or out (-); zero every day
    "asset/receivable": _owned(),
    "asset/stock": _owned(1, 2),  # scrip bought from a vendor and not yet sold
    "asset/peer": _either("asset", 1),  # what another broker has of ours (+), or we owe it (-)
    "liability/payer": _owed(ACCOUNT_MICRO_MAX, 1, 1),
    "liability/vendor": _owed(ACCOUNT_MICRO_MAX, 1, 1),
    "liability/outstanding": _owed(LEDGER_MICRO_MAX, 1, 2),
    "liability/hold": _owed(ACCOUNT_MICRO_MAX, 1, 1),
    "liability/disputed": _owed(LEDGER_MICRO_MAX, 1, 2),
    "liability/vat": _owed(LEDGER_MICRO_MAX),
    "liability/suspense": _owed(LEDGER_MICRO_MAX),
    "liability/unclaimed": _owed(LEDGER_MICRO_MAX),
    "income/commission": _either("income"),  # refunds may for a while exceed what came in
    "income/breakage": _either("income"),
    "expense/rail": _either("expense"),
    "expense/fraud": _either("expense"),
    "equity/lottery": _either("equity"),  # what tickets won above or below their expectation
    "equity/rounding": _either("equity"),
}


def rule_of(name: str) -> Rule:
    """The rule of the account called `name`; `OutOfRange` if the chart has no such account."""
    pieces = name.split("/")
    rule = CHART.get("/".join(pieces[:2]))
    parts = pieces[2:]
    if (
        rule is None
        or not rule.parts_min <= len(parts) <= rule.parts_max
        or not all(_PART.fullmatch(part) for part in parts)
    ):
        raise OutOfRange("account_not_in_chart", f"no account is called {name[:60]!r}")
    return rule


def shown_micro(name: str, balance_micro: int) -> int:
    """The balance as people read it: what is owed, earned or put in counts up as well."""
    return balance_micro if rule_of(name).side in {"asset", "expense"} else -balance_micro


def bank(rail: str) -> str:
    """Money at the bank that one rail uses."""
    return f"asset/bank/{rail}"


def clearing(rail: str) -> str:
    """Money between us and the bank."""
    return f"asset/clearing/{rail}"


def receivable(payer_id: str) -> str:
    """What a payer owes above its credit, because the broker had promised it to vendors."""
    return f"asset/receivable/{payer_id}"


def credit(payer_id: str) -> str:
    """What a payer owes the broker."""
    return f"asset/credit/{payer_id}"


def payer(payer_id: str) -> str:
    """A payer's balance."""
    return f"liability/payer/{payer_id}"


def vendor(vendor_id: str) -> str:
    """What a vendor has earned and not been paid out."""
    return f"liability/vendor/{vendor_id}"


def peer(broker_id: str) -> str:
    """What stands between us and another broker."""
    return f"asset/peer/{broker_id}"


def hold(order: str) -> str:
    """What one reservation keeps apart."""
    return f"liability/hold/{order}"


def outstanding(scheme: str, series: str = "") -> str:
    """Spending power of one scheme (and series) that is out with payers."""
    return f"liability/outstanding/{scheme}" + (f"/{series}" if series else "")


COMMISSION = "income/commission"
BREAKAGE = "income/breakage"
LOTTERY = "equity/lottery"
UNCLAIMED = "liability/unclaimed"
