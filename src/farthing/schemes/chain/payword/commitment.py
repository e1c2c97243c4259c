"""What PayWord signs: the payer's certificate (by the broker) and the commitment (by the payer).

Notation of the paper: `C_P = Sig_B{B, P, A_P, PK_P, E, I_P}`, `M = Sig_P{V, C_P, w_0, D, I_M}`.
Ours: P is a pseudonym that only the broker can open; A_P (a delivery address) is left out, since
nothing physical is delivered; I_M carries the salt and one (denomination, length, root) per chain.
Several commitments to one vendor and day share the credit limit by slots: each slot is an eighth of
it and may be used by one commitment only, so no sum has to be kept anywhere (ours).
"""

import hashlib

import msgspec

from farthing import codec
from farthing.crypto import chain, signing
from farthing.errors import Expired, Forged, NotYetValid, Overlimit, Unfit
from farthing.money import PAYMENT_MICRO_MAX
from farthing.schemes.contract import Ring, Traits
from farthing.schemes.losses import Loss

DAY_S = 86_400
SKEW_S = 120  # clocks of payer, vendor and broker may differ by this, at both ends of a day
DISPUTE_S = 30 * DAY_S
SUBMIT_S = DAY_S  # how long after its day a commitment may still be redeemed
CERTIFICATE_LIFE_S = 30 * DAY_S  # about a month, as in the paper
CHAINS_MAX = 4  # denominations under one commitment
SLOTS = 8  # equal parts of a day's credit: a page's parallel requests each open a chain
LIMIT_MICRO_MAX = 10**9  # of one certificate: credit per vendor and day

CERTIFICATE_TAG = "farthing/payword/certificate/1"
COMMITMENT_TAG = "farthing/payword/commitment/1"
CERTIFICATE_KEY = CERTIFICATE_TAG  # purpose of the broker's key; its id is the broker's

REVOKED_PREFIX = b"payword/revoked/"

TRAITS = Traits(
    name="payword",
    wire="payword",
    title="PayWord",
    source="Rivest & Shamir 1996",
    issuer="broker",
    credit=True,
    needs_list=False,
    latest="batch",
    losses={
        "payer": (
            Loss(by="vendor", of="price"),
            Loss(by="broker", of="float"),
            Loss(by="thief", of="limit"),
            Loss(by="nobody", of="nothing"),
        ),
        "vendor": (
            Loss(by="payer", of="nothing"),  # it takes no commitment above the limit
            Loss(by="broker", of="unclaimed"),
            Loss(by="nobody", of="nothing"),
        ),
        "broker": (
            Loss(by="payer", of="limit"),
            Loss(by="vendor", of="nothing"),
            Loss(by="thief", of="certified"),
            Loss(by="nobody", of="nothing"),
        ),
    },
)


class Certificate(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"
):
    """The broker's word for a payer."""

    broker: str
    currency: str
    expires_at_s: int
    key_id: str
    """Which of the broker's keys signed."""
    limit_micro: int
    """Credit for each vendor and day."""
    payer: str
    """Pseudonym."""
    public_key: str
    """Ed25519, base64url."""
    serial: str
    """What a hot list names."""
    sig: str
    """The broker's, base64url."""

    def __post_init__(self) -> None:
        """`Unfit` for a limit or an expiry out of range."""
        if not 0 < self.limit_micro <= LIMIT_MICRO_MAX:
            raise Unfit("limit_out_of_range", f"a limit is 1 to {LIMIT_MICRO_MAX} micro-units")
        if not 0 < self.expires_at_s <= codec.JSON_INT_MAX:
            raise Unfit("expiry_out_of_range", "a certificate ends at a time in unix seconds")

    def signed(self) -> bytes:
        """The bytes under `sig`."""
        return codec.enc(
            CERTIFICATE_TAG,
            self.broker,
            self.currency,
            self.expires_at_s,
            self.key_id,
            self.limit_micro,
            self.payer,
            self.public_key,
            self.serial,
        )


class Commitment(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"
):
    """The payer's promise to one vendor for one day."""

    certificate: Certificate
    chains: tuple[tuple[int, int, str], ...]
    """(denomination in micro-units, length in links, root in base64url), denominations rising."""
    day: int
    """Days since 1970-01-01, UTC."""
    salt: str
    """16 bytes, base64url."""
    sig: str
    """The payer's, base64url."""
    slots: tuple[int, int]
    """(first, count) of the `SLOTS` equal parts of the day's credit that this takes up."""
    vendor: str

    def __post_init__(self) -> None:
        """`Unfit` for chains out of range."""
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
        first, count = self.slots
        if not (0 <= first < SLOTS and 1 <= count <= SLOTS - first):
            raise Unfit("slots_out_of_range", f"a day's credit has {SLOTS} slots")
        if not 0 <= self.day <= codec.JSON_INT_MAX // DAY_S - 1:
            raise Unfit("day_out_of_range", "a day is counted from 1970")

    def signed(self) -> bytes:
        """The bytes under `sig`."""
        fields: list[bytes | str | int] = [
            COMMITMENT_TAG,
            self.vendor,
            self.certificate.serial,
            self.certificate.sig,
            self.day,
            self.salt,
            *self.slots,
        ]
        for denomination, length, root in self.chains:
            fields += [denomination, length, root]
        return codec.enc(*fields)

    @property
    def id(self) -> str:
        """What stands for the commitment in later payments: 16 bytes, base64url."""
        return codec.b64u(hashlib.sha256(self.signed()).digest()[:16])

    @property
    def worth_micro(self) -> int:
        """The value of every word of every chain."""
        return sum(denomination * length for denomination, length, _ in self.chains)

    @property
    def share_micro(self) -> int:
        """The credit that the slots stand for."""
        return self.certificate.limit_micro * self.slots[1] // SLOTS

    @property
    def taken_slots(self) -> range:
        """The slots by number."""
        return range(self.slots[0], self.slots[0] + self.slots[1])

    @property
    def ends_at_s(self) -> int:
        """When day D ends, unix seconds."""
        return (self.day + 1) * DAY_S


Link = tuple[int, int, str]
"""(denomination, index, word in base64url), as it travels."""


def counter_id(commitment_id: str, denomination: int) -> bytes:
    """The mark of one chain, at the gate and at the broker."""
    return b"payword" + commitment_id.encode() + denomination.to_bytes(8, "big")


def revoked_key(serial: str) -> bytes:
    """Where the hot list names a certificate, at the broker and at every gate."""
    return REVOKED_PREFIX + serial.encode()


def verify_certificate(certificate: Certificate, ring: Ring, now_s: int) -> None:
    """`Expired`; `Forged` unless the broker's key that it names, which `ring` holds, signed it.

    The name makes rotation easy: a vendor's ring holds public halves only, so none is "current".
    """
    if now_s > certificate.expires_at_s + SKEW_S:
        raise Expired("certificate_expired", "get a fresh certificate from the broker")
    key = ring.find(CERTIFICATE_KEY, certificate.key_id)
    if key is None:
        raise Forged("certificate_key_unknown", "no key of the broker has this name")
    signing.verify(key.public, certificate.signed(), codec.unb64u(certificate.sig, size_bytes=64))


def verify_commitment(commitment: Commitment) -> None:
    """`Overlimit` above the credit of its slots; `Forged` unless its payer signed it."""
    if commitment.worth_micro > commitment.share_micro:
        raise Overlimit("commitment_above_limit", "shorter chains, or more slots of the credit")
    public = codec.unb64u(commitment.certificate.public_key, size_bytes=32)
    signing.verify(public, commitment.signed(), codec.unb64u(commitment.sig, size_bytes=64))


def require_day(commitment: Commitment, now_s: int) -> None:
    """`NotYetValid` before day D less the skew, `Expired` after it."""
    if now_s < commitment.day * DAY_S - SKEW_S:
        raise NotYetValid("commitment_not_yet_valid", "its day has not begun; is the clock right?")
    if now_s > commitment.ends_at_s + SKEW_S:
        raise Expired("commitment_expired", "commit anew: a commitment is for one day")


def require_vouched(commitment: Commitment, broker_id: str, currency: str) -> None:
    """`Forged` for a certificate of another broker or currency."""
    certificate = commitment.certificate
    if certificate.broker != broker_id or certificate.currency != currency:
        raise Forged("certificate_of_another_broker", f"pay with a certificate of {broker_id}")
