"""The broker's word for a payer (C_P of PayWord), and the names of each member of the family.

Notation of the paper: `C_P = Sig_B{B, P, A_P, PK_P, E, I_P}`. Ours: P is a pseudonym that only the
broker can open; A_P (a delivery address) is left out, since nothing physical is delivered.
"""

import msgspec

from farthing import codec
from farthing.crypto import signing
from farthing.errors import Expired, Forged, Unfit, WrongVendor
from farthing.schemes.chain.times import DAY_S, DISPUTE_S, SKEW_S
from farthing.schemes.contract import Ring

SUBMIT_S = DAY_S  # how long after its day a pledge may still be redeemed
CERTIFICATE_LIFE_S = 30 * DAY_S  # about a month, as in the paper
LIMIT_MICRO_MAX = 10**9  # of one certificate: credit per vendor and day


class Family(msgspec.Struct, frozen=True, kw_only=True):
    """The names under which one member lives."""

    tag: str
    """Its registry name: its counters and records begin with it, its domain tags have it."""
    domain_name: str = ""
    """What its domain tags have instead, where that is another name."""
    short: str
    """What ids of its instruments and references of its payments begin with."""

    def domain(self, message: str) -> str:
        """The domain tag of one kind of message."""
        return f"farthing/{self.domain_name or self.tag}/{message}/1"

    @property
    def certificate_key(self) -> str:
        """Purpose of the broker's key that signs certificates: their domain tag."""
        return self.domain("certificate")

    @property
    def revoked_prefix(self) -> bytes:
        """Where the hot list is, at the broker and at every gate."""
        return f"{self.tag}/revoked/".encode()

    @property
    def conflict_prefix(self) -> bytes:
        """Where the broker keeps what a payer has signed twice (`contradictions.py`)."""
        return f"{self.tag}/conflict/".encode()

    def revoked_key(self, serial: str) -> bytes:
        """Where the hot list names a certificate."""
        return self.revoked_prefix + serial.encode()

    def prepaid_key(self, serial: str) -> bytes:
        """Where the broker keeps what lies ready for a certificate."""
        return f"{self.tag}/prepaid/{serial}".encode()


class Certificate(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    omit_defaults=True,
    rename="camel",
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
    vendor: str = ""
    """Where the limit is prepaid: the one vendor that is paid with it, on the day at whose end it
    expires. Empty: it is credit."""

    def __post_init__(self) -> None:
        """`Unfit` for a limit or an expiry out of range."""
        if not 0 < self.limit_micro <= LIMIT_MICRO_MAX:
            raise Unfit("limit_out_of_range", f"a limit is 1 to {LIMIT_MICRO_MAX} micro-units")
        if not 0 < self.expires_at_s <= codec.JSON_INT_MAX:
            raise Unfit("expiry_out_of_range", "a certificate ends at a time in unix seconds")

    @property
    def kept_until_s(self) -> int:
        """How long the broker knows whose it is."""
        return self.expires_at_s + SUBMIT_S + DISPUTE_S

    def signed(self, family: Family) -> bytes:
        """The bytes under `sig`: one member's certificate is no other's."""
        prepaid = (self.vendor,) if self.vendor else ()
        return codec.enc(
            family.certificate_key,
            self.broker,
            self.currency,
            self.expires_at_s,
            self.key_id,
            self.limit_micro,
            self.payer,
            self.public_key,
            self.serial,
            *prepaid,
        )

    def require_for(self, vendor_id: str, day: int) -> None:
        """`WrongVendor`, `Expired` for what is prepaid for another vendor or day."""
        if self.vendor and self.vendor != vendor_id:
            raise WrongVendor("prepaid_for_another_vendor", "it was prepaid for another vendor")
        if self.vendor and self.expires_at_s != (day + 1) * DAY_S:
            raise Expired("prepaid_for_another_day", "what is prepaid is for one day")

    def verify(self, family: Family, ring: Ring, now_s: int) -> None:
        """`Expired`; `Forged` unless the broker's key that it names, of `ring`, signed it.

        The name makes rotation easy: a vendor's ring holds public halves only, none is "current".
        """
        if now_s > self.expires_at_s + SKEW_S:
            raise Expired("certificate_expired", "get a fresh certificate from the broker")
        key = ring.find(family.certificate_key, self.key_id)
        if key is None:
            raise Forged("certificate_key_unknown", "no key of the broker has this name")
        signing.verify_again(key.public, self.signed(family), codec.unb64u(self.sig, size_bytes=64))

    def require_of(self, broker_id: str, currency: str) -> None:
        """`Forged` for a certificate of another broker or currency."""
        if self.broker != broker_id or self.currency != currency:
            raise Forged("certificate_of_another_broker", f"pay with a certificate of {broker_id}")
