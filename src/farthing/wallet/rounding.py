"""Round amounts, for money whose way nobody can follow: an odd amount would tell whose it was.

Where the broker cannot see which coins it signed for whom (`Purse.blind`), all that is left to tell
payers by is how much they bought, and when. So every wallet buys one of these few amounts, and
never the price of a page. Source: ours.
"""

from farthing.money import MICRO_PER_CENT, MICRO_PER_UNIT

SIZES_MICRO = (
    MICRO_PER_CENT,
    10 * MICRO_PER_CENT,
    50 * MICRO_PER_CENT,
    MICRO_PER_UNIT,
    5 * MICRO_PER_UNIT,
)
"""Few, so that each is bought by many; what is above comes in multiples of the largest."""


def up(amount_micro: int) -> int:
    """The smallest round amount that is not below this one."""
    for size_micro in SIZES_MICRO:
        if size_micro >= amount_micro:
            return size_micro
    return -(-amount_micro // SIZES_MICRO[-1]) * SIZES_MICRO[-1]


def for_price(price_micro: int, wanted_micro: int, most_micro: int) -> tuple[int, ...]:
    """What to buy where a price is to be paid at once, the most convenient first.

    Each is more than the price. None is above `most_micro`, unless nothing less pays.
    """
    least_micro = up(price_micro + 1)
    first_micro = max(least_micro, min(up(wanted_micro), max(most_micro, least_micro)))
    between = [size for size in SIZES_MICRO if least_micro < size <= first_micro]
    return (*reversed(between), least_micro)


def step_of(level_micro: int) -> int:
    """How much must be missing of a level before more is bought: a fifth of it, rounded down."""
    return _down(level_micro // 5) or SIZES_MICRO[0]


def below(missing_micro: int) -> tuple[int, ...]:
    """What to buy of what is missing, the largest first; nothing where that is too little."""
    largest = _down(missing_micro)
    return tuple(size for size in reversed(SIZES_MICRO) if size <= largest)


def _down(amount_micro: int) -> int:
    """The largest size that is not above this amount; 0 where all are."""
    return max((size for size in SIZES_MICRO if size <= amount_micro), default=0)
