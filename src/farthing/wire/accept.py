"""`Accept-Payment`: which schemes and intents a payer takes, and which it would rather have.

Source: the project's wire format, section 3.2; the grammar follows `Accept-Language` with ranges
`<method>/<intent>`, either of which may be `*`. The most specific range that fits decides.
"""

import re
from collections.abc import Sequence

from farthing.schemes import registry
from farthing.schemes.contract import Offer

ACCEPT_BYTES_MAX = 1024  # every scheme of ours by name takes 600
_RANGE = re.compile(
    r"(\*|[a-z][a-z0-9:_-]*)/(\*|[a-z0-9-]+)(?:[ \t]*;[ \t]*q=(0(?:\.\d{0,3})?|1(?:\.0{0,3})?))?",
    re.ASCII,
)
_SEPARATOR = re.compile(r"[ \t]*,[ \t]*")

Ranges = dict[tuple[str, str], float]


def order(offers: Sequence[Offer], accept_payment: str | None) -> tuple[Offer, ...]:
    """The offers that the payer takes, best first; its ties keep the vendor's order.

    All of them in the vendor's order where the header is absent or malformed, or fits none.
    """
    ranges = read_ranges(accept_payment) if accept_payment else None
    if not ranges:
        return tuple(offers)
    weighed = [(_weight(offer, ranges), offer) for offer in offers]
    wanted = sorted((pair for pair in weighed if pair[0] > 0), key=lambda pair: -pair[0])
    return tuple(offer for _, offer in wanted) or tuple(offers)


def wanted(names: Sequence[str]) -> str:
    """The header of a payer who spends these schemes (registry names, the best first)."""
    count = len(names)
    return ", ".join(
        f"{registry.wire_name(name)[0]}/*;q={1000 * (count - place) // count / 1000:.3f}"
        for place, name in enumerate(names)
    )


def _weight(offer: Offer, ranges: Ranges) -> float:
    method, intent = registry.wire_name(offer.scheme)[0], offer.intent
    for fitting in ((method, intent), (method, "*"), ("*", intent), ("*", "*")):
        if fitting in ranges:
            return ranges[fitting]
    return 0


def read_ranges(text: str) -> Ranges | None:
    """Weights by range, the first of a repeated range; None if any of it does not parse."""
    if len(text) > ACCEPT_BYTES_MAX:
        return None
    ranges: Ranges = {}
    for item in _SEPARATOR.split(text.strip(" \t")):
        found = _RANGE.fullmatch(item)
        if found is None:
            return None
        method, intent, weight = found.groups()
        ranges.setdefault((method, intent), 1.0 if weight is None else float(weight))
    return ranges
