"""Which chains a commitment has, and which of them pay a price (ours; the source names two).

Values are the vendor's unit and steps of one ratio above it, so each is a multiple of those below:
to take as much as fits from the largest chain pays with the fewest links, and leaves the smallest.

Half of what a commitment is worth goes into links as the price at hand wants them, as a page seldom
comes alone; the other half into the smallest that there are links for, since those pay any price.
Where the price is a few links, and all of the worth is few enough, there is one chain. All links
together are no more than one payment may show: whatever is left of them can be paid at once.
"""

from collections.abc import Sequence
from itertools import zip_longest

from farthing.errors import OutOfRange

FEW = 100  # links that cost a gate and its broker about as much as one of a further chain
RATIOS = (10, 100, 200)  # the first with which a few of the largest links pay the price


def lengths_for(units: int, price: int, *, links_max: int, kinds_max: int) -> dict[int, int]:
    """Links of each chain, by value in units, rising: worth `units` in all, or less.

    They pay `price` units, and are `links_max` together at most; `OutOfRange` where they cannot.
    """
    ratio = next((each for each in RATIOS if price <= FEW * each ** (kinds_max - 1)), RATIOS[-1])
    once = _fewest(price, ratio, kinds_max)
    links = sum(once)
    if links > links_max:
        raise OutOfRange("price_above_links", f"at most {links_max} links pay one price here")
    copies = max(1, min((units // price + 1) // 2, links_max * 3 // 4 // links))
    rest = _finest(units - copies * price, links_max - copies * links, ratio, kinds_max)
    lengths = [copies * digit + more for digit, more in zip_longest(once, rest, fillvalue=0)]
    return {ratio**kind: length for kind, length in enumerate(lengths) if length}


def fewest_links(price_micro: int, left: Sequence[tuple[int, int]]) -> list[int]:
    """How many links of each chain, (value, links left) with values rising, pay exactly this price.

    `OutOfRange` where none do.
    """
    rest_micro = price_micro
    counts = [0] * len(left)
    for at in range(len(left) - 1, -1, -1):
        value, links = left[at]
        counts[at] = min(rest_micro // value, links)
        rest_micro -= value * counts[at]
    if rest_micro % left[0][0]:
        raise OutOfRange("price_not_in_units", "open a chain in the vendor's present unit")
    if rest_micro:
        raise OutOfRange("chain_used_up", "open another chain")
    return counts


def _fewest(units: int, ratio: int, kinds: int) -> list[int]:
    """Digits of the price, the smallest first; the last may be above the ratio."""
    digits: list[int] = []
    while units >= (ratio if digits else FEW) and len(digits) < kinds - 1:
        units, digit = divmod(units, ratio)
        digits.append(digit)
    return [*digits, units]


def _finest(units: int, links: int, ratio: int, kinds: int) -> list[int]:
    """Lengths, of the smallest first: as many of it as leave links enough for all that is above.

    A quarter of the links at least, so that there is something of each.
    """
    if kinds == 1 or units <= links:
        return [min(units, links)]
    own = max((links * ratio - units) // (ratio - 1), links // 4)
    own = max(own - (own - units) % ratio, 0)
    return [own, *_finest((units - own) // ratio, links - own, ratio, kinds - 1)]
