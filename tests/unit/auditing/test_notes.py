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
    assert found_in(advance(0, 5), advance(5, 6), advance(6, 9)) == []
    assert found_in(advance(0, 5), advance(6, 9)) == ["counter_skipped"]
    assert found_in(advance(1, 5)) == ["counter_skipped"]
    bare = ("redeem", ((VENDOR, -5),), ())
    assert found_in(bare, advance(1, 5)) == [], "it began before there were marks"
    assert found_in(bare, advance(1, 5), advance(6, 7)) == ["counter_skipped"]
    assert found_in(advance(0, 5), advance(4, 6)) == ["counter_used_twice"]
    assert found_in(advance(0, 0)) == ["counter_used_twice"]


def test_marks_and_counters_are_missed_until_their_time_is_over() -> None:
    notes = Notes(Findings(), Books(Findings()))
    noted = ("once 0a 9", "advance 0b 0 5 8", "advance 0b 5 6 7")
    notes.add(Line(3, "", "redeem", "", 0, (), noted))
    assert list(notes.marks(9)) == [(b"\n", 3)]
    assert list(notes.marks(10)) == []
    assert list(notes.counters(8)) == [(b"\x0b", 6, 3)]
    assert list(notes.counters(9)) == []


def paid(ref: str, micro: int, *noted: str) -> tuple[str, str, int, tuple[str, ...]]:
    return "redeem", ref, micro, noted


def mispriced(*claims: tuple[str, str, int, tuple[str, ...]], kind: str = "") -> list[str]:
    findings = Findings()
    notes = Notes(findings, Books(findings))
    for seq, (usual, ref, micro, noted) in enumerate(claims):
        postings = (("liability/payer/a", micro), (VENDOR, -micro))
        notes.add(Line(seq, "", kind or usual, ref, 0, postings, noted))
    return [finding.code for finding in findings.found]


def test_a_step_of_a_chain_has_one_price() -> None:
    first = paid("payword", 50, "advance 0a 0 5 9")
    assert mispriced(first, paid("payword", 30, "advance 0a 5 8 9")) == []
    assert mispriced(first, paid("payword", 33, "advance 0a 5 8 9")) == ["steps_mispriced"]
    assert mispriced(first, paid("payword", 31, "advance 0a 5 8 9")) == ["steps_mispriced"]
    assert mispriced(paid("payword", 51, "advance 0a 0 5 9")) == ["steps_mispriced"]
    assert mispriced(first, paid("payword", 33, "advance 0b 0 3 9")) == [], "another chain"
    assert mispriced(paid("own", 51, "advance 0a 0 5 9")) == [], "a scheme of somebody's own"


def test_a_claim_that_closes_has_the_price_of_the_others() -> None:
    def codes(paid_micro: int) -> list[str]:
        findings = Findings()
        notes = Notes(findings, Books(findings))
        own, apart = "liability/payer/a", "liability/outstanding/tick/a"
        first = ((apart, 50), (VENDOR, -50))
        last = ((apart, 100), (VENDOR, -paid_micro), (own, paid_micro - 100))
        notes.add(Line(0, "", "redeem", "tick", 0, first, ("advance 0a 0 5 9",)))
        notes.add(Line(1, "", "redeem", "tick", 0, last, ("advance 0a 5 8 9", "once 0c 9")))
        return [finding.code for finding in findings.found]

    assert codes(30) == []
    assert codes(33) == ["steps_mispriced"]


def test_of_several_chains_only_the_sum_is_known() -> None:
    two = "advance 0a 0 5 9", "advance 0b 0 1 9"
    assert mispriced(paid("payword", 51, *two)) == []
    assert mispriced(paid("payword", 51, two[0], "advance 0b 0 2 9")) == []
    assert mispriced(paid("upayword", 51, *two)) == []
    more = "advance 0a 5 6 9", "advance 0b 1 3 9"
    assert mispriced(paid("upayword", 50, *two), paid("upayword", 100, *more)) == []
    wrong = paid("upayword", 101, *more)
    assert mispriced(paid("upayword", 50, *two), wrong) == ["steps_mispriced"]


def test_a_promise_is_worth_nothing_before_it_is_released() -> None:
    steps = [("advance 0a 0 1 9", 0), ("advance 0a 1 2 9", 7), ("advance 0a 2 7 9", 14)]
    assert mispriced(*(paid("fairchain", micro, note) for note, micro in steps)) == []
    assert mispriced(paid("fairchain", 7, steps[0][0])) == ["steps_mispriced"]


def test_a_part_that_was_captured_says_nothing_of_the_price() -> None:
    findings = Findings()
    notes = Notes(findings, Books(findings))
    postings = (("liability/hold/t", 50), (VENDOR, -49), ("liability/payer/a", -1))
    notes.add(Line(1, "", "capture", "payword", 0, postings, ("advance 0a 0 5 9",)))
    assert findings.found == []
    whole = (("liability/hold/u", 49), (VENDOR, -49))
    notes.add(Line(2, "", "capture", "payword", 0, whole, ("advance 0b 0 5 9",)))
    assert list(findings.counts) == ["steps_mispriced"]


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
    assert found_in(earned(300), share(300, 300, 10_000, 0, 0)) == []
    assert found_in(earned(300), share(0, 300, 0, 0, 0)) == []
    assert "carry_differs" in found_in(earned(300), share(-1, 300, -1, 0, 9_700))


def test_what_was_disputed_is_earned_when_the_payer_gives_way_or_time_is_over() -> None:
    for kind in ("take_back", "lapse"):
        given = (kind, (("liability/disputed/fairchain", 300), (VENDOR, -300)), ())
        assert found_in(given, share(9, 300, 333, 0, 9_900)) == []
        assert found_in(given, share(10, 301, 333, 0, 233)) == ["earnings_overstated"]


def test_no_more_is_given_back_than_was_paid() -> None:
    sold = (earned(1_000), share(100, 1_000, 1_000, 0, 0))
    assert found_in(*sold, share(-40, -400, 1_000, 0, 0), share(-60, -4_000, 1_000, 0, 0)) == []
    assert found_in(*sold, share(-400, -4_000, 1_000, 0, 0)) == ["share_wrong"]


def rated(rate_e4: int) -> tuple[str, tuple[tuple[str, int], ...], tuple[str, ...]]:
    return "rate", (), (f"rate {VENDOR} {rate_e4}",)


def test_a_share_is_of_the_rate_that_was_noted() -> None:
    assert found_in(rated(333), earned(300), share(9, 300, 333, 0, 9_900)) == []
    assert found_in(rated(334), earned(300), share(9, 300, 333, 0, 9_900)) == ["rate_differs"]
    assert found_in(rated(1), rated(333), earned(300), share(9, 300, 333, 0, 9_900)) == []


def test_what_was_earned_since_the_rate_was_noted_is_shared() -> None:
    def unshared(*lines: tuple[str, tuple[tuple[str, int], ...], tuple[str, ...]]) -> int:
        notes = Notes(Findings(), Books(Findings()))
        for seq, (kind, postings, noted) in enumerate(lines):
            notes.add(Line(seq, "", kind, "", 0, postings, noted))
        return notes.shares[VENDOR].unshared_micro

    part = share(9, 300, 333, 0, 9_900)
    assert unshared(earned(300), rated(333)) == 0, "in an older journal"
    assert unshared(rated(333), earned(300), part) == 0
    assert unshared(rated(333), earned(305), part) == 5
    assert unshared(rated(0), earned(300)) == 0
    assert unshared(rated(0), earned(300), share(0, 300, 0, 0, 0)) == 0
    assert unshared(rated(1), earned(300)) == 300
    assert unshared(rated(1), earned(300), share(0, 300, 1, 0, 300)) == 0
    back_and_forth = (("liability/vendor/v8", 5), ("liability/vendor/v8", -5))
    beside = ("redeem", (*back_and_forth, ("liability/payer/a", 7), (VENDOR, -7)), ())
    assert unshared(rated(333), beside) == 7
    back = ("take_back", (*back_and_forth, (VENDOR, 7), ("liability/payer/a", -7)), ())
    assert unshared(rated(333), beside, back) == 0
    other = ("redeem", ((VENDOR, 7), ("liability/vendor/v8", -7)), ())
    assert unshared(rated(333), other) == 0, "what one vendor gives another is no earning"
    ahead = ("take_back", (("asset/stock/millicent/v7", -7), (VENDOR, 7)), ())
    assert unshared(rated(333), ahead) == 0, "what was bought ahead is no earning"


def test_a_share_says_of_what() -> None:
    taken = ("commission", ((VENDOR, 5), ("income/commission", -5)), ())
    assert found_in(taken) == ["share_wrong"]
    other = ("share liability/vendor/v8 0 333 0 0",)
    assert found_in((*taken[:2], other)) == ["share_wrong"], "another's share is no reason"


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
