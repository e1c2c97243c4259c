"""Clearing before the goods go out: the broker reserves, then pays or voids.

Two calls of the facilitator API (wire format, section 5), as steps of a gate's walk. A reservation
that nobody captures ends by itself and pays nothing, so a gate that cannot reach the broker to void
one loses nothing either.
"""

from collections.abc import Generator
from typing import Any

import msgspec

from farthing.errors import Broken, Refusal, Unavailable, Undecided, by_name
from farthing.schemes.contract import Json
from farthing.vendor.commands import AskBroker, GateCommand

# A reservation lives for 60 s: the site has answered, and the capture arrived, before it ends.
ORIGIN_TIMEOUT_S_MAX = 45

Calls = Generator[GateCommand, object, "Reserved"]


class Reserved(msgspec.Struct, frozen=True, kw_only=True):
    """What the broker holds for one payment, or has paid."""

    transaction: str
    number: int
    """Of the reservation; 0: it is paid."""
    for_payer: Json = None

    def __repr__(self) -> str:
        """The transaction only: what is for the payer may be worth money."""
        return f"Reserved({self.transaction}, {self.number})"


class _Settled(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    success: bool
    transaction: str = ""
    error_reason: str = ""
    error_message: str = ""
    extra: dict[str, Any] = {}


def reserve(message: dict[str, Json]) -> Calls:
    """Ask the broker to hold the money; already paid where a crash came in between.

    The broker's refusal; `Unavailable`, `Undecided` without an answer: nothing has moved yet.
    """
    return _reserved((yield AskBroker(call="settle", message={**message, "reserve": {}})))


def capture(reserved: Reserved) -> Calls:
    """Have it paid. `Unavailable` where it was void: nothing moved; else `Undecided`."""
    message = {"transaction": reserved.transaction, "reservation": reserved.number}
    try:
        return _reserved((yield AskBroker(call="capture", message=message)))
    except Unavailable:
        raise
    except Refusal as wrong:
        raise Undecided("outcome_unknown", f"the broker has not paid yet: {wrong.code}") from None


def void(reserved: Reserved) -> Generator[GateCommand, object, bool]:
    """Give it back; whether nothing was paid. False: a capture was quicker.

    `Unavailable`, `Undecided` without an answer; it ends by itself then, if it is not captured.
    """
    message = {"transaction": reserved.transaction, "reservation": reserved.number}
    settled = _settled((yield AskBroker(call="void", message=message)))
    return settled.error_reason != "already_captured"


def _settled(answer: object) -> _Settled:
    try:
        return msgspec.convert(answer, _Settled)
    except msgspec.ValidationError:
        raise _strange() from None


def _strange() -> Broken:
    return Broken("broker_answered_strangely", "expected a settlement response")


def _reserved(answer: object) -> Reserved:
    """What the broker said; its refusal."""
    settled = _settled(answer)
    if settled.success:
        try:
            number = int(settled.extra.get("reservation", 0))
        except (TypeError, ValueError):
            raise _strange() from None
        return Reserved(
            transaction=settled.transaction,
            number=number,
            for_payer=settled.extra.get("forPayer"),
        )
    if settled.error_reason == "settlement_pending":
        raise Undecided("outcome_unknown", "the broker has not decided yet")
    if settled.error_reason == "reservation_void":
        raise Unavailable("reservation_void", "the site took too long; nothing was paid")
    name, code = str(settled.extra.get("refusal")), str(settled.extra.get("code"))
    raise by_name(name, code, settled.error_message)
