from random import Random

import pytest

from farthing.wallet import rounding
from farthing.wallet.rounding import SIZES_MICRO

CENT = 10_000


def is_round(amount_micro: int) -> bool:
    return amount_micro in SIZES_MICRO or not amount_micro % SIZES_MICRO[-1]


@pytest.mark.parametrize(
    ("amount_micro", "rounded_micro"),
    [
        (0, CENT),
        (1, CENT),
        (CENT, CENT),
        (CENT + 1, 10 * CENT),
        (10 * CENT, 10 * CENT),
        (50 * CENT + 1, 100 * CENT),
        (500 * CENT, 500 * CENT),
        (500 * CENT + 1, 1_000 * CENT),
        (1_000 * CENT + 1, 1_500 * CENT),
    ],
)
def test_an_amount_is_rounded_up_to_one_of_a_few(amount_micro: int, rounded_micro: int) -> None:
    assert rounding.up(amount_micro) == rounded_micro


@pytest.mark.parametrize(
    ("price_micro", "wanted_micro", "most_micro", "sizes"),
    [
        (200, 2_000, 50 * CENT, (1,)),
        (3_000, 30_000, 50 * CENT, (10, 1)),
        (CENT, 10 * CENT, 50 * CENT, (10,)),
        (60_000, 600_000, 50 * CENT, (50, 10)),
        (60_000, 600_000, 500 * CENT, (100, 50, 10)),
        (60_000, 600_000, 0, (10,)),
        (500 * CENT, 5_000 * CENT, 50 * CENT, (1_000,)),
        (500 * CENT, 500 * CENT, 10_000 * CENT, (1_000,)),
    ],
)
def test_for_a_price_more_is_bought_than_it_and_as_much_as_the_budget_says(
    price_micro: int, wanted_micro: int, most_micro: int, sizes: tuple[int, ...]
) -> None:
    found = rounding.for_price(price_micro, wanted_micro, most_micro)
    assert found == tuple(cents * CENT for cents in sizes)


def test_no_price_is_ever_bought_exactly() -> None:
    random = Random(5)
    for _ in range(2_000):
        price_micro = random.choice([*SIZES_MICRO, random.randrange(1, 20_000_000)])
        most_micro, wanted_micro = random.randrange(10**7), random.randrange(1, 10**8)
        sizes = rounding.for_price(price_micro, wanted_micro, most_micro)
        assert sizes
        assert all(is_round(size) and size > price_micro for size in sizes)
        assert list(sizes) == sorted(set(sizes), reverse=True)
        assert all(size <= most_micro for size in sizes[:-1])


@pytest.mark.parametrize(
    ("level_cents", "step_cents"),
    [(1, 1), (5, 1), (10, 1), (49, 1), (50, 10), (100, 10), (500, 100), (2_600, 500)],
)
def test_a_level_is_filled_up_in_steps(level_cents: int, step_cents: int) -> None:
    assert rounding.step_of(level_cents * CENT) == step_cents * CENT


@pytest.mark.parametrize(
    ("missing_micro", "cents"),
    [(0, ()), (9_999, ()), (CENT, (1,)), (43 * CENT, (10, 1)), (50 * CENT, (50, 10, 1))],
)
def test_never_more_is_bought_than_is_missing(missing_micro: int, cents: tuple[int, ...]) -> None:
    assert rounding.below(missing_micro) == tuple(each * CENT for each in cents)
