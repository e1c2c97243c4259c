"""A commitment to many short chains, its segments: `Sig_U{V, cert_U, MerkleRoot(j, r_j), u, D}`.

All segments have the same length L and are worth the same unit u, so that the worth of all is
signed and nobody has to see them to add it up. A leaf is (j, r_j, L). The key of segment j's links
comes from the commitment's salt and j.
"""

from functools import lru_cache
from hashlib import sha256

from farthing import codec
from farthing.crypto import chain
from farthing.errors import Unfit
from farthing.money import PAYMENT_MICRO_MAX
from farthing.schemes.chain.counters import CHAINS_CACHED
from farthing.schemes.chain.credit.certificate import Family
from farthing.schemes.chain.credit.pledge import Pledge

FAMILY = Family(tag="ecoupon", short="eco")
SEGMENTS_MAX = 64  # a path has six steps, and a purse can be divided into so many parts
SEGMENT_TAG = "farthing/ecoupon/segment/1"

Link = tuple[int, int, str]
"""(segment, index, word in base64url), as it travels."""


class Commitment(Pledge, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """The payer's promise to one vendor for one day."""

    family = FAMILY
    length: int
    """Links of each segment."""
    root: str
    """Of the tree over the segments, 32 bytes, base64url."""
    salt: str
    """16 bytes, base64url."""
    segments: int
    unit_micro: int
    """What a word is worth."""

    def __post_init__(self) -> None:
        """`Unfit` for segments or a unit out of range."""
        Pledge.__post_init__(self)
        if not 0 < self.segments <= SEGMENTS_MAX:
            told = f"a commitment has 1 to {SEGMENTS_MAX} segments"
            raise Unfit("segment_count_out_of_range", told)
        if not 0 < self.length <= chain.LENGTH_MAX:
            raise Unfit("chain_too_long", f"a segment has at most {chain.LENGTH_MAX} links")
        if not 0 < self.unit_micro <= PAYMENT_MICRO_MAX:
            raise Unfit("unit_out_of_range", "a word is worth 1 micro-unit and more")

    def signed(self) -> bytes:
        """The bytes under `sig`."""
        return codec.enc(
            "farthing/ecoupon/commitment/1",
            self.vendor,
            self.certificate.serial,
            self.certificate.sig,
            self.day,
            self.salt,
            *self.slots,
            self.segments,
            self.length,
            self.unit_micro,
            self.root,
        )

    @property
    def worth_micro(self) -> int:
        """The value of every word of every segment."""
        return self.segments * self.length * self.unit_micro

    def link_key(self, segment: int) -> bytes:
        """The 16-byte key of a segment's links."""
        salt = codec.unb64u(self.salt, size_bytes=chain.SALT_BYTES)
        return chain.link_key(codec.enc(salt, segment))

    def leaf(self, segment: int, root: bytes) -> bytes:
        """The leaf of a segment whose chain begins with `root`."""
        return sha256(codec.enc(SEGMENT_TAG, segment, root, self.length)).digest()

    def counter_id(self, segment: int) -> bytes:
        """The mark of one segment, at the gate and at the broker."""
        return counter_id(self.id, segment)


@lru_cache(maxsize=CHAINS_CACHED)
def counter_id(commitment_id: str, segment: int) -> bytes:
    """The mark of one segment of the commitment with this id."""
    return b"ecoupon%b%c" % (commitment_id.encode(), segment)


def revoked_name(commitment_id: str, segment: int) -> str:
    """What the hot list calls a segment that its payer has withdrawn."""
    return f"{commitment_id}.{segment}"
