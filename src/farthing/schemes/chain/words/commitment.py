"""Chains of words under one pledge: `M = Sig_P{V, C_P, w_0, D, I_M}` of PayWord.

I_M carries the salt and one (denomination, length, root) per chain.
"""

from functools import lru_cache
from typing import Annotated, ClassVar

from msgspec import Meta

from farthing import codec
from farthing.crypto import chain
from farthing.errors import Unfit
from farthing.money import PAYMENT_MICRO_MAX
from farthing.schemes.chain.counters import CHAINS_CACHED
from farthing.schemes.chain.credit.pledge import SLOTS, Pledge

CHAINS_MAX = 4  # denominations under one commitment

Link = tuple[Annotated[int, Meta(gt=0, le=PAYMENT_MICRO_MAX)], Annotated[int, Meta(ge=0)], str]
"""(denomination, index, word in base64url), as it travels."""


class Commitment(Pledge, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """A pledge of chains; a member adds its fields and names them in `details`."""

    message: ClassVar[str] = "commitment"
    """In its domain tag."""
    chains: tuple[tuple[int, int, str], ...]
    """(denomination in micro-units, length in links, root in base64url), denominations rising."""
    salt: str
    """16 bytes, base64url."""

    def __post_init__(self) -> None:
        """`Unfit` for chains out of range."""
        Pledge.__post_init__(self)
        denominations = [denomination for denomination, _, _ in self.chains]
        if not 1 <= len(denominations) <= CHAINS_MAX:
            raise Unfit("chain_count_out_of_range", f"a commitment has 1 to {CHAINS_MAX} chains")
        if denominations != sorted(set(denominations)):
            raise Unfit("chains_not_canonical", "denominations rise, each once")
        for denomination, length, _ in self.chains:
            if not 0 < denomination <= PAYMENT_MICRO_MAX:
                raise Unfit("denomination_out_of_range", "a word is worth 1 micro-unit and more")
            if not 0 < length <= chain.LENGTH_MAX:
                raise Unfit("chain_too_long", f"a chain has at most {chain.LENGTH_MAX} links")

    def details(self) -> tuple[bytes | str | int, ...]:
        """The member's own fields, as they are signed."""
        return ()

    def require_closable(self) -> None:
        """`Unfit` unless what was set apart is for this commitment alone, whole.

        Of what was prepaid it takes up all: then nothing else is ever paid out of that.
        """
        if not self.certificate.vendor or self.slots != (0, SLOTS):
            raise Unfit("nothing_to_close", "close what was prepaid, and all of it")

    @property
    def to_close(self) -> bytes:
        """What its payer signs to have it closed: the same whenever that is."""
        return codec.enc(self.family.domain("close"), self.vendor, self.id)

    def signed(self) -> bytes:
        """The bytes under `sig`."""
        fields: list[bytes | str | int] = [
            self.family.domain(self.message),
            self.vendor,
            self.certificate.serial,
            self.certificate.sig,
            self.day,
            self.salt,
            *self.slots,
            *self.details(),
        ]
        for denomination, length, root in self.chains:
            fields += [denomination, length, root]
        return codec.enc(*fields)

    @property
    def worth_micro(self) -> int:
        """The value of every word of every chain."""
        return sum(denomination * length for denomination, length, _ in self.chains)

    def counter_id(self, denomination: int) -> bytes:
        """The mark of one chain, at the gate and at the broker."""
        return counter_id(self.family.tag, self.id, denomination)


@lru_cache(maxsize=CHAINS_CACHED)
def counter_id(tag: str, commitment_id: str, denomination: int) -> bytes:
    """The mark of one chain; an id that nobody was given, or spelled otherwise, names none."""
    return tag.encode() + commitment_id.encode() + denomination.to_bytes(8, "big")
