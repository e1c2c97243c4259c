"""Vouchers take turns: one on its way, one written meanwhile if there is another chain."""

from typing import Any

import pytest

from farthing.wallet import turns
from farthing.wallet.streams import write_beside

UNDER_WAY, SETTLED = True, False


class Standing:
    refusal: object = None
    has_vouchers = True


def played(*answers: Any, refused: bool = False) -> list[str]:
    """The turns that are taken, given what is answered to each."""
    dues: Any = Standing()
    dues.refusal = refused or None
    course = turns.take_turns(dues)
    taken: list[str] = []
    answer: Any = None
    for given in (*answers, 0):
        try:
            turn = course.send(answer)
        except StopIteration:
            return taken
        name = type(turn).__name__
        if isinstance(turn, turns.Write):
            name += f"{'Beside' if turn.flow is write_beside else ''}{turn.count}"
        taken.append(name)
        answer = given
    return taken


def test_the_first_voucher_is_written_and_handed_in() -> None:
    assert played(3, "voucher", None, 0) == ["Due", "Write3", "HandIn", "Due"]


@pytest.mark.parametrize("is_under_way", [True, False])
def test_the_next_is_written_beside_the_one_on_its_way(
    is_under_way: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    first = (3, "voucher", None)
    if is_under_way:
        course = played(*first, 5, UNDER_WAY, "beside", None, None, 0)
        assert course[3:] == ["Due", "IsUnderWay", "WriteBeside5", "Settled", "HandIn", "Due"]
    else:
        course = played(*first, 5, SETTLED, None, "next", None, 0)
        assert course[3:] == ["Due", "IsUnderWay", "Settled", "Write5", "HandIn", "Due"]


def test_without_another_chain_it_waits_and_looks_for_one_no_more() -> None:
    course = played(
        3, "one", None, 5, UNDER_WAY, None, None, "two", None, 4, None, "three", None, 0
    )
    assert course[3:9] == ["Due", "IsUnderWay", "WriteBeside5", "Settled", "Write5", "HandIn"]
    assert course[9:] == ["Due", "Settled", "Write4", "HandIn", "Due"]


def test_after_a_refusal_nothing_more_is_written() -> None:
    assert played(3, 0, refused=True) == ["Due", "Due"]
