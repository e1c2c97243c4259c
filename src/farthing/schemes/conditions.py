"""What an offer's terms say of properties: lower prices for some, and who may buy at all.

In the terms `reduced` is a list of pairs [properties, amount in micro-units as text], the first one
that a payer has decides; `requires` are properties without which nobody buys. Source: MilliCent's
props and price file; the form is ours.
"""

from collections.abc import Iterable

from farthing import money, props
from farthing.errors import Denied, Malformed
from farthing.schemes.messages import Offer
from farthing.schemes.setting import Json

REDUCED = "reduced"
REQUIRES = "requires"


def terms_of(reduced: Iterable[tuple[str, int]], requires: str) -> dict[str, Json]:
    """The terms, `reduced` as (properties, price in micro-units); empty where there are none."""
    terms: dict[str, Json] = {}
    pairs = [[wanted, money.to_wire(price_micro)] for wanted, price_micro in reduced]
    if pairs:
        terms[REDUCED] = pairs
    if requires:
        terms[REQUIRES] = requires
    return terms


def due_micro(offer: Offer, has: str) -> int:
    """What a payer with the properties `has` pays; `Malformed` for terms that are not in order."""
    for wanted, price_micro in _reduced(offer):
        if props.has_all(has, wanted):
            return price_micro
    return offer.price_micro


def least_micro(offer: Offer) -> int:
    """The lowest price that anybody pays; `Malformed`."""
    return min((micro for _, micro in _reduced(offer)), default=offer.price_micro)


def keys_of(offer: Offer) -> tuple[str, ...]:
    """The names of all properties that matter for this offer, rising; `Malformed`, `Unfit`."""
    texts = [wanted for wanted, _ in _reduced(offer)]
    if REQUIRES in offer.terms:
        texts.append(str(offer.terms[REQUIRES]))
    return tuple(sorted({key for text in texts for key in props.read(text)}))


def require_eligible(offer: Offer, has: str) -> None:
    """`Denied` for a payer without the properties that the offer requires."""
    wanted = offer.terms.get(REQUIRES)
    if wanted is not None and not props.has_all(has, wanted):
        raise Denied("property_missing", f"only for payers whose broker vouches for {wanted}")


def _reduced(offer: Offer) -> list[tuple[str, int]]:
    """Pairs (properties, price in micro-units), each price at most the offer's own."""
    found: list[tuple[str, int]] = []
    pairs = offer.terms.get(REDUCED, ())
    if not isinstance(pairs, list | tuple):
        raise Malformed("terms_malformed", "`reduced` holds pairs of properties and amount")
    for pair in pairs:
        if not isinstance(pair, list) or len(pair) != 2:
            raise Malformed("terms_malformed", "`reduced` holds pairs of properties and amount")
        wanted, price_micro = str(pair[0]), money.from_wire(str(pair[1]))
        if not wanted or not 0 < price_micro < offer.price_micro:
            raise Malformed("terms_malformed", "a reduced price is above zero and below the other")
        props.read(wanted)
        found.append((wanted, price_micro))
    return found
