import pytest
from hypothesis import given
from hypothesis import strategies as st

from farthing.errors import OutOfRange
from farthing.schemes.coin import values

AMOUNTS = st.integers(1, 5 << values.EXPONENT_MAX)


@given(AMOUNTS)
def test_an_amount_is_split_into_its_bits(amount_micro: int) -> None:
    found = values.split(amount_micro)
    assert values.worth_micro(found) == amount_micro
    assert list(found) == sorted(found, reverse=True)
    assert len(set(found) - {values.EXPONENT_MAX}) == len(found) - found.count(values.EXPONENT_MAX)


@given(AMOUNTS)
def test_a_ladder_makes_its_amount_and_each_small_one_exactly(amount_micro: int) -> None:
    found = values.ladder(amount_micro)
    assert values.worth_micro(found) == amount_micro
    assert len(found) <= values.COUNT_MAX
    steps = min((amount_micro + 1).bit_length() - 1, values.EXPONENT_MAX)
    for price_micro in {1, amount_micro // 3 or 1, (1 << steps) - 1}:
        if price_micro < 1 << steps:
            assert values.choose(found, price_micro, room=values.COUNT_MAX).change == ()


def test_more_than_one_message_holds_is_out_of_range() -> None:
    most_micro = values.COUNT_MAX << values.EXPONENT_MAX
    for make in (values.split, values.ladder):
        with pytest.raises(OutOfRange, match="coins_too_many"):
            make(most_micro)


@given(st.lists(st.integers(0, 12), min_size=1, max_size=30), st.data())
def test_what_is_chosen_is_worth_the_price_and_the_change(
    held: list[int], data: st.DataObject
) -> None:
    price_micro = data.draw(st.integers(1, values.worth_micro(held)))
    chosen = values.choose(held, price_micro, room=99)
    assert len(set(chosen.indices)) == len(chosen.indices)
    shown_micro = values.worth_micro([held[index] for index in chosen.indices])
    assert shown_micro == price_micro + values.worth_micro(chosen.change)


@given(st.lists(st.integers(0, 8), min_size=1, max_size=12), st.data())
def test_no_change_is_made_where_some_coins_are_worth_the_price(
    held: list[int], data: st.DataObject
) -> None:
    part = data.draw(st.lists(st.sampled_from(range(len(held))), unique=True, min_size=1))
    price_micro = values.worth_micro([held[index] for index in part])
    assert values.choose(held, price_micro, room=99).change == ()


def test_one_larger_coin_pays_where_many_small_ones_have_no_room() -> None:
    chosen = values.choose([0] * 30 + [6], 30, room=10)
    assert chosen.indices == (30,)
    assert values.worth_micro(chosen.change) == 64 - 30


def test_too_little_or_too_many_is_out_of_range() -> None:
    with pytest.raises(OutOfRange, match="coins_below_price"):
        values.choose([3, 2], 13, room=20)
    with pytest.raises(OutOfRange, match="coins_below_price"):
        values.choose([], 1, room=20)
    with pytest.raises(OutOfRange, match="coins_too_small"):
        values.choose([0] * 30, 30, room=20)


@pytest.mark.parametrize(
    ("held", "price_micro", "indices"),
    [((2, 2, 2), 4, (0,)), ((2, 2), 3, (0,)), ((0, 3, 3), 5, (0, 1)), ((3, 0, 0, 3), 9, (0, 1))],
)
def test_of_coins_of_one_size_the_first_are_taken(
    held: tuple[int, ...], price_micro: int, indices: tuple[int, ...]
) -> None:
    """Those that end first stand first."""
    assert set(values.choose(held, price_micro, room=20).indices) == set(indices)
