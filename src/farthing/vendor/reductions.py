"""Prices that ask for properties: lower ones for some payers, and routes that only some may buy.

::

    [[route]]
    path = "/articles/*"
    price = "0.02c"
    requires.country = "fr"

    [[route.reduced]]
    price = "0.01c"
    props.student = true
"""

from collections.abc import Callable, Mapping, Sequence

import msgspec

from farthing import props
from farthing.errors import Misconfigured, Unfit

REDUCED_MAX = 4  # of one route: they stand in every offer, which has some 2 KiB
Value = bool | int | str


class Reduced(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One `[[route.reduced]]`: what payers with these properties pay."""

    price: str
    """As people write it: `0.01c`; below the route's own."""
    props: dict[str, Value]
    """What their broker must vouch for: all of it."""


def text_of(table: Mapping[str, Value]) -> str:
    """The canonical text of a table of properties: `true` as `true`; `Misconfigured`."""
    found = {
        key: str(value).lower() if isinstance(value, bool) else str(value)
        for key, value in table.items()
    }
    try:
        return props.write(found)
    except Unfit as wrong:
        raise Misconfigured(wrong.code, wrong.detail) from None


def read(
    reduced: Sequence[Reduced], price_micro: int, micro_of: Callable[[str], int]
) -> tuple[tuple[str, int], ...]:
    """Pairs (properties, price in micro-units), in the file's order; `Misconfigured`.

    `micro_of` reads a price as it stands in the file.
    """
    if len(reduced) > REDUCED_MAX:
        raise Misconfigured("too_many_reductions", f"at most {REDUCED_MAX} for one route")
    found: list[tuple[str, int]] = []
    for each in reduced:
        wanted = text_of(each.props)
        if not wanted:
            raise Misconfigured("reduction_for_everybody", "name a property under `props`")
        due_micro = micro_of(each.price)
        if due_micro >= price_micro:
            raise Misconfigured("reduction_not_lower", "a reduced price is below the route's own")
        found.append((wanted, due_micro))
    return tuple(found)
