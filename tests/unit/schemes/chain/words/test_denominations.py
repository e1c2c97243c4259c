"""Chains of several values: any price with few links, and small ones for the pages after it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farthing.errors import OutOfRange
from farthing.schemes.chain.credit.till import STEPS_MAX
from farthing.schemes.chain.words.commitment import CHAINS_MAX
from farthing.schemes.chain.words.denominations import (
    FEW,
    RATIOS,
    fewest_links,
    lengths_for,
)
from farthing.schemes.chain.words.purse import CHAIN_LENGTH

UNITS_MAX = 10**9  # the largest limit, where a word is a micro-unit
MAGNITUDES = st.integers(0, 9).flatmap(lambda power: st.integers(1, 10**power))


def lengths(units: int, price: int) -> dict[int, int]:
    return lengths_for(units, price, links_max=CHAIN_LENGTH, kinds_max=CHAINS_MAX)


@given(MAGNITUDES, MAGNITUDES)
def test_any_price_within_the_worth_is_paid_exactly_within_one_payment(
    one: int, other: int
) -> None:
    price, units = sorted((one, other))
    found = lengths(units, price)
    assert 1 <= len(found) <= CHAINS_MAX
    assert list(found) == sorted(found)
    assert 0 < sum(found.values()) <= CHAIN_LENGTH <= STEPS_MAX
    assert price <= sum(value * length for value, length in found.items()) <= units
    counts = fewest_links(price, list(found.items()))
    assert sum(value * count for value, count in zip(found, counts, strict=True)) == price


@given(st.integers(1, 10**7), st.integers(1, 20))
def test_half_of_the_pages_like_the_first_are_paid_with_few_links(price: int, pages: int) -> None:
    left = list(lengths(price * pages, price).items())
    is_usual = price <= FEW * RATIOS[0] ** (CHAINS_MAX - 1)  # ten euros of the default unit
    most = FEW + (CHAINS_MAX - 1) * ((RATIOS[0] if is_usual else RATIOS[1]) - 1)
    for _ in range(max(1, min((pages + 1) // 2, CHAIN_LENGTH * 3 // 4 // most))):
        counts = fewest_links(price, left)
        assert sum(counts) <= most
        left = [(value, more - count) for (value, more), count in zip(left, counts, strict=True)]


@given(st.integers(1, 50_000))
def test_nothing_of_ten_pages_is_left_out_up_to_five_euros(price: int) -> None:
    found = lengths(10 * price, price)
    assert sum(value * length for value, length in found.items()) == 10 * price


@pytest.mark.parametrize(
    ("units", "price", "found"),
    [
        (20, 2, {1: 20}),  # as wallets load by themselves: ten pages at 0.02 cent
        (1_000, 2, {1: 1_000}),
        (1_000, FEW - 1, {1: 1_000}),
        (1_000, FEW, {1: 500, 100: 5}),
        (5_000, 5_000, {1_000: 5}),
        (5_123, 5_123, {1: 3, 10: 2, 100: 1, 1_000: 5}),
        (50_000, 5_000, {1: 240, 10: 536, 100: 194, 1_000: 25}),
        (10_000, 2, {1: 810, 10: 109, 100: 81}),
    ],
)
def test_a_price_has_links_of_its_own_size_and_the_rest_is_small(
    units: int, price: int, found: dict[int, int]
) -> None:
    assert lengths(units, price) == found


@pytest.mark.parametrize(
    ("price", "ratio"),
    [
        (FEW * 10**3, 10),
        (FEW * 10**3 + 1, 100),
        (FEW * 100**3, 100),
        (FEW * 100**3 + 1, 200),
        (UNITS_MAX - 1, 200),
    ],
)
def test_steps_are_wider_where_narrow_ones_would_be_too_many_links(price: int, ratio: int) -> None:
    found = lengths(price, price)
    assert set(found) <= {ratio**kind for kind in range(CHAINS_MAX)}
    assert max(found) in {ratio**2, ratio**3}
    assert sum(found.values()) <= STEPS_MAX


@pytest.mark.parametrize("kinds_max", [1, 2, 3])
def test_there_are_no_more_chains_than_a_commitment_may_have(kinds_max: int) -> None:
    found = lengths_for(10**6, 5, links_max=1_000, kinds_max=kinds_max)
    assert len(found) <= kinds_max
    if kinds_max == 1:
        assert found == {1: 1_000}


def test_a_price_of_more_links_than_there_may_be_is_refused() -> None:
    assert lengths_for(2_000, 1_000, links_max=1_000, kinds_max=1) == {1: 1_000}
    with pytest.raises(OutOfRange, match="price_above_links") as found:
        lengths_for(2_000, 1_001, links_max=1_000, kinds_max=1)
    assert "at most 1000 links" in found.value.detail
    assert lengths_for(199, 199, links_max=28, kinds_max=2) == {1: 9, 10: 19}
    with pytest.raises(OutOfRange, match="price_above_links"):
        lengths_for(199, 199, links_max=27, kinds_max=2)


def test_the_largest_links_go_first_and_small_ones_do_what_they_cannot() -> None:
    assert fewest_links(2_600, [(100, 50), (2_500, 3)]) == [1, 1]
    assert fewest_links(5_000, [(100, 50), (2_500, 1)]) == [25, 1]
    assert fewest_links(5_000, [(100, 50), (2_500, 0)]) == [50, 0]


@pytest.mark.parametrize(
    ("price_micro", "left", "code"),
    [
        (150, [(100, 50)], "price_not_in_units"),
        (150, [(100, 50), (10_000, 5)], "price_not_in_units"),
        (5_100, [(100, 50)], "chain_used_up"),
        (10_000, [(100, 50)], "chain_used_up"),
        (300, [(100, 2), (10_000, 5)], "chain_used_up"),
        (60_300, [(100, 3), (10_000, 5)], "chain_used_up"),
    ],
)
def test_what_links_cannot_pay_exactly_is_refused(
    price_micro: int, left: list[tuple[int, int]], code: str
) -> None:
    with pytest.raises(OutOfRange, match=code):
        fewest_links(price_micro, left)
