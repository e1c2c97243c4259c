"""What payers and vendors say to the broker about fair chains, one struct a message."""

import msgspec

from farthing import codec
from farthing.errors import Unfit
from farthing.ids import require_name
from farthing.money import PAYMENT_MICRO_MAX
from farthing.schemes.chain.fairchain.ticket import ESCROW_MICRO_MAX, UNITS_MAX, Ticket
from farthing.schemes.contract import Json

WANTS_MAX = 8  # tickets of one order: for vendors that the payer goes to anyway
NAME_CHARS = 26  # of an escrow: "n_" and 12 bytes in hex

Want = tuple[str, int, int]
"""(vendor, unit in micro-units, units) of a ticket that is asked for."""


class Opening(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"
):
    """`issue`: money into an escrow."""

    amount_micro: int

    def __post_init__(self) -> None:
        """`Unfit` for an amount out of range."""
        if not 0 < self.amount_micro <= ESCROW_MICRO_MAX:
            raise Unfit("escrow_out_of_range", f"an escrow has 1 to {ESCROW_MICRO_MAX} micro-units")


class Order(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`issue`: tickets out of an escrow, as many as one will need before it asks again."""

    escrow: str
    wants: tuple[Want, ...]

    def __post_init__(self) -> None:
        """`Unfit` for wants out of range."""
        if not 1 <= len(self.wants) <= WANTS_MAX:
            raise Unfit("wants_out_of_range", f"an order is for 1 to {WANTS_MAX} tickets")
        for vendor, unit_micro, units in self.wants:
            require_name(vendor)
            if not 0 < unit_micro <= PAYMENT_MICRO_MAX or not 0 < units <= UNITS_MAX:
                raise Unfit("want_out_of_range", f"a ticket has 1 to {UNITS_MAX} units")
        _require_escrow(self.escrow)

    @property
    def worth_micro(self) -> int:
        """Of all its tickets."""
        return sum(unit_micro * units for _, unit_micro, units in self.wants)


class Submission(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`redeem`: the highest link of a ticket that its vendor was shown."""

    index: int
    ticket: Ticket
    word: str

    def __repr__(self) -> str:
        """Index only: a word is worth money."""
        return f"Submission({self.index})"


class Waiver(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`redeem`: the vendor gives way; the lone commit half of a ticket goes back to its payer."""

    waived: str
    """The ticket's id."""


class Closing(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`take_back`: what no ticket has taken of an escrow."""

    escrow: str

    def __post_init__(self) -> None:
        """`Unfit` for a name that is none."""
        _require_escrow(self.escrow)


class Collecting(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`take_back`: a ticket that is over may be forgotten; its rest has come back by itself."""

    ticket: str


class Giving(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`take_back`: the payer gives way; the release half of a lone unit, shown to the broker."""

    index: int
    released: str
    """The ticket's id."""
    word: str

    def __repr__(self) -> str:
        """Index only: a word is worth money."""
        return f"Giving({self.index})"


class Granting(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`grant`: the vendor's key, K_VB."""

    key: str
    """32 bytes, base64url."""

    def __repr__(self) -> str:
        """Nothing of it."""
        return "Granting()"


_OPENING, _ORDER = codec.Reader(Opening), codec.Reader(Order)
_SUBMISSION, _WAIVER = codec.Reader(Submission), codec.Reader(Waiver)
_CLOSING, _COLLECTING, _GIVING = (
    codec.Reader(Closing),
    codec.Reader(Collecting),
    codec.Reader(Giving),
)
GRANTING = codec.Reader(Granting)


def read_issue(message: Json) -> Opening | Order:
    """Either kind; `Malformed`, `Unfit`."""
    return (_ORDER if _has(message, "escrow") else _OPENING).convert(message)


def read_redeem(message: Json) -> Submission | Waiver:
    """Either kind; `Malformed`, `Unfit`."""
    return (_WAIVER if _has(message, "waived") else _SUBMISSION).convert(message)


def read_take_back(message: Json) -> Closing | Collecting | Giving:
    """Any kind; `Malformed`, `Unfit`."""
    if _has(message, "released"):
        return _GIVING.convert(message)
    return (_COLLECTING if _has(message, "ticket") else _CLOSING).convert(message)


def _has(message: Json, name: str) -> bool:
    return isinstance(message, dict) and name in message


def _require_escrow(name: str) -> None:
    if len(name) != NAME_CHARS or not name.isascii():
        raise Unfit("escrow_name_malformed", f"an escrow's name has {NAME_CHARS} characters")
