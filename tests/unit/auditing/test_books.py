"""The auditor's chart beside the ledger's: written twice, by people who did not copy."""

from dataclasses import replace

import pytest

from farthing.auditing import books as auditing
from farthing.auditing.books import Books
from farthing.auditing.entries import Line
from farthing.auditing.report import Findings
from farthing.errors import OutOfRange
from farthing.ledger import accounts


@pytest.mark.parametrize("kind", sorted(accounts.CHART))
def test_both_charts_say_the_same(kind: str) -> None:
    rule = accounts.CHART[kind]
    (low, high), (fewest, most), _ = auditing.CHART[kind]
    assert (rule.low_micro, rule.high_micro) == (low, high)
    assert (rule.parts_min, rule.parts_max) == (fewest, most)
    name = kind + "/a" * fewest
    assert auditing.shown(name, 5) == accounts.shown_micro(name, 5)


NAMES = (
    "asset/bank/manual", "asset/bank", "asset/bank/a/b", "liability/outstanding/millicent/v7",
    "liability/outstanding/a/b/c", "income/commission", "income/commission/x", "liability/payer/",
    "liability/payer/-a", "liability/payer/a b", "liability/offshore/me", "", "asset", "liability",
    "liability/payer/" + "a" * 64, "liability/payer/" + "a" * 65,
)  # fmt: skip  # - one list


@pytest.mark.parametrize("name", NAMES)
def test_both_know_the_same_accounts(name: str) -> None:
    try:
        accounts.rule_of(name)
        known = True
    except OutOfRange:
        known = False
    assert auditing.is_account(name) is known


def line(kind: str, *postings: tuple[str, int]) -> Line:
    return Line(seq=1, id="", kind=kind, ref="", at_s=0, postings=postings, notes=())


def found_in(*lines: Line, limits: dict[str, int] | None = None) -> list[str]:
    findings = Findings()
    books = Books(findings, limits=limits or {})
    for one in lines:
        books.add(one)
    return [finding.code for finding in findings.found]


def test_a_floor_holds_for_the_whole_entry_and_not_for_its_parts() -> None:
    back_and_forth = line(
        "redeem",
        ("liability/payer/a", 5), ("liability/payer/a", -5),
        ("liability/vendor/v", 5), ("liability/vendor/v", -5),
    )  # fmt: skip  # - one pair a line
    assert found_in(back_and_forth) == []
    over = line("redeem", ("liability/payer/a", 5), ("liability/vendor/v", -5))
    assert found_in(over) == ["account_below_floor"]


def test_a_limit_that_was_lowered_lets_a_debt_shrink() -> None:
    drawn = line("redeem", ("asset/credit/a", 5), ("liability/vendor/v", -5))
    repaid = line("topup", ("asset/bank/manual", 2), ("asset/credit/a", -2))
    assert found_in(drawn, repaid, limits={"asset/credit/a": 5}) == []
    assert found_in(drawn, limits={"asset/credit/a": 4}) == ["account_below_floor"]
    once_more = line("redeem", ("asset/credit/a", 1), ("liability/vendor/v", -1))
    assert found_in(drawn, once_more, limits={"asset/credit/a": 5}) == ["account_below_floor"]


def test_what_is_out_of_bounds_already_is_named_where_it_grows_alone() -> None:
    findings = Findings()
    books = Books(findings)
    paid = line("payout", ("asset/clearing/manual", 5), ("asset/bank/manual", -5))
    books.add(paid)
    assert list(findings.counts) == ["account_below_floor"], "no bank lends to a broker"
    books.limits["asset/credit/a"] = 0
    books.balances["asset/credit/a"] = 5
    for name, kind in (("asset/bank/manual", "topup"), ("asset/credit/a", "topup")):
        books.add(line(kind, (name, 1), (name, -1)))
    books.add(line("topup", ("asset/bank/manual", 1), ("liability/payer/a", -1)))
    assert findings.counts["account_below_floor"] == 1


def test_an_account_that_the_chart_lacks_is_named() -> None:
    offshore = line("topup", ("asset/bank/manual", 5), ("liability/offshore/me", -5))
    assert found_in(offshore) == ["account_not_in_chart", "posting_not_allowed"]


@pytest.mark.parametrize(
    ("kind", "to", "terms"),
    [
        ("lapse", "liability/payer/a", (4, 0, 1, 0)),
        ("lapse", "income/breakage", (4, 0, 0, 1)),
        ("redeem", "liability/vendor/v", (4, 1, 0, 0)),
        ("take_back", "liability/payer/a", (4, 0, 1, 0)),
    ],
)
def test_what_leaves_a_scheme_is_counted_by_where_it_goes(
    kind: str, to: str, terms: tuple[int, int, int, int]
) -> None:
    books = Books(Findings())
    fund = line("topup", ("asset/bank/manual", 9), ("liability/payer/a", -9))
    sold = line("issue", ("liability/payer/a", 1), ("liability/outstanding/s", -1))
    for one in (fund, *[replace(sold, ref="s")] * 4):
        books.add(one)
    books.add(replace(line(kind, ("liability/outstanding/s", 1), (to, -1)), ref="s"))
    found = books.schemes["s"]
    counted = found.issued_micro, found.redeemed_micro, found.returned_micro, found.expired_micro
    assert counted == terms


def test_a_hold_is_reserved_and_ended_again_and_again_but_never_twice() -> None:
    reserve = line("reserve", ("liability/payer/a", 5), ("liability/hold/t", -5))
    void = line("void", ("liability/hold/t", 5), ("liability/payer/a", -5))
    fund = line("topup", ("asset/bank/manual", 9), ("liability/payer/a", -9))
    assert found_in(fund, reserve, void, reserve, void) == []
    more = line("topup", ("asset/bank/manual", 9), ("liability/payer/a", -9))
    assert found_in(fund, more, reserve, reserve) == ["hold_ended_twice"]
    assert "hold_ended_twice" in found_in(fund, reserve, void, void)


def test_a_reservation_that_is_void_goes_back_to_whom_it_was_taken_from() -> None:
    fund = line("topup", ("asset/bank/manual", 9), ("liability/payer/a", -9))
    taken = ("liability/payer/a", 5), ("asset/credit/a", 2), ("liability/hold/t", -7)
    reserve = line("reserve", *taken)
    repaid = line("void", ("liability/hold/t", 7), ("liability/payer/a", -7))
    as_it_was = line(
        "void", ("liability/hold/t", 7), ("asset/credit/a", -2), ("liability/payer/a", -5)
    )
    stolen = line("void", ("liability/hold/t", 7), ("liability/payer/b", -7))
    limits = {"asset/credit/a": 5}
    assert found_in(fund, reserve, as_it_was, limits=limits) == []
    assert found_in(fund, reserve, repaid, limits=limits) == [], "what it owed was paid meanwhile"
    assert found_in(fund, reserve, stolen, limits=limits) == ["hold_returned_elsewhere"]


def test_value_is_not_sold_back_nor_taken_back_from_payers() -> None:
    backwards = ("liability/outstanding/s/v", 4), ("liability/payer/a", -4)
    forwards = ("liability/payer/a", 4), ("liability/outstanding/s/v", -4)
    fund = line("topup", ("asset/bank/manual", 9), ("liability/payer/a", -9))

    def of_s(kind: str, *postings: tuple[str, int]) -> Line:
        return replace(line(kind, *postings), ref="s")

    assert found_in(fund, of_s("issue", *forwards), of_s("take_back", *backwards)) == []
    sold = (fund, of_s("issue", *forwards))
    assert found_in(*sold, of_s("issue", *backwards)) == ["posting_not_allowed"]
    assert found_in(*sold, of_s("take_back", *forwards)) == ["posting_not_allowed"]


@pytest.mark.parametrize("kind", ["grant", "found", "void", "status", "transfer"])
def test_the_equation_fails_for_value_that_no_operation_moves(kind: str) -> None:
    findings = Findings()
    books = Books(findings)
    fund = line("topup", ("asset/bank/manual", 9), ("liability/payer/a", -9))
    sold = line("issue", ("liability/payer/a", 9), ("liability/outstanding/s", -9))
    stolen = line(kind, ("liability/outstanding/s", 4), ("liability/payer/a", -4))
    for one in (fund, replace(sold, ref="s")):
        books.add(one)
    terms = books.schemes["s"]
    terms.outstanding_micro = 9  # as the table of balances has it
    assert terms.is_conserved
    books.add(replace(stolen, ref="s"))
    terms.outstanding_micro = 5
    assert not terms.is_conserved


def test_a_margin_is_earned_on_what_was_bought_ahead_and_on_nothing_else() -> None:
    def of_s(kind: str, *postings: tuple[str, int]) -> Line:
        return replace(line(kind, *postings), ref="s")

    fund = line("topup", ("asset/bank/manual", 9), ("liability/payer/a", -9))
    stock = of_s("grant", ("asset/stock/s/v", 8), ("liability/vendor/v", -8))
    shelf = "asset/stock/s/v"
    sold = of_s("issue", ("liability/payer/a", 5), (shelf, -4), ("income/commission", -1))
    back = of_s(
        "take_back", ("liability/vendor/v", 4), ("income/commission", 1), ("liability/payer/a", -5)
    )
    lost = of_s("lapse", ("income/commission", 4), (shelf, -4))
    assert found_in(fund, stock, sold, back, lost) == []
    kept = of_s("issue", ("liability/payer/a", 5), ("income/commission", -5))
    assert found_in(fund, stock, kept) == ["posting_not_allowed"]


def test_an_entry_of_one_scheme_leaves_the_money_of_another_alone() -> None:
    fund = line("topup", ("asset/bank/manual", 9), ("liability/payer/a", -9))
    other = line("issue", ("liability/payer/a", 5), ("liability/outstanding/other/v", -5))
    assert found_in(fund, replace(other, ref="s")) == ["posting_not_allowed"]
