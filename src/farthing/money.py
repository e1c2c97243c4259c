"""Money is an integer of micro-units, 10^-6 of the currency; text amounts are read and shown here.

No float ever holds money. `0.02c` is two hundredths of a cent, `200u` is 200 micro-units,
`0.0002usd` names its currency, `200u-eur` names both. Each of these reads as exactly 200 micro.
"""

import re
from decimal import Decimal, InvalidOperation
from functools import lru_cache

import msgspec

from farthing.errors import OutOfRange

MICRO_PER_UNIT = 1_000_000
MICRO_PER_CENT = 10_000
PAYMENT_MICRO_MAX = 10**9  # 1,000 units: nothing that this project sells costs more
ACCOUNT_MICRO_MAX = 10**15  # 10^9 units; sums of 9 such accounts still fit 2^53 in JSON

CURRENCIES_CACHED = 256  # more than there are

_CURRENCY = re.compile(r"[a-z]{3}")
_AMOUNT = re.compile(r"([0-9]{1,16}(?:\.[0-9]{1,8})?)\s*(u|c|[a-z]{3})(?:-([a-z]{3}))?")
_WIRE = re.compile(r"0|[1-9][0-9]{0,15}")
_JSON_INT_MAX = 2**53 - 1


class Amount(msgspec.Struct, frozen=True, kw_only=True):
    """An amount as a person typed it."""

    micro: int
    """Micro-units, zero or more."""
    currency: str | None
    """Lower-case code, or None where the text named none and the broker's currency is meant."""


def require_micro(amount_micro: int, *, largest_micro: int = PAYMENT_MICRO_MAX) -> int:
    """`amount_micro` itself; `OutOfRange` unless it is an int in 0 … `largest_micro`."""
    if type(amount_micro) is not int or not 0 <= amount_micro <= largest_micro:
        raise OutOfRange("amount_out_of_range", f"amounts are 0 to {largest_micro} micro-units")
    return amount_micro


def require_currency(code: str) -> str:
    """`code` itself; `OutOfRange` unless it is three lower-case letters."""
    if not _CURRENCY.fullmatch(code):
        raise OutOfRange("currency_malformed", "a currency is three lower-case letters, as in eur")
    return code


def parse_amount(text: str, currency: str = "") -> Amount:
    """Read `0.02c`, `200u`, `0.0002usd` or `200u-eur`; `currency` is what a hint offers.

    `OutOfRange` for anything else, for a fraction of a micro-unit, and above `ACCOUNT_MICRO_MAX`.
    """
    match = _AMOUNT.fullmatch(text.strip().lower())
    if match is None:
        hinted = currency or "eur"
        raise OutOfRange(
            "amount_unreadable", f"write {text!r} as 0.02c, 200u, 0.0002{hinted} or 200u-{hinted}"
        )
    number, unit, named = match.groups()
    scale = {"u": 1, "c": MICRO_PER_CENT}.get(unit, MICRO_PER_UNIT)
    if unit not in {"u", "c"}:
        if named is not None:
            raise OutOfRange("amount_unreadable", f"{text!r} names two currencies")
        named = unit
    try:
        micro = Decimal(number) * scale
    except InvalidOperation:  # unreachable by the pattern, kept because Decimal documents it
        raise OutOfRange("amount_unreadable", f"{text!r} is not a number") from None
    if micro != int(micro):
        raise OutOfRange("amount_too_fine", "one micro-unit (0.0001c) is the smallest amount")
    require_micro(int(micro), largest_micro=ACCOUNT_MICRO_MAX)
    return Amount(micro=int(micro), currency=named)


def parse_micro(text: str, currency: str) -> int:
    """Micro-units of an amount in `currency`, which it may leave out; `OutOfRange` for another."""
    amount = parse_amount(text, currency)
    if amount.currency not in {None, currency}:
        raise OutOfRange("amount_in_another_currency", f"{text!r} is not in {currency}")
    return amount.micro


def show_micro(amount_micro: int, currency: str) -> str:
    """For people: `0.0002 EUR (0.02 cent)`; sums of a unit and more without the cents."""
    sign, size = ("-", -amount_micro) if amount_micro < 0 else ("", amount_micro)
    whole, rest = divmod(size, MICRO_PER_UNIT)
    units = f"{whole}.{rest:06d}".rstrip("0")
    units = units + "00" if units.endswith(".") else units
    shown = f"{sign}{units} {currency.upper()}"
    if size == 0 or size >= MICRO_PER_UNIT:
        return shown
    cents = f"{sign}{Decimal(size) / MICRO_PER_CENT:f}"
    return f"{shown} ({cents.rstrip('0').rstrip('.') if '.' in cents else cents} cent)"


def to_wire(amount_micro: int) -> str:
    """The decimal string of the wire; `OutOfRange` outside 0 … 2^53 - 1."""
    return str(require_micro(amount_micro, largest_micro=_JSON_INT_MAX))


def from_wire(text: str) -> int:
    """Read a wire amount: no sign, point, exponent or leading zero; else `OutOfRange`."""
    if not _WIRE.fullmatch(text):
        raise OutOfRange("amount_unreadable", "an amount is a decimal string of micro-units")
    return require_micro(int(text), largest_micro=_JSON_INT_MAX)


@lru_cache(maxsize=CURRENCIES_CACHED)
def asset_label(currency: str) -> str:
    """`microeur` for `eur`: never an ISO code, which stock payers would read as whole cents."""
    return "micro" + require_currency(currency)
