"""What is signed: the certificate over all tokens (by the broker), the opening (by the payer).

Notation of the paper: a chain of tokens `t_i` with order numbers from k on, a vendor certificate
`{serial, payer, root, k, n, expiry, broker}`; `pos = order - k + 1` hashes lead from a token to the
root. Ours (F1): the n tokens are parted into segments of L, each a chain with its own seed and root
`r_j`; the certificate signs the Merkle root over `leaf_j = H(enc(tag, serial, j, r_j, L_j))` and a
key of the payer's. A first payment carries the leaves that it opens and
``open = Sig_P(enc(tag, serial, vendor, time, j …))``: a segment is used at one vendor, and two
openings of one segment for two vendors prove who spent twice.
"""

import hashlib
from functools import lru_cache

import msgspec

from farthing import codec
from farthing.crypto import chain, merkle, signing
from farthing.errors import Expired, Forged, Unfit
from farthing.money import PAYMENT_MICRO_MAX
from farthing.schemes.chain.counters import CHAINS_CACHED
from farthing.schemes.chain.times import DAY_S, SKEW_S
from farthing.schemes.contract import Ring, Traits
from farthing.schemes.losses import Loss

SUBMIT_S = DAY_S  # how long after its end a certificate's tokens may still be reported
CERTIFICATE_LIFE_S = 30 * DAY_S
SEGMENTS_MAX = 256  # of one certificate: a path of eight hashes
OPENED_MAX = 32  # segments in one opening: a first payment stays below 6 kB
PATH_MAX = codec.JSON_MEMBERS_MAX  # hashes: what a message has room for

CERTIFICATE_TAG = "farthing/token/certificate/1"
SEGMENT_TAG = "farthing/token/segment/1"
OPEN_TAG = "farthing/token/open/1"
SALT_TAG = "farthing/token/salt/1"
SEED_TAG = "farthing/token/seed/1"
CERTIFICATE_KEY = CERTIFICATE_TAG  # purpose of the broker's key; its id is the broker's

REVOKED_PREFIX = b"agent/revoked/"

TRAITS = Traits(
    name="agent",
    wire="token",
    title="A Micropayment System",
    source="A Micropayment System: generic and specific tokens, 2005",
    issuer="broker",
    credit=False,
    needs_list=True,
    latest="batch",
    losses={
        "payer": (
            Loss(by="vendor", of="price"),
            Loss(by="broker", of="float"),
            Loss(by="thief", of="wallet"),
            Loss(by="nobody", of="nothing"),
        ),
        "vendor": (
            Loss(by="payer", of="unacknowledged"),
            Loss(by="broker", of="unclaimed"),
            Loss(by="nobody", of="nothing"),
        ),
        "broker": (
            Loss(by="payer", of="nothing"),
            Loss(by="vendor", of="nothing"),
            Loss(by="thief", of="nothing"),  # it pays for no certificate that it has not sold
            Loss(by="nobody", of="nothing"),
        ),
    },
)


class Certificate(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"
):
    """The broker's word for a set of tokens."""

    broker: str
    currency: str
    expires_at_s: int
    first_order: int
    """Order number of the first token: they continue over a payer's certificates."""
    key_id: str
    """Which of the broker's keys signed."""
    length: int
    """How many tokens there are."""
    public_key: str
    """The payer's, Ed25519, base64url."""
    root: str
    """Merkle root over the segments, 32 bytes, base64url."""
    segment: int
    """Tokens in a segment; the last one has what is left."""
    serial: str
    """Pseudonym of the payer, and what a revocation list names."""
    sig: str
    """The broker's, base64url."""
    unit_micro: int
    """What a token is worth."""
    vendor: str
    """The one vendor who takes these (specific mode); empty for all (generic mode)."""

    def __post_init__(self) -> None:
        """`Unfit` for numbers out of range."""
        if not 0 < self.segment <= self.length <= chain.LENGTH_MAX:
            raise Unfit("length_out_of_range", f"a certificate has 1 to {chain.LENGTH_MAX} tokens")
        if self.segments > SEGMENTS_MAX:
            raise Unfit("segment_count_out_of_range", f"at most {SEGMENTS_MAX} segments")
        if not 0 < self.unit_micro <= PAYMENT_MICRO_MAX:
            raise Unfit("unit_out_of_range", "a token is worth 1 micro-unit and more")
        if not 0 < self.first_order <= codec.JSON_INT_MAX - self.length:
            raise Unfit("order_out_of_range", "order numbers count from 1")
        if not 0 < self.expires_at_s <= codec.JSON_INT_MAX:
            raise Unfit("expiry_out_of_range", "a certificate ends at a time in unix seconds")

    def signed(self) -> bytes:
        """The bytes under `sig`."""
        return codec.enc(
            CERTIFICATE_TAG,
            self.broker,
            self.currency,
            self.expires_at_s,
            self.first_order,
            self.key_id,
            self.length,
            self.public_key,
            self.root,
            self.segment,
            self.serial,
            self.unit_micro,
            self.vendor,
        )

    @property
    def segments(self) -> int:
        """How many segments there are."""
        return -(-self.length // self.segment)

    @property
    def worth_micro(self) -> int:
        """The value of all tokens."""
        return self.length * self.unit_micro

    def tokens_in(self, segment: int) -> int:
        """How many tokens a segment has, counted from 0."""
        return min(self.segment, self.length - segment * self.segment)


class Opening(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"
):
    """The payer's word that these segments are used at one vendor."""

    certificate: Certificate
    path: tuple[str, ...]
    """What the roots lack to the certificate's root: 32 bytes each, base64url."""
    roots: tuple[str, ...]
    """The roots of the segments, 16 bytes each, base64url."""
    segments: tuple[int, ...]
    """Which, rising, counted from 0."""
    sig: str
    """The payer's, base64url."""
    time_s: int
    vendor: str

    def __post_init__(self) -> None:
        """`Unfit` for segments that are not there, not in order, or too scattered."""
        if not 0 < len(self.segments) == len(self.roots) <= OPENED_MAX:
            raise Unfit("opened_out_of_range", f"an opening has 1 to {OPENED_MAX} segments")
        if list(self.segments) != sorted(set(self.segments)) or self.segments[0] < 0:
            raise Unfit("segments_not_canonical", "segments rise, each once")
        if len(self.path) > PATH_MAX:
            raise Unfit("path_too_long", f"at most {PATH_MAX} hashes: open segments in a row")
        if self.segments[-1] >= self.certificate.segments:
            raise Unfit("segment_unknown", "the certificate has no such segment")
        if not 0 <= self.time_s <= codec.JSON_INT_MAX:
            raise Unfit("time_out_of_range", "an opening has a time in unix seconds")

    def signed(self) -> bytes:
        """The bytes under `sig`."""
        return opening_of(self.certificate.serial, self.vendor, self.time_s, self.segments)

    def root_of(self, segment: int) -> bytes:
        """The root of one of its segments, 16 bytes."""
        text = self.roots[self.segments.index(segment)]
        return codec.unb64u(text, size_bytes=chain.WORD_BYTES)


def opening_of(serial: str, vendor: str, time_s: int, segments: tuple[int, ...]) -> bytes:
    """What a payer signs who opens these segments for this vendor."""
    return codec.enc(OPEN_TAG, serial, vendor, time_s, *segments)


Token = tuple[int, int, str]
"""(segment, position in it, token in base64url): the token's order number is
`first_order + segment * L + position - 1`."""


@lru_cache(maxsize=CHAINS_CACHED)
def counter_id(serial: str, segment: int) -> bytes:
    """The mark of one segment, at the gate and at the broker."""
    return b"agent" + serial.encode() + segment.to_bytes(4, "big")


@lru_cache(maxsize=CHAINS_CACHED)
def revoked_key(serial: str) -> bytes:
    """Where the list names a certificate, at the broker and at every gate."""
    return REVOKED_PREFIX + serial.encode()


def salt_of(serial: str, segment: int) -> bytes:
    """The salt of a segment's chain, 16 bytes: public, and its own."""
    return hashlib.sha256(codec.enc(SALT_TAG, serial, segment)).digest()[: chain.SALT_BYTES]


def seed_of(seed: bytes, serial: str, segment: int) -> bytes:
    """The last token of a segment out of the seed of all, 16 bytes."""
    return hashlib.sha256(codec.enc(SEED_TAG, seed, serial, segment)).digest()[: chain.WORD_BYTES]


def leaf_of(serial: str, segment: int, root: bytes, tokens: int) -> bytes:
    """What the Merkle tree has of a segment, 32 bytes."""
    return hashlib.sha256(codec.enc(SEGMENT_TAG, serial, segment, root, tokens)).digest()


def roots_of(seed: bytes, serial: str, length: int, segment: int) -> list[bytes]:
    """The root of every segment out of the seed of all: one hash a token."""
    return [
        chain.root_of(
            salt_of(serial, number),
            seed_of(seed, serial, number),
            min(segment, length - number * segment),
        )
        for number in range(-(-length // segment))
    ]


def leaves_of(serial: str, roots: list[bytes], length: int, segment: int) -> list[bytes]:
    """The leaves over these roots."""
    return [
        leaf_of(serial, number, root, min(segment, length - number * segment))
        for number, root in enumerate(roots)
    ]


def require_vouched(certificate: Certificate, broker_id: str, currency: str) -> None:
    """`Forged` for a certificate of another broker or currency."""
    if certificate.broker != broker_id or certificate.currency != currency:
        raise Forged("certificate_of_another_broker", f"pay with a certificate of {broker_id}")


def require_current(certificate: Certificate, now_s: int) -> None:
    """`Expired` after its end and the skew of clocks."""
    if now_s > certificate.expires_at_s + SKEW_S:
        raise Expired("certificate_expired", "get fresh tokens from the broker")


def verify_certificate(certificate: Certificate, ring: Ring) -> None:
    """`Forged` unless the broker's key that it names, which `ring` holds, signed it."""
    key = ring.find(CERTIFICATE_KEY, certificate.key_id)
    if key is None:
        raise Forged("certificate_key_unknown", "no key of the broker has this name")
    _verify_signed(key.public, certificate.signed(), certificate.sig)


@lru_cache(maxsize=4096)  # payers come back with the same certificate; a refusal is not kept
def _verify_signed(public: bytes, signed: bytes, sig: str) -> None:
    signing.verify(public, signed, codec.unb64u(sig, size_bytes=64))


def verify_opening(opening: Opening) -> None:
    """`Forged` unless its payer signed it, and its segments are under the certificate's root."""
    certificate = opening.certificate
    public = codec.unb64u(certificate.public_key, size_bytes=32)
    signing.verify(public, opening.signed(), codec.unb64u(opening.sig, size_bytes=64))
    leaves = {
        segment: leaf_of(
            certificate.serial, segment, opening.root_of(segment), certificate.tokens_in(segment)
        )
        for segment in opening.segments
    }
    root = codec.unb64u(certificate.root, size_bytes=merkle.DIGEST_BYTES)
    path = [codec.unb64u(text, size_bytes=merkle.DIGEST_BYTES) for text in opening.path]
    merkle.verify(root, certificate.segments, leaves, path)
