"""Marks, counters and shares, followed from entry to entry."""

import pytest

from farthing.auditing.books import Books
from farthing.auditing.entries import Line
from farthing.auditing.notes import Notes
from farthing.auditing.report import Findings

VENDOR = "liability/vendor/v7"


def found_in(*lines: tuple[str, tuple[tuple[str, int], ...], tuple[str, ...]]) -> list[str]:
    findings = Findings()
    notes = Notes(findings, Books(findings))
    for seq, (kind, postings, noted) in enumerate(lines):
        notes.add(Line(seq, f"{seq:032x}", kind, "", 0, postings, noted))
    return [finding.code for finding in findings.found]


def once(mark: str) -> tuple[str, tuple[tuple[str, int], ...], tuple[str, ...]]:
    return "redeem", (), (f"once {mark} 9",)


def advance(over: int, to: int) -> tuple[str, tuple[tuple[str, int], ...], tuple[str, ...]]:
    return "redeem", (), (f"advance 0a {over} {to} 9",)


def test_a_mark_is_used_once() -> None:
    assert found_in(once("0a"), once("0b")) == []
    assert found_in(once("0a"), once("0a")) == ["mark_used_twice"]


def test_a_mark_that_was_freed_may_be_used_again() -> None:
    freed = ("void", (), ("free 0a",))
    assert found_in(once("0a"), freed, once("0a")) == []
    assert found_in(once("0a"), freed, once("0a"), once("0a")) == ["mark_used_twice"]


def test_once_claims_are_marked_none_is_paid_without_a_mark() -> None:
    marked = ("redeem", ((VENDOR, -5),), ("once 0a 9",))
    bare = ("redeem", ((VENDOR, -5),), ())
    resold = ("redeem", (("liability/hold/h", 5), ("asset/peer/north", -5)), ())
    assert found_in(bare, bare) == [], "as journals were before there were marks"
    assert found_in(bare, marked, bare) == ["mark_missing"]
    assert found_in(marked, ("capture", ((VENDOR, -5),), ())) == [], "each kind for itself"
    assert found_in(marked, resold) == []


def test_a_counter_goes_on() -> None:
    assert found_in(advance(0, 5), advance(5, 6), advance(8, 9)) == []
    assert found_in(advance(0, 5), advance(4, 6)) == ["counter_used_twice"]
    assert found_in(advance(5, 5)) == ["counter_used_twice"]


def test_marks_and_counters_are_missed_until_their_time_is_over() -> None:
    notes = Notes(Findings(), Books(Findings()))
    noted = ("once 0a 9", "advance 0b 0 5 8", "advance 0b 5 6 7")
    notes.add(Line(3, "", "redeem", "", 0, (), noted))
    assert list(notes.marks(9)) == [(b"\n", 3)]
    assert list(notes.marks(10)) == []
    assert list(notes.counters(8)) == [(b"\x0b", 6, 3)]
    assert list(notes.counters(9)) == []


def earned(micro: int) -> tuple[str, tuple[tuple[str, int], ...], tuple[str, ...]]:
    return "redeem", ((VENDOR, -micro),), ()


def share(taken: int, *figures: int) -> tuple[str, tuple[tuple[str, int], ...], tuple[str, ...]]:
    postings = ((VENDOR, taken), ("income/commission", -taken)) if taken else ()
    return "commission", postings, (" ".join(("share", VENDOR, *map(str, figures))),)


def test_shares_are_computed_again_with_what_was_carried() -> None:
    first = (earned(300), share(9, 300, 333, 0, 9_900))
    assert found_in(*first, earned(1), share(1, 1, 333, 9_900, 233)) == []
    assert found_in(earned(300), share(10, 300, 333, 0, 9_900)) == ["share_wrong"]
    assert found_in(earned(300), share(9, 300, 333, 0, 9_901)) == ["share_wrong"]
    assert found_in(earned(300), share(10, 300, 333, 9_000, 8_900)) == ["carry_differs"]
    assert found_in(earned(299), share(9, 300, 333, 0, 9_900)) == ["earnings_overstated"]
    assert found_in(earned(300), share(300, 300, 10_001, 0, 300)) == ["carry_differs"]


def test_what_was_disputed_is_earned_when_the_payer_gives_way_or_time_is_over() -> None:
    for kind in ("take_back", "lapse"):
        given = (kind, (("liability/disputed/fairchain", 300), (VENDOR, -300)), ())
        assert found_in(given, share(9, 300, 333, 0, 9_900)) == []
        assert found_in(given, share(10, 301, 333, 0, 233)) == ["earnings_overstated"]


def test_no_more_is_given_back_than_was_paid() -> None:
    sold = (earned(1_000), share(100, 1_000, 1_000, 0, 0))
    assert found_in(*sold, share(-40, -400, 1_000, 0, 0), share(-60, -4_000, 1_000, 0, 0)) == []
    assert found_in(*sold, share(-400, -4_000, 1_000, 0, 0)) == ["share_wrong"]


def test_a_share_says_of_what() -> None:
    taken = ("commission", ((VENDOR, 5), ("income/commission", -5)), ())
    assert found_in(taken) == ["share_wrong"]


@pytest.mark.parametrize(
    "note", ["", "once", "once zz 9", "once 0a nine", "limit a", "share a 1 2 3", "other 1"]
)
def test_a_note_that_nobody_writes_is_unreadable(note: str) -> None:
    assert found_in(("redeem", (), (note,))) == ["entry_unreadable"]


def test_a_limit_counts_from_its_note_on() -> None:
    findings = Findings()
    books = Books(findings)
    Notes(findings, books).add(Line(1, "", "limit", "", 0, (), ("limit asset/credit/a 7",)))
    assert books.limits == {"asset/credit/a": 7}
