"""How much a payer may owe, and which money a payer's spending draws on first.

A payer with credit spends its own balance first, then up to its limit. Money that comes in at the
bank pays the debt first, and as much as is owed does not go out there. Source: ours; the limits are
the operator's.
"""

from farthing.errors import Overlimit, Unfunded
from farthing.money import show_micro

CREDIT_MICRO_MAX = 150_000_000  # 150 units: the smallest legal cap on unsecured stored value


def draw(
    amount_micro: int, *, balance_micro: int, debt_micro: int, limit_micro: int
) -> tuple[int, int]:
    """(from the balance, on credit) for a payer that spends.

    `Unfunded` for who has no credit; `Overlimit` above the limit.
    """
    own_micro = min(amount_micro, max(balance_micro, 0))
    borrowed_micro = amount_micro - own_micro
    if borrowed_micro and not limit_micro:
        raise Unfunded("balance_too_low", "the payer's account does not cover it")
    if borrowed_micro and debt_micro + borrowed_micro > limit_micro:
        raise Overlimit("credit_limit_reached", "pay the credit back, or ask for a higher limit")
    return own_micro, borrowed_micro


def cover(
    amount_micro: int, *, balance_micro: int, debt_micro: int, limit_micro: int
) -> tuple[int, int, int]:
    """(from the balance, on credit, borne by the broker) for what the broker guaranteed."""
    own_micro = min(amount_micro, max(balance_micro, 0))
    borrowed_micro = min(amount_micro - own_micro, max(limit_micro - debt_micro, 0))
    return own_micro, borrowed_micro, amount_micro - own_micro - borrowed_micro


def repay(amount_micro: int, *, debt_micro: int) -> tuple[int, int]:
    """(to the balance, off the debt) for money that a payer gets."""
    repaid_micro = min(amount_micro, max(debt_micro, 0))
    return amount_micro - repaid_micro, repaid_micro


def require_payable(amount_micro: int, balance_micro: int, debt_micro: int, currency: str) -> None:
    """`Unfunded` for more than an account has, or has without what its owner owes."""
    if amount_micro > balance_micro:
        has = show_micro(balance_micro, currency)
        raise Unfunded("balance_too_low", f"the account has {has}: ask for at most that")
    if amount_micro > balance_micro - debt_micro:
        raise Unfunded("debt_before_payout", "what is owed here stays in the account")
