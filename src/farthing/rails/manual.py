"""The manual rail: an operator with a bank account and a keyboard.

Money in: every credit of the bank's statement has a reference that the bank never uses twice; the
broker books a reference once. Money out: whole cents, rounded down, and a payout is
`planned -> exported -> confirmed | returned`. Exporting again gives the same lines.

Source: the trust programme, section 6.
"""

from enum import Enum

import msgspec

from farthing.errors import Conflict, OutOfRange
from farthing.money import MICRO_PER_CENT, PAYMENT_MICRO_MAX, require_micro

NAME = "manual"
REFERENCE_BYTES_MAX = 128  # the limit of every reference
DESTINATION_BYTES_MAX = 128  # an IBAN has 34, a name and address beside it fit


class PayoutState(Enum):
    """Where a payout stands."""

    PLANNED = "planned"
    EXPORTED = "exported"
    CONFIRMED = "confirmed"
    RETURNED = "returned"


# From where a payout may go where. The bank may send money back even after it has taken it.
STEPS: dict[PayoutState, frozenset[PayoutState]] = {
    PayoutState.PLANNED: frozenset({PayoutState.EXPORTED, PayoutState.RETURNED}),
    PayoutState.EXPORTED: frozenset({PayoutState.CONFIRMED, PayoutState.RETURNED}),
    PayoutState.CONFIRMED: frozenset({PayoutState.RETURNED}),
    PayoutState.RETURNED: frozenset(),
}


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One line of an export: what the operator types at the bank."""

    end_to_end_id: str
    """The payout's id; the bank hands it back with a return."""
    destination: str
    amount_cents: int
    state: str
    """Whether it was typed before, and the bank has not confirmed it."""


def require_text(text: str, *, bytes_max: int, code: str) -> str:
    """`text` itself; `OutOfRange` with `code` unless it is short, printable and not empty."""
    if not text or not text.isprintable() or len(text.encode()) > bytes_max:
        raise OutOfRange(code, f"1 to {bytes_max} bytes of printable text")
    return text


def require_reference(text: str) -> str:
    """A bank's reference; `OutOfRange`."""
    return require_text(text, bytes_max=REFERENCE_BYTES_MAX, code="reference_malformed")


def require_destination(text: str) -> str:
    """Where money goes; `OutOfRange`."""
    return require_text(text, bytes_max=DESTINATION_BYTES_MAX, code="destination_malformed")


def payable_micro(amount_micro: int, *, largest_micro: int = PAYMENT_MICRO_MAX) -> int:
    """`amount_micro` rounded down to whole cents; `OutOfRange` below one cent."""
    payable = require_micro(amount_micro, largest_micro=largest_micro)
    payable -= payable % MICRO_PER_CENT
    if not payable:
        raise OutOfRange("payout_below_one_cent", "banks move whole cents; wait for more")
    return payable


def require_step(state: PayoutState, after: PayoutState) -> None:
    """`Conflict` unless a payout in `state` may become `after`."""
    if after not in STEPS[state]:
        way = f"{state.value} to {after.value}"
        raise Conflict("payout_step_impossible", f"a payout does not go from {way}")


def line_of(payout_id: str, destination: str, amount_micro: int, state: str) -> Line:
    """The line of an export; the amount is whole cents already."""
    cents, rest = divmod(amount_micro, MICRO_PER_CENT)
    assert not rest, "payouts are planned in whole cents"
    return Line(end_to_end_id=payout_id, destination=destination, amount_cents=cents, state=state)
