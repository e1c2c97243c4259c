"""Which prices a payment of links can pay: whole links, and no more of them than a till hashes."""

from farthing.errors import OutOfRange


def require_price(price_micro: int, unit_micro: int, steps_max: int) -> None:
    """`OutOfRange` for a price that `steps_max` links worth `unit_micro` each cannot pay."""
    if price_micro > steps_max * unit_micro:
        raise OutOfRange(
            "price_above_payment",
            f"one payment is at most {steps_max} times unit_micro, {steps_max * unit_micro}"
            " micro-units: lower the price or raise unit_micro",
        )
    if price_micro <= 0 or price_micro % unit_micro:
        raise OutOfRange(
            "price_not_in_units", f"prices are multiples of unit_micro, {unit_micro} micro-units"
        )
