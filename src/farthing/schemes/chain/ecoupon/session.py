"""How a holder begins at a vendor, and what ties its payments to its requests.

``start = Sig_X(commitment id, segments, ephemeral, vendor key)``; the session key is what X25519
of the ephemeral and the vendor's own gives (ours: the paper sends a key, which a wire-tapper would
read). Every payment has ``MAC_K(commitment id, request, links)``, so that nobody on the way can
take a word for a request of his own. Whoever started a segment first has it (ours): its payer, who
knows all seeds, cannot race whom he handed it to.
"""

import struct
from collections.abc import Sequence
from functools import lru_cache
from hashlib import blake2b

import msgspec

from farthing import codec
from farthing.crypto import agreement, chain, merkle, signing
from farthing.crypto.mac import require_equal
from farthing.errors import Forged, Unfit
from farthing.schemes.chain.counters import CHAINS_CACHED, Kept, pack
from farthing.schemes.chain.ecoupon.commitment import SEGMENTS_MAX, Commitment, Link
from farthing.schemes.chain.ecoupon.tesla import Keyed, Shown
from farthing.schemes.contract import Binding

START_TAG = "farthing/ecoupon/start/1"
PAYMENT_TAG = "farthing/ecoupon/payment/1"
SESSION_KEY = "farthing/ecoupon/session/1"  # purpose of the vendor's X25519 key, tag of the session
MAC_BYTES = 16
DIGEST_BYTES = 32
TARGETS_CACHED = 4_096  # requests whose encoding is remembered
NO_KEY = bytes(16)  # what follows the name of a session under TESLA; no shared key ends so
PROOF_MAX = 12  # two siblings a height: those of any run of 64 leaves

_MORE = struct.Struct(">32s2sQ")  # session, first and last segment of the start, unit
_LINK = struct.Struct(">IQIQI")  # segment and index after their lengths, and the length of a word


class Start(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    omit_defaults=True,
    rename="camel",
):
    """A holder begins with a run of segments: with a key in common, or a chain of its own."""

    ephemeral: str = ""
    """X25519, base64url."""
    proof: tuple[str, ...]
    """Siblings that lead from the roots to the commitment's, base64url."""
    roots: tuple[str, ...]
    """Of each segment's chain, base64url."""
    segments: tuple[int, int]
    """The first and the last."""
    sig: str
    """The holder's, base64url."""
    tesla: Keyed | None = None
    """Where the offer asks for TESLA: instead of the two keys."""
    vendor_key: str = ""
    """The vendor's X25519 key that this is for, base64url."""

    def __post_init__(self) -> None:
        """`Unfit` for segments out of range, other roots than theirs, or two ways at once."""
        if not bool(self.ephemeral) == bool(self.vendor_key) == (self.tesla is None):
            raise Unfit("start_of_two_kinds", "a start has two keys, or a chain of keys")
        first, last = self.segments
        if not 0 <= first <= last < SEGMENTS_MAX:
            raise Unfit("segments_out_of_range", f"segments are 0 to {SEGMENTS_MAX - 1}")
        if len(self.roots) != last - first + 1 or len(self.proof) > PROOF_MAX:
            raise Unfit("roots_not_of_segments", "a start has the root of each of its segments")

    def signed(self, commitment_id: str) -> bytes:
        """The bytes under `sig`."""
        if self.tesla is not None:  # one field more than there are otherwise
            return codec.enc(START_TAG, commitment_id, *self.segments, *self.tesla.fields)
        return codec.enc(START_TAG, commitment_id, *self.segments, self.ephemeral, self.vendor_key)

    def verify(self, commitment: Commitment, holder: bytes) -> None:
        """`Forged` unless `holder` signed it and its roots are the commitment's."""
        sig = codec.unb64u(self.sig, size_bytes=signing.SIGNATURE_BYTES)
        signing.verify(holder, self.signed(commitment.id), sig)
        verify_roots(commitment, self.segments[0], self.roots, self.proof)


def verify_roots(
    commitment: Commitment, first: int, roots: Sequence[str], proof: Sequence[str]
) -> None:
    """`Forged` unless these are the roots of the commitment's segments from `first` on."""
    leaves = {
        segment: commitment.leaf(segment, codec.unb64u(root, size_bytes=chain.WORD_BYTES))
        for segment, root in enumerate(roots, first)
    }
    siblings = [codec.unb64u(one, size_bytes=merkle.DIGEST_BYTES) for one in proof]
    merkle.verify(codec.unb64u(commitment.root), commitment.segments, leaves, siblings)


def session_key(secret: bytes, public: bytes, ephemeral: bytes, commitment_id: str) -> bytes:
    """The 32-byte key of a session, from either side's secret and the other's public half."""
    return agreement.shared_key(secret, public, SESSION_KEY, ephemeral, commitment_id)


def payment_mac(begun: blake2b, binding: Binding, links: Sequence[Link]) -> bytes:
    """What authenticates a payment, 16 bytes, from what `begin_mac` gives.

    The bytes are those of `codec.enc`, written out because this runs once for every payment.
    """
    code = begun.copy()
    code.update(_request_head(binding.target, binding.body_digest))
    for segment, index, text in links:
        word = text.encode()
        code.update(_LINK.pack(8, segment, 8, index, len(word)))
        code.update(word)
    return code.digest()


def payment_digest(commitment_id: str, binding: Binding, links: Sequence[Link]) -> bytes:
    """Of the bytes that the MAC is over, 32 bytes: what is authenticated under TESLA."""
    head = codec.enc(PAYMENT_TAG, commitment_id)
    return payment_mac(blake2b(head, digest_size=DIGEST_BYTES), binding, links)


def begin_mac(session: bytes, commitment_id: str) -> blake2b:
    """What begins every MAC of a session."""
    head = codec.enc(PAYMENT_TAG, commitment_id)
    return blake2b(head, key=session, digest_size=MAC_BYTES)


@lru_cache(maxsize=TARGETS_CACHED)
def _request_head(target: str, body_digest: bytes) -> bytes:
    return codec.enc(target, body_digest)


class Bound(Kept):
    """Of one segment whose it is, under which session: `counters.Kept`, then three fields."""

    __slots__ = ("_begun", "session", "span", "unit_micro")

    def __init__(self, raw: bytes) -> None:
        """From the end of what `bind` made."""
        super().__init__(raw[: -_MORE.size])
        self.raw = raw
        self.session, self.span, self.unit_micro = _MORE.unpack(raw[-_MORE.size :])
        self._begun: blake2b | None = None

    def verify_mac(
        self,
        commitment_id: str,
        binding: Binding,
        links: Sequence[Link],
        text: str,
        shown: Shown | None,
    ) -> None:
        """`Forged` unless `text` is the MAC of a payment, of the one commitment of the session."""
        begun = self._begun
        if begun is None:
            begun = self._begun = begin_mac(self.session, commitment_id)
        found = payment_mac(begun, binding, links)
        require_equal("payment_mac_wrong", codec.unb64u(text, MAC_BYTES), found)


class Unkeyed(Bound):
    """The same under TESLA: nobody here knows a key yet."""

    __slots__ = ()

    def verify_mac(
        self,
        commitment_id: str,
        binding: Binding,
        links: Sequence[Link],
        text: str,
        shown: Shown | None,
    ) -> None:
        """`Forged` for a payment that no key will prove; the till keeps the others."""
        if shown is None:
            raise Forged("session_without_key", "pay with a key of the chain it began with")


@lru_cache(maxsize=CHAINS_CACHED)
def bound_of(raw: bytes) -> Bound:
    """`Bound` of a record from `WORD_BYTES` on; made once a segment."""
    bound = Bound(raw)
    return Unkeyed(raw) if bound.session.endswith(NO_KEY) else bound


def bind(
    commitment: Commitment,
    start: Start,
    segment: int,
    *,
    holder: bytes,
    session: bytes,
    ends_at_s: int,
) -> bytes:
    """The record of a segment that `holder` starts with."""
    record = pack(
        word=codec.unb64u(start.roots[segment - start.segments[0]], size_bytes=chain.WORD_BYTES),
        key=commitment.link_key(segment),
        length=commitment.length,
        ends_at_s=ends_at_s,
        public_key=holder,
        payer=commitment.certificate.payer,
    )
    return record + _MORE.pack(session, bytes(start.segments), commitment.unit_micro)
