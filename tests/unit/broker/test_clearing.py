import pytest
from hypothesis import given
from hypothesis import strategies as st

from farthing.broker import clearing
from farthing.broker.clearing import Purses
from farthing.errors import OutOfRange, Overlimit
from farthing.ledger.transfers import Posting
from farthing.money import PAYMENT_MICRO_MAX
from farthing.schemes.contract import End, Flow


def purses(limit: int = 0, **balances: int) -> Purses:
    named = {name.replace("__", "/"): micro for name, micro in balances.items()}
    return Purses(balance=lambda name: named.get(name, 0), limit=lambda name: limit)


def flow(source: End, target: End, micro: int) -> Flow:
    return Flow(source=source, target=target, amount_micro=micro)


PAYER, VENDOR = End(kind="payer", id="alice"), End(kind="vendor", id="v7")


@pytest.mark.parametrize(
    ("end", "account"),
    [
        (PAYER, "liability/payer/alice"),
        (VENDOR, "liability/vendor/v7"),
        (End(kind="outstanding"), "liability/outstanding/coupon"),
        (End(kind="outstanding", id="v7"), "liability/outstanding/coupon/v7"),
        (End(kind="disputed"), "liability/disputed/coupon"),
        (End(kind="stock", id="7"), "asset/stock/coupon/7"),
        (End(kind="breakage", id="v7"), "income/breakage"),
        (End(kind="lottery"), "equity/lottery"),
        (End(kind="bank"), "asset/bank/manual"),
    ],
)
def test_every_end_is_an_account(end: End, account: str) -> None:
    assert clearing.account_of(end, "coupon") == account


def test_what_value_leaves_is_debited_and_what_it_reaches_credited() -> None:
    made = clearing.postings_of([flow(PAYER, VENDOR, 5)], "coupon", purses())
    assert made == (Posting("liability/payer/alice", 5), Posting("liability/vendor/v7", -5))
    bought = clearing.postings_of([flow(End(kind="stock"), VENDOR, 5)], "coupon", purses())
    assert bought[0] == Posting("asset/stock/coupon", 5)


def test_several_flows_on_credit_share_one_limit() -> None:
    credit = End(kind="credit", id="bob")
    flows = [flow(credit, VENDOR, 60), flow(credit, VENDOR, 60)]
    made = clearing.postings_of(flows, "tab", purses(limit=70, liability__payer__bob=-50))
    assert [posting for posting in made if posting.amount_micro > 0] == [
        Posting("liability/payer/bob", 50),
        Posting("asset/credit/bob", 10),
        Posting("asset/credit/bob", 60),
    ]
    with pytest.raises(Overlimit):
        clearing.postings_of(flows, "tab", purses(limit=69, liability__payer__bob=-50))


def test_a_guarantee_is_paid_above_the_limit_and_is_owed_by_the_payer() -> None:
    promised = [flow(End(kind="guarantee", id="bob"), VENDOR, 60)]
    made = clearing.postings_of(promised, "tab", purses(limit=25, liability__payer__bob=-10))
    assert made == (
        Posting("liability/payer/bob", 10),
        Posting("asset/credit/bob", 25),
        Posting("asset/receivable/bob", 25),
        Posting("liability/vendor/v7", -60),
    )
    assert clearing.earned(promised) == {"v7": 60}


def test_a_refund_to_credit_pays_the_debt_first() -> None:
    credit = End(kind="credit", id="bob")
    made = clearing.postings_of([flow(VENDOR, credit, 60)], "tab", purses(asset__credit__bob=20))
    assert made[1:] == (Posting("liability/payer/bob", -40), Posting("asset/credit/bob", -20))


def test_what_is_given_back_goes_where_it_came_from_the_last_part_first() -> None:
    debits = (Posting("liability/payer/bob", 50), Posting("asset/credit/bob", 10))
    given = clearing.backs_of(debits, purses(asset__credit__bob=10))
    assert given == (Posting("asset/credit/bob", -10), Posting("liability/payer/bob", -50))


def test_credit_that_was_repaid_meanwhile_is_given_back_as_money() -> None:
    debits = (Posting("asset/credit/bob", 10), Posting("asset/credit/bob", 20))
    given = clearing.backs_of(debits, purses(asset__credit__bob=25))
    assert given == (
        Posting("asset/credit/bob", -20),
        Posting("asset/credit/bob", -5),
        Posting("liability/payer/bob", -5),
    )


def test_a_smaller_charge_gives_back_what_was_borrowed_first() -> None:
    flows = [flow(End(kind="credit", id="bob"), VENDOR, 60)]
    debits = (Posting("liability/payer/bob", 50), Posting("asset/credit/bob", 10))
    paid, earned = clearing.reduced(flows, debits, 45, purses(asset__credit__bob=10))
    assert earned == {"v7": 45}
    assert paid == (
        Posting("liability/vendor/v7", -45),
        Posting("asset/credit/bob", -10),
        Posting("liability/payer/bob", -5),
    )
    for micro in (0, 60, 61):
        with pytest.raises(OutOfRange, match="capture_amount_fixed"):
            clearing.reduced(flows, debits, micro, purses())


def test_a_charge_that_keeps_something_apart_is_not_made_smaller() -> None:
    ann, apart = End(kind="credit", id="ann"), End(kind="outstanding", id="ann")
    flows = [flow(ann, VENDOR, 10), flow(ann, apart, 50)]
    with pytest.raises(OutOfRange, match="capture_amount_fixed"):
        clearing.reduced(flows, (Posting("liability/payer/ann", 60),), 5, purses())


def test_an_amount_out_of_range_is_refused_and_nothing_is_posted_for_zero() -> None:
    assert clearing.postings_of([flow(PAYER, VENDOR, 0)], "coupon", purses()) == ()
    for micro in (-1, PAYMENT_MICRO_MAX + 1):
        with pytest.raises(OutOfRange):
            clearing.postings_of([flow(PAYER, VENDOR, micro)], "coupon", purses())


def test_commission_is_due_on_payers_money_only() -> None:
    outstanding, stock = End(kind="outstanding"), End(kind="stock")
    flows = [flow(outstanding, VENDOR, 50), flow(stock, VENDOR, 7), flow(VENDOR, PAYER, 20)]
    assert clearing.earned(flows) == {"v7": 30}


@given(
    batches=st.lists(st.integers(-500, 5_000), max_size=60),
    commission_e4=st.integers(0, clearing.COMMISSION_E4_MAX),
)
def test_commission_of_any_batches_is_that_of_their_sum(
    batches: list[int], commission_e4: int
) -> None:
    taken = carry = 0
    for earned in batches:
        share, carry = clearing.commission(earned, commission_e4, carry)
        taken += share
        assert 0 <= carry < clearing.COMMISSION_E4_MAX
    assert taken == sum(batches) * commission_e4 // clearing.COMMISSION_E4_MAX
