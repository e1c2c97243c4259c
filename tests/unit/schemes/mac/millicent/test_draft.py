"""A decision under way reads what it has written, and writes each record once."""

import pytest

from farthing.errors import Overlimit, Replayed
from farthing.marks import NOTHING, Delete, Put
from farthing.schemes.contract import At, End
from farthing.schemes.mac.millicent.draft import Draft
from farthing.schemes.mac.millicent.orders import pool_key, read_pool
from tests.kit.parties import Ring

AT = At(now_s=1_000)
DAY = 86_400


def draft() -> Draft:
    return Draft(Ring(), "eur", NOTHING, AT)


def test_later_steps_see_earlier_ones_and_one_record_is_written() -> None:
    made = draft()
    made.pool("news", DAY, sold=100)
    made.pool("news", DAY, redeemed=30)
    made.pool("news", DAY, returned=20)
    assert read_pool(made.memory, pool_key("news", DAY)).rest_micro == 50
    assert len(made.records) == 1


def test_a_draft_leaves_the_memory_it_was_made_of_alone() -> None:
    made = draft()
    made.pool("news", DAY, sold=100)
    assert NOTHING.records == {}


@pytest.mark.parametrize("change", [{"redeemed": 101}, {"returned": 101}, {"sold": -101}])
def test_no_pool_gives_more_than_it_has(change: dict[str, int]) -> None:
    made = draft()
    made.pool("news", DAY, sold=100)
    with pytest.raises(Overlimit, match="more_than_was_sold"):
        made.pool("news", DAY, **change)
    made.pool("news", DAY, redeemed=60, sold=-40)
    assert read_pool(made.memory, pool_key("news", DAY)).rest_micro == 0


def test_a_serial_is_used_by_one_message() -> None:
    made = draft()
    assert made.is_repeat("news", "0" * 16, b"one", DAY) is False
    assert made.is_repeat("news", "0" * 16, b"one", DAY) is True
    with pytest.raises(Replayed):
        made.is_repeat("news", "0" * 16, b"two", DAY)


def test_deleting_takes_a_record_out_of_sight() -> None:
    made = draft()
    made.write(Put(key=b"k", value=b"v", until_s=1))
    made.write(Delete(key=b"k"))
    assert made.memory.records == {}
    assert made.records == (Delete(key=b"k"),)


def test_nothing_is_moved_for_nothing() -> None:
    made = draft()
    made.flow(End(kind="payer", id="a"), End(kind="vendor", id="v"), 0)
    assert made.flows == []
