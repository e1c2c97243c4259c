"""Handing segments on: certificates after SPKI (RFC 2693), and their reduction to one.

``(I1,S1,1,T1,V1) + (S1,S2,d2,T2,V2) -> (I1,S2,d2,T1∩T2,V1∩V2)``. A tag is ``(commitment id)
(segments a..b)``: vendor and unit are in the commitment, whose id is the digest of what its payer
signed, so no tag can name another. The first issuer is the payer whom the broker certified; its own
tag is every segment, its validity the commitment's day. A hop whose tag or validity is wider than
its issuer's gives no more than the issuer has; one that its issuer's flag does not allow is
`Forged`.
"""

from collections.abc import Sequence

import msgspec

from farthing import codec
from farthing.crypto import signing
from farthing.errors import Expired, Forged, NotYetValid, OutOfRange, Unfit
from farthing.schemes.chain.ecoupon.commitment import SEGMENTS_MAX, Commitment
from farthing.schemes.chain.times import SKEW_S

HOPS_MAX = 4  # a family's purse, a phone, an agent on it, and what that agent calls
DELEGATION_TAG = "farthing/ecoupon/delegation/1"


class Delegation(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"
):
    """One hop: its issuer is the subject of the hop before, or the payer."""

    commitment: str
    """Its id."""
    passes_on: bool
    """SPKI's delegate flag: whether the subject may hand on what it has."""
    segments: tuple[int, int]
    """The first and the last."""
    sig: str
    """The issuer's, base64url."""
    subject: str
    """Ed25519, base64url."""
    valid: tuple[int, int]
    """From and until, unix seconds."""

    def __post_init__(self) -> None:
        """`Unfit` for segments or times out of range."""
        first, last = self.segments
        if not 0 <= first <= last < SEGMENTS_MAX:
            raise Unfit("segments_out_of_range", f"segments are 0 to {SEGMENTS_MAX - 1}")
        if not 0 <= self.valid[0] <= self.valid[1] <= codec.JSON_INT_MAX:
            raise Unfit("validity_out_of_range", "a delegation ends after it begins")

    def signed(self) -> bytes:
        """The bytes under `sig`."""
        return codec.enc(
            DELEGATION_TAG,
            self.commitment,
            int(self.passes_on),
            *self.segments,
            self.subject,
            *self.valid,
        )

    def sign(self, secret: bytes) -> "Delegation":
        """The same under the issuer's key of 32 bytes."""
        return msgspec.structs.replace(self, sig=codec.b64u(signing.sign(secret, self.signed())))


class Reduced(msgspec.Struct, frozen=True, kw_only=True):
    """What a chain of delegations comes to."""

    subject: bytes
    """The holder's public key."""
    first: int
    last: int
    """Segments."""
    from_s: int
    until_s: int
    passes_on: bool

    def require_valid(self, now_s: int) -> None:
        """`NotYetValid`, `Expired`, by the skew of clocks."""
        if now_s < self.from_s - SKEW_S:
            raise NotYetValid("delegation_not_yet_valid", "it begins later; is the clock right?")
        if now_s > self.until_s + SKEW_S:
            raise Expired("delegation_expired", "ask who handed it over for more")

    def require_segments(self, first: int, last: int) -> None:
        """`OutOfRange` for segments that are not all among these."""
        if not self.first <= first <= last <= self.last:
            raise OutOfRange("segment_not_delegated", "these segments were not handed to you")


def reduce(commitment: Commitment, hops: Sequence[Delegation]) -> Reduced:
    """The one certificate that all of them come to; `Forged`."""
    subject = codec.unb64u(commitment.certificate.public_key, size_bytes=32)
    first, last, from_s, until_s = 0, commitment.segments - 1, 0, commitment.ends_at_s
    passes_on = True
    for hop in hops:
        if hop.commitment != commitment.id:
            raise Forged("delegation_of_another_commitment", "it is about another commitment")
        if not passes_on:
            raise Forged("delegation_not_allowed", "who issued it was not to hand it on")
        sig = codec.unb64u(hop.sig, size_bytes=signing.SIGNATURE_BYTES)
        signing.verify(subject, hop.signed(), sig)
        first, last = max(first, hop.segments[0]), min(last, hop.segments[1])
        from_s, until_s = max(from_s, hop.valid[0]), min(until_s, hop.valid[1])
        subject = codec.unb64u(hop.subject, size_bytes=32)
        passes_on = hop.passes_on
    return Reduced(
        subject=subject,
        first=first,
        last=last,
        from_s=from_s,
        until_s=until_s,
        passes_on=passes_on,
    )
