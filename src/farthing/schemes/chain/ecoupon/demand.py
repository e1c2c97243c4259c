"""How a vendor wants payments authenticated: its options, and what its offer says of them.

Ours, but for the delay. A key may be shown once an interval and `tesla_delay` are over; clocks that
are `SKEW_S` off, one ahead and one behind, take up twice that of it. What is left is for the way.
"""

from collections.abc import Mapping
from typing import NamedTuple

from farthing.errors import Misconfigured, OutOfRange
from farthing.money import PAYMENT_MICRO_MAX
from farthing.schemes.chain.times import SKEW_S
from farthing.schemes.contract import Json, Offer

AUTHENTICATION = "authentication"  # option
TESLA = "tesla"
AUTHENTICATIONS = ("mac", TESLA)
INTERVAL_S = 60
DELAY = 6  # intervals: clocks that differ by 240 s at most, and a minute on the way
INTERVAL_S_MIN, INTERVAL_S_MAX = 60, 600  # below: more keys a day than one payment may hash
DELAY_MAX = 16  # intervals
UNVERIFIED_MICRO_MAX = 20_000  # default: two cents of the currency

Times = tuple[int, int]
"""Interval in seconds, delay in intervals."""


class Demand(NamedTuple):
    """What a vendor has set."""

    is_asked: bool
    """Whether payments are to be made so."""
    interval_s: int
    delay: int
    unverified_micro_max: int

    @property
    def terms(self) -> dict[str, Json]:
        """What the offer says of it."""
        return {TESLA: {"delay": self.delay, "intervalS": self.interval_s}}

    def require_price(self, price_micro: int) -> None:
        """`OutOfRange` for a page that would be refused even to who has paid nothing yet."""
        if self.is_asked and price_micro > self.unverified_micro_max:
            told = f"unverified_micro_max is {self.unverified_micro_max}: the page costs more"
            raise OutOfRange("price_above_unverified_max", told)

    def require_met(self, times: Times | None) -> None:
        """`OutOfRange` for a start that is not as the offer asks."""
        asked = (self.interval_s, self.delay) if self.is_asked else None
        if asked != times:
            raise OutOfRange("authentication_not_as_offered", "start as the offer says")


def demand_of(options: Mapping[str, Json]) -> Demand:
    """What the options of `[ecoupon]` come to; `Misconfigured`."""
    named = options.get(AUTHENTICATION, AUTHENTICATIONS[0])
    if named not in AUTHENTICATIONS:
        told = f"authentication is {' or '.join(AUTHENTICATIONS)}"
        raise Misconfigured("authentication_unknown", told, option=AUTHENTICATION)
    name = "tesla_interval_s"
    interval_s = _option(options, name, INTERVAL_S, INTERVAL_S_MIN, INTERVAL_S_MAX)
    delay = _option(options, "tesla_delay", DELAY, 2, DELAY_MAX)
    if (delay - 1) * interval_s < 2 * SKEW_S:
        told = f"(tesla_delay - 1) * tesla_interval_s is at least {2 * SKEW_S}, as clocks differ"
        raise Misconfigured("tesla_delay_too_short", told, option="tesla_delay")
    name = "unverified_micro_max"
    most_micro = _option(options, name, UNVERIFIED_MICRO_MAX, 1, PAYMENT_MICRO_MAX)
    return Demand(named == TESLA, interval_s, delay, most_micro)


def _option(options: Mapping[str, Json], name: str, default: int, least: int, most: int) -> int:
    value = options.get(name, default)
    if type(value) is not int or not least <= value <= most:
        told = f"{name} is a number from {least} to {most}"
        raise Misconfigured("option_out_of_range", told, option=name)
    return value


def asked_in(offer: Offer) -> Times | None:
    """Interval in seconds and delay, where an offer asks for TESLA; `OutOfRange`."""
    terms = offer.terms.get(TESLA)
    if terms is None:
        return None
    found = [terms.get(name) for name in ("intervalS", "delay")] if type(terms) is dict else []
    interval_s, delay = found if found else (None, None)
    if type(interval_s) is not int or type(delay) is not int:
        raise OutOfRange("offer_without_times", "the offer does not say when keys are shown")
    is_known = INTERVAL_S_MIN <= interval_s <= INTERVAL_S_MAX and 2 <= delay <= DELAY_MAX
    # A vendor whose keys come sooner has others take words for requests of theirs.
    if not is_known or (delay - 1) * interval_s < 2 * SKEW_S:
        raise OutOfRange("offer_without_times", "its keys would be shown too soon or too late")
    return interval_s, delay
