"""Amounts in powers of two: a coin of exponent x is worth 2^x micro-units.

Any amount can be made of such coins, and greedily: where a part of some coins makes an amount
exactly, taking the largest that still fits finds it. Source: ours, after DigiCash's wallets.
"""

from collections.abc import Sequence

import msgspec

from farthing.errors import OutOfRange

EXPONENT_MAX = 20  # the largest coin is worth 1.05 units; 21 keys an epoch
COUNT_MAX = 60  # of coins in one message: lists have 64 members


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """What pays a price."""

    indices: tuple[int, ...]
    """Places of the coins in what was offered."""
    change: tuple[int, ...]
    """Exponents of what comes back, falling."""


def worth_micro(exponents: Sequence[int]) -> int:
    """What coins of these exponents are worth."""
    return sum(1 << exponent for exponent in exponents)


def split(amount_micro: int) -> tuple[int, ...]:
    """As few coins as make an amount, exponents falling; `OutOfRange` for too many."""
    largest, rest_micro = divmod(amount_micro, 1 << EXPONENT_MAX)
    if largest > COUNT_MAX - EXPONENT_MAX:
        raise OutOfRange("coins_too_many", f"at most {COUNT_MAX} coins at once: ask for less")
    bits = (x for x in range(EXPONENT_MAX - 1, -1, -1) if rest_micro >> x & 1)
    return (EXPONENT_MAX,) * largest + tuple(bits)


def ladder(amount_micro: int) -> tuple[int, ...]:
    """Coins that make an amount, and exactly each small one below it; `OutOfRange` for too many.

    One of each size from the smallest up as far as they go, and the rest in as few as possible.
    """
    steps = min((amount_micro + 1).bit_length() - 1, EXPONENT_MAX)
    found = (*split(amount_micro - worth_micro(range(steps))), *reversed(range(steps)))
    if len(found) > COUNT_MAX:
        raise OutOfRange("coins_too_many", f"at most {COUNT_MAX} coins at once: ask for less")
    return tuple(sorted(found, reverse=True))


def choose(held: Sequence[int], price_micro: int, *, room: int) -> Choice:
    """Which of the coins held (exponents) pay a price, exactly where they can.

    Coins and change together are at most `room`. Of coins of one size the first are taken.
    `OutOfRange` where they do not suffice.
    """
    falling = sorted(range(len(held)), key=lambda index: -held[index])
    rest_micro, taken, larger = price_micro, list[int](), list[int]()
    for index in falling:
        if 1 << held[index] <= rest_micro:
            taken.append(index)
            rest_micro -= 1 << held[index]
        else:
            larger.append(index)
    found = [Choice(indices=tuple(taken), change=())] if not rest_micro else []
    if not found and larger:  # each that was passed over is worth more than the rest
        smallest = min(larger, key=held.__getitem__)
        found.append(_with_change(held, (*taken, smallest), price_micro))
    found += [
        _with_change(held, (index,), price_micro)
        for index in sorted(falling, key=held.__getitem__)
        if 1 << held[index] >= price_micro
    ][:1]
    for choice in found:
        if len(choice.indices) + len(choice.change) <= room:
            return choice
    if found:
        raise OutOfRange("coins_too_small", "these coins are too many for one payment: load anew")
    raise OutOfRange("coins_below_price", "not enough coins here: load more")


def _with_change(held: Sequence[int], indices: tuple[int, ...], price_micro: int) -> Choice:
    over_micro = worth_micro([held[index] for index in indices]) - price_micro
    return Choice(indices=indices, change=split(over_micro))
