"""What a purse is told of a part that it shall hand over, and what comes of it."""

import msgspec

from farthing.schemes.messages import Asked, Instrument
from farthing.schemes.setting import Json


class Portion(msgspec.Struct, frozen=True, kw_only=True):
    """Who shall have how much of an instrument."""

    amount_micro: int
    to: bytes
    """The receiver's public key, Ed25519: what `Purse.accept` gets the secret of."""
    until_s: int
    """When it ends, unix seconds; sooner where the instrument ends sooner."""
    passes_on: bool = False
    """Whether the receiver may hand it on."""


class Shared(msgspec.Struct, frozen=True, kw_only=True):
    """A part that was handed over."""

    grant: Json
    """What `Purse.accept` takes; worth money to who has the receiver's key."""
    left: Instrument
    """The instrument as it is without the part."""
    until_s: int
    withdrawal: Asked | None = None
    """What asks the mint to end the part before its time; None where nothing does."""

    def __repr__(self) -> str:
        """What is left only: a grant is worth money."""
        return f"Shared({self.left!r})"


class Parted(msgspec.Struct, frozen=True, kw_only=True):
    """A part that is whoever's has it, and what is left."""

    token: Json
    left: Instrument
    """Worth 0 where nothing is."""

    def __repr__(self) -> str:
        """What is left only: a token is worth money."""
        return f"Parted({self.left!r})"
