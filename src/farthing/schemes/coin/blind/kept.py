"""What a purse keeps of a message or a payment, to understand the answer."""

from typing import Any, Generic, Literal

import msgspec

from farthing import codec
from farthing.schemes.coin.blind.coinage import K, Slot
from farthing.schemes.coin.blind.pocket import Pocket
from farthing.schemes.coin.blind.restoring import Search
from farthing.schemes.contract import Json


class Errand(
    msgspec.Struct, Generic[K], frozen=True, kw_only=True, forbid_unknown_fields=True, tag="Errand"
):
    """What a purse must know of a message that it sent."""

    amount_micro: int = 0
    """What the list is asked for; 0: to make change."""
    pocket: Pocket[K] | None = None
    """What the coins come into, or, of a return, what is left."""
    number: int = 0
    slots: tuple[Slot, ...] = ()
    step: Literal["list", "withdrawal", "exchange", "return"]
    token: Json = None
    """Coins of another wallet."""


class Outgoing(msgspec.Struct, Generic[K], frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a purse must know of a payment to take its change."""

    header: bytes
    left: Pocket[K]
    slots: tuple[Slot, ...]


class Exchanged(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The mint's answer to an exchange."""

    signatures: tuple[str, ...]


class Signatures(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The mint's answer to a withdrawal."""

    list: str
    signatures: tuple[str, ...]


class Readers(Generic[K]):
    """Reads what a purse has kept, for one kind of list."""

    def __init__(self, kind: type[K]) -> None:
        """`kind`: of the lists."""
        self.kept: codec.Reader[Any] = codec.Reader(
            Errand[kind] | Search[kind]  # type: ignore[valid-type, arg-type]  # - known when run
        )
        self.outgoing: codec.Reader[Any] = codec.Reader(
            Outgoing[kind]  # type: ignore[valid-type]  # - likewise
        )
        self.pockets: codec.Reader[Any] = codec.Reader(
            Pocket[kind]  # type: ignore[valid-type]  # - likewise
        )
