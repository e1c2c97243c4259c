import pytest
from hypothesis import given
from hypothesis import strategies as st

from farthing.errors import OutOfRange, Overlimit, Refusal, Unfunded, Unknown
from farthing.ledger import accounts
from farthing.ledger.book import Book, changes, out_of_bounds
from farthing.ledger.transfers import Entry, Posting
from farthing.money import ACCOUNT_MICRO_MAX

BANK, ALICE, BOB = accounts.bank("manual"), accounts.payer("alice"), accounts.payer("bob")


def entry(*postings: tuple[str, int]) -> Entry:
    made = tuple(Posting(name, micro) for name, micro in postings)
    return Entry(id=bytes(16), postings=made, kind="transfer", ref="", at_s=0)


def book() -> Book:
    made = Book()
    for name in (BANK, ALICE, BOB, accounts.credit("bob")):
        made.open(name)
    made.apply(entry((BANK, 100), (ALICE, -100)))
    return made


def test_an_entry_changes_every_account_it_names() -> None:
    made = book()
    assert made.apply(entry((ALICE, 30), (BOB, -30))) == {ALICE: -70, BOB: -30}
    assert made.balances[BANK] == 100
    made.require_balanced()


def test_nobody_goes_below_zero_and_the_refusal_changes_nothing() -> None:
    made = book()
    before = dict(made.balances)
    with pytest.raises(Unfunded):
        made.apply(entry((BOB, 1), (ALICE, -1)))
    with pytest.raises(Unfunded):
        made.apply(entry((BOB, -10), (ALICE, 110), (BANK, -100)))
    assert made.balances == before


def test_credit_ends_at_its_limit_and_a_lowered_limit_lets_debt_shrink() -> None:
    made = book()
    debt = accounts.credit("bob")
    made.open(debt, high_micro=50)
    made.apply(entry((debt, 50), (BOB, -50)))
    with pytest.raises(Overlimit):
        made.apply(entry((debt, 1), (BOB, -1)))
    made.open(debt, high_micro=10)
    made.apply(entry((BOB, 5), (debt, -5)))
    assert made.balances[debt] == 45


def test_an_account_holds_at_most_its_largest() -> None:
    made = book()
    made.apply(entry((BANK, ACCOUNT_MICRO_MAX - 100), (ALICE, -(ACCOUNT_MICRO_MAX - 100))))
    with pytest.raises(OutOfRange, match="balance_out_of_range"):
        made.apply(entry((BANK, 1), (ALICE, -1)))


def test_an_account_that_is_not_open_is_unknown() -> None:
    with pytest.raises(Unknown):
        book().apply(entry((ALICE, 1), (accounts.vendor("v7"), -1)))


def test_postings_on_one_account_are_summed_first() -> None:
    postings = entry((ALICE, 500), (ALICE, -500), (ALICE, 10), (BOB, -10)).postings
    assert changes(postings) == {ALICE: 10, BOB: -10}
    assert changes(entry((ALICE, 500), (ALICE, -500)).postings) == {}
    assert book().apply(entry((ALICE, 500), (ALICE, -500))) == {}


def test_the_refusal_says_which_way_it_went_wrong() -> None:
    for name, change_micro, kind, code in (
        (ALICE, 1, Unfunded, "balance_too_low"),
        (ALICE, -1, OutOfRange, "balance_out_of_range"),
        (BANK, -1, Unfunded, "balance_too_low"),
        (BANK, 1, OutOfRange, "balance_out_of_range"),
        (accounts.credit("a"), 1, Overlimit, "credit_limit_reached"),
    ):
        refusal = out_of_bounds(name, change_micro)
        assert (type(refusal), refusal.code) == (kind, code)


def test_the_refusal_names_an_account_as_people_do_and_not_whose_it_is() -> None:
    for name, told in (
        (ALICE, "the payer's account does not cover it"),
        (accounts.vendor("v7"), "the vendor's account does not cover it"),
        (BANK, "what there is does not cover it"),
    ):
        assert out_of_bounds(name, 1 if name != BANK else -1).detail == told


@given(st.lists(st.tuples(st.sampled_from([BANK, ALICE, BOB]), st.integers(-200, 200)), max_size=8))
def test_whatever_is_tried_the_book_sums_to_zero(moves: list[tuple[str, int]]) -> None:
    made = book()
    for name, micro in moves:
        try:
            made.apply(entry((name, micro), (ALICE, -micro)))
        except Refusal:
            continue
    made.require_balanced()
    assert made.balances[ALICE] <= 0
    assert made.balances[BOB] <= 0
    assert made.balances[BANK] >= 0


def test_a_book_that_does_not_sum_to_zero_says_so() -> None:
    made = book()
    made._balances[BANK] += 1
    with pytest.raises(OutOfRange, match="book_unbalanced"):
        made.require_balanced()
