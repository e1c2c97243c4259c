import pytest

from farthing.lab.conformance.cases import Case, Cases, Violated, is_meant, require, require_equal

CASES = Cases()


@CASES.add()
def plain_thing(play: list[str]) -> None:
    """It is tried."""
    play.append("plain")


@CASES.add("one", 2)
def thing(play: list[str], which: object) -> None:
    """Each is tried."""
    play.append(str(which))


def test_a_case_is_named_after_its_function_and_parameter() -> None:
    assert [case.name for case in CASES] == ["plain-thing", "thing[one]", "thing[2]"]
    assert {case.file for case in CASES} == {"test_cases"}
    assert [case.rule for case in CASES] == ["It is tried.", "Each is tried.", "Each is tried."]


def test_a_case_runs_with_its_own_parameter() -> None:
    play: list[str] = []
    for case in CASES:
        case.run(play)
    assert play == ["plain", "one", "2"]


@pytest.mark.parametrize(
    ("pattern", "count"),
    [("", 3), ("thing", 2), ("thing[one]", 1), ("*thing*", 3), ("nothing", 0), ("plain", 1)],
)
def test_cases_are_meant_by_beginning_or_pattern(pattern: str, count: int) -> None:
    assert sum(is_meant(case.name, pattern) for case in CASES) == count


def test_a_case_is_found_by_its_name() -> None:
    assert CASES.named("thing[2]").name == "thing[2]"


def test_cases_come_file_by_file_in_the_order_that_is_wanted() -> None:
    mixed = Cases()
    for name, file in (("a", "two"), ("b", "one"), ("c", "two")):
        mixed._put(Case(name=name, rule="x", file=file, run=lambda play: None))
    assert [case.name for case in mixed.ordered(["one", "two"])] == ["b", "a", "c"]


def test_two_cases_of_one_name_are_a_mistake() -> None:
    with pytest.raises(AssertionError, match="plain-thing"):
        CASES.add()(plain_thing)


def test_what_does_not_hold_is_violated_with_what_was_found() -> None:
    require(held=True, rule="it holds")
    require_equal(1, 1, "it is one")
    with pytest.raises(Violated, match="it holds: 7"):
        require(held=False, rule="it holds", found=7)
    with pytest.raises(Violated, match="found 2, expected 1"):
        require_equal(2, 1, "it is one")
