import pytest
from hypothesis import given
from hypothesis import strategies as st

from farthing.broker import risk
from farthing.errors import Overlimit, Unfunded

MICRO = st.integers(0, 1_000)


@given(amount=MICRO, balance=MICRO, debt=MICRO, limit=MICRO)
def test_own_money_goes_first_and_debt_stays_within_the_limit(
    amount: int, balance: int, debt: int, limit: int
) -> None:
    try:
        own, borrowed = risk.draw(amount, balance_micro=balance, debt_micro=debt, limit_micro=limit)
    except Unfunded:
        assert (limit, amount > balance) == (0, True)
        return
    except Overlimit:
        assert amount > balance
        assert limit
        assert debt + amount - balance > limit
        return
    assert own == min(amount, balance)
    assert own + borrowed == amount
    assert borrowed == 0 or debt + borrowed <= limit


@given(amount=MICRO, balance=MICRO, debt=MICRO, limit=MICRO)
def test_what_was_guaranteed_is_always_covered_and_the_broker_bears_the_rest(
    amount: int, balance: int, debt: int, limit: int
) -> None:
    own, borrowed, borne = risk.cover(
        amount, balance_micro=balance, debt_micro=debt, limit_micro=limit
    )
    assert own == min(amount, balance)
    assert own + borrowed + borne == amount
    assert borrowed == 0 or debt + borrowed <= limit
    assert borne == 0 or debt + borrowed >= limit


@given(amount=MICRO, debt=MICRO)
def test_money_that_comes_in_pays_the_debt_first(amount: int, debt: int) -> None:
    own, repaid = risk.repay(amount, debt_micro=debt)
    assert repaid == min(amount, debt)
    assert own + repaid == amount


@pytest.mark.parametrize(
    ("amount_micro", "debt_micro", "code"),
    [(100, 0, ""), (101, 0, "balance_too_low"), (60, 40, ""), (61, 40, "debt_before_payout")],
)
def test_what_an_account_has_without_its_debt_is_paid_out(
    amount_micro: int, debt_micro: int, code: str
) -> None:
    found = ""
    try:
        risk.require_payable(amount_micro, 100, debt_micro, "eur")
    except Unfunded as refusal:
        found = refusal.code
    assert found == code
