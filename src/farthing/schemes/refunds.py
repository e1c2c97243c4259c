"""What a vendor's till is told of a payment that is to be given back, and what it gives."""

import msgspec

from farthing.marks import Claim
from farthing.schemes.setting import Json


class Charged(msgspec.Struct, frozen=True, kw_only=True):
    """A payment that was confirmed, as the vendor's store has it."""

    reference: str
    """As in `Taken`, like the three below."""
    payer: str
    value_micro: int
    kept: bytes


class Refund(msgspec.Struct, frozen=True, kw_only=True):
    """New spending power for what a payment cost."""

    answer: Json
    """For the payer: what `Purse.accept_refund` takes."""
    claims: tuple[Claim, ...]
    """The payer gets the answer when the broker has acknowledged these."""
    until_s: int
    """How long it must be kept."""

    def __repr__(self) -> str:
        """The size of its claims only: the answer is worth money."""
        return f"Refund({len(self.claims)} claims)"
