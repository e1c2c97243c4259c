"""What a wallet keeps of a commitment, and what it hands to another."""

import msgspec

from farthing import codec
from farthing.crypto import chain
from farthing.errors import Denied, OutOfRange
from farthing.schemes.chain.ecoupon.commitment import Commitment
from farthing.schemes.chain.ecoupon.delegation import HOPS_MAX, Delegation
from farthing.schemes.chain.ecoupon.tesla import Chain, Keyed

UNITS_MAX = 4096  # of a new commitment: 64 segments of 64 words, as the paper has them
WORD = chain.WORD_BYTES


class Coupons(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """What one wallet has of a commitment."""

    commitment: Commitment
    ephemeral: str = ""
    """Of the session at the vendor, base64url; empty before the first payment."""
    first: int = 0
    """The segment that is paid with next."""
    free: int = 0
    """Segments from here on are not started."""
    hops: tuple[Delegation, ...] = ()
    index: int = 0
    """The highest index of that segment that was paid with and taken."""
    leaves: str
    """All of the tree, base64url."""
    secret: str
    """Of the holder's key, base64url."""
    session: str = ""
    """The session key or, with TESLA, its name; base64url."""
    tesla: Keyed | None = None
    """The chain of keys of the session, where the vendor asked for one."""
    top: int
    """The index of the last word of the last segment; those of the others are the length."""
    vendor_key: str = ""
    """Whom the session is with."""
    words: str
    """The last word of each segment from `first` on, base64url."""

    @property
    def last(self) -> int:
        """The last segment; below `first` where nothing is left."""
        return self.first + len(self.words) * 3 // 4 // WORD - 1

    @property
    def units(self) -> int:
        """How many words are left."""
        if self.last < self.first:
            return 0
        return (self.last - self.first) * self.commitment.length + self.top - self.index

    def word(self, segment: int) -> bytes:
        """The last word of a segment."""
        at = (segment - self.first) * WORD
        return codec.unb64u(self.words)[at : at + WORD]

    def end(self, segment: int) -> int:
        """The index of the last word of a segment."""
        return self.top if segment == self.last else self.commitment.length

    @property
    def keys(self) -> Chain:
        """The holder's own, for TESLA."""
        commitment = self.commitment
        return Chain(codec.unb64u(self.secret), commitment.id, commitment.ends_at_s)

    def moved(self, segment: int, index: int) -> "Coupons":
        """After this word was paid with."""
        if index == self.end(segment):
            segment, index = segment + 1, 0
        words = codec.unb64u(self.words)[(segment - self.first) * WORD :]
        return msgspec.structs.replace(
            self, first=segment, index=index, words=codec.b64u(words), free=max(segment, self.free)
        )

    def __repr__(self) -> str:
        """Vendor and place only."""
        return f"Coupons({self.commitment.vendor}, {self.first}.{self.index})"


class Given(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A grant: the names are those of `Coupons`."""

    commitment: Commitment
    hops: tuple[Delegation, ...]
    leaves: str
    top: int
    words: str

    def __post_init__(self) -> None:
        """`Denied` for more hops than a vendor takes, `OutOfRange` for more words than we make."""
        if self.commitment.segments * self.commitment.length > UNITS_MAX:
            told = f"a commitment has at most {UNITS_MAX} words: ask for a shorter one"
            raise OutOfRange("commitment_too_long", told)
        if not 1 <= len(self.hops) <= HOPS_MAX:
            raise Denied("delegation_too_deep", f"at most {HOPS_MAX} hand it on, one to the next")

    def __repr__(self) -> str:
        """Vendor only: words are worth money."""
        return f"Given({self.commitment.vendor})"
