"""Reservations: opened once, ended once, by their own scheme; the rest is in `test_books.py`."""

from dataclasses import replace

from farthing.auditing.books import Books
from farthing.auditing.entries import Line
from farthing.auditing.holds import owners
from farthing.auditing.report import Findings

A, V, HOLD = "liability/payer/a", "liability/vendor/v", "liability/hold/t"
OUT, OTHER = "liability/outstanding/s", "liability/outstanding/s/other"


def line(kind: str, **moved: int) -> Line:
    names = {"a": A, "v": V, "hold": HOLD, "out": OUT, "other": OTHER, "bank": "asset/bank/manual"}
    postings = tuple((names[name], micro) for name, micro in moved.items())
    return Line(seq=1, id="", kind=kind, ref="s", at_s=0, postings=postings, notes=())


FUND, SELL = line("topup", bank=9, a=-9), line("issue", a=9, out=-9)
RESERVE = line("reserve", out=5, hold=-5)


def after(*lines: Line) -> tuple[Books, list[str]]:
    findings = Findings()
    books = Books(findings)
    for one in lines:
        books.add(one)
    return books, [one.code for one in findings.found]


def test_what_open_holds_have_taken_is_reserved() -> None:
    books, codes = after(FUND, SELL, RESERVE)
    assert (books.reserved_micro("s"), books.reserved_micro("other"), codes) == (5, 0, [])
    books, codes = after(FUND, SELL, RESERVE, line("void", hold=5, out=-5))
    assert (books.reserved_micro("s"), codes) == (0, [])


def test_what_was_captured_is_redeemed() -> None:
    books, codes = after(FUND, SELL, RESERVE, line("capture", hold=5, v=-5))
    assert (books.schemes["s"].redeemed_micro, books.reserved_micro("s"), codes) == (5, 0, [])


def test_nothing_is_captured_or_void_that_is_not_held() -> None:
    for kind in ("capture", "void"):
        _, codes = after(FUND, SELL, line(kind, out=5, v=-5))
        assert set(codes) == {"posting_not_allowed"}
    assert after(FUND, line("reserve", a=5, v=-5))[1] == ["posting_not_allowed"] * 2


def test_a_hold_ends_for_the_scheme_that_it_was_made_for() -> None:
    other = replace(line("capture", hold=5, v=-5), ref="r")
    assert after(FUND, SELL, RESERVE, other)[1] == ["hold_returned_elsewhere"]


def test_less_may_be_captured_than_was_reserved_and_the_rest_is_its_payers() -> None:
    taken = line("reserve", a=5, hold=-5)
    assert after(FUND, taken, line("capture", hold=5, v=-3, a=-2))[1] == []
    sold = (FUND, SELL, RESERVE)
    assert after(*sold, line("capture", hold=5, v=-3, a=-2))[1] == ["hold_returned_elsewhere"]


def test_debts_are_their_payers() -> None:
    taken = {A: 1, "asset/credit/a": 2, "asset/receivable/a": 3, OUT: 4}
    assert owners(taken) == {A: 6, OUT: 4}


def test_a_hold_that_is_taken_and_given_back_at_once_is_none() -> None:
    postings = ((A, 5), (HOLD, -5), (A, -5), (HOLD, 5))
    both = Line(seq=1, id="", kind="reserve", ref="s", at_s=0, postings=postings, notes=())
    books, codes = after(FUND, both)
    assert ("hold_ended_twice" in codes, books.holds.open) == (True, {})


def test_a_hold_ends_whole() -> None:
    part = line("void", hold=3, out=-3)
    assert "hold_ended_twice" in after(FUND, SELL, RESERVE, part)[1]


def test_the_smallest_unit_is_held_too() -> None:
    books, codes = after(FUND, SELL, line("reserve", out=1, hold=-1))
    assert (books.reserved_micro("s"), codes) == (1, [])


def test_nothing_is_nobodys_part_of_what_is_given_back() -> None:
    postings = ((HOLD, 5), (OUT, -5), ("liability/payer/b", 1), ("liability/payer/b", -1))
    void = Line(seq=1, id="", kind="void", ref="s", at_s=0, postings=postings, notes=())
    assert "hold_returned_elsewhere" not in after(FUND, SELL, RESERVE, void)[1]


def test_a_payer_gets_of_a_capture_what_it_gave_and_no_more() -> None:
    taken = line("reserve", a=5, hold=-5)
    assert after(FUND, taken, line("capture", hold=5, a=-5))[1] == []
    one = line("capture", hold=5, v=-4, a=-1)
    assert after(FUND, SELL, RESERVE, one)[1] == ["hold_returned_elsewhere"]
