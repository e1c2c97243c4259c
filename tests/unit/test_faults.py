import pytest

from farthing import faults


def fail() -> None:
    raise KeyError("a secret")


def caught(depth: int = 0) -> BaseException:
    def deep(left: int) -> None:
        deep(left - 1) if left else fail()

    with pytest.raises(KeyError) as wrong:
        deep(depth)
    return wrong.value


def test_a_place_has_the_kind_and_the_lines_and_not_the_text() -> None:
    kind, _, *lines = faults.place_of(caught()).split()
    assert kind == "KeyError"
    assert [line.split(":")[0] for line in lines] == ["test_faults.py"] * 3
    assert "secret" not in faults.place_of(caught())


def test_no_more_lines_are_told_than_help() -> None:
    assert faults.place_of(caught(20)).count("test_faults.py") == faults.FRAMES_TOLD


def test_whoever_asked_hears_nothing_of_it_and_may_ask_again() -> None:
    refusal = faults.refusal_of(caught())
    assert (refusal.code, refusal.fault) == ("internal_fault", "us")
    assert "secret" not in f"{refusal} {refusal.detail} {refusal.facts}"
