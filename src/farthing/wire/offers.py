"""What the gate and the wallet exchange with a dialect: tender, credential, receipt."""

import hashlib
from functools import lru_cache
from typing import Literal

import msgspec

from farthing import codec
from farthing.schemes.contract import Dialect, Json, Offer, Settlement

TARGET_BYTES_MAX = 200  # a longer target is bound by its hash, to keep `opaque` small
CHALLENGE_LIFE_S = 300  # how long an offer stands
CREDENTIAL_BYTES_MAX = 16 * 1024  # encoded; k-way coins need more than the draft's 4 KiB
OFFERS_MAX = 8  # in one 402
TARGETS_CACHED = 4096  # of the requests of late: each is asked for several times


@lru_cache(maxsize=TARGETS_CACHED)
def target_of(method: str, path_query: str) -> str:
    """`GET /a?b`, or `GET sha256:<hash of path and query>` where that is longer than 200 bytes."""
    plain = f"{method} {path_query}"
    if len(plain.encode()) <= TARGET_BYTES_MAX:
        return plain
    return f"{method} sha256:{codec.b64u(hashlib.sha256(path_query.encode()).digest())}"


class Tender(msgspec.Struct, frozen=True, kw_only=True):
    """Offers for one request: what a 402 carries, in whatever dialects."""

    offers: tuple[Offer, ...]
    """In the vendor's order of preference."""
    realm: str
    """Public host of the site."""
    url: str
    """Absolute URL of the resource."""
    target: str
    """See `target_of`."""
    expires_at_s: int
    body_digest: bytes = b""
    """SHA-256 of the request body where the gate saw it."""
    description: str = ""
    mime_type: str = ""


class Received(msgspec.Struct, frozen=True, kw_only=True):
    """One offer as a wallet received it, with what its dialect needs to answer."""

    dialect: Dialect
    offer: Offer
    realm: str
    target: str
    """Empty where the dialect does not say; then the wallet makes its own."""
    expires_at_s: int
    echo: Json
    """The dialect's own object, echoed unchanged in the credential."""
    body_digest: bytes = b""
    site: str = ""
    """Origin, as in `https://news.example`, where the dialect says so (x402)."""


class Credential(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A payment and what it answers, checked as far as the dialect goes."""

    dialect: Dialect
    k: str
    """The key K of the payment (wire format, section 8)."""
    named: bool = True
    """Whether K is a name that only this payment has; else what it consists of makes it."""
    wire_name: str
    """The scheme's wire name."""
    variant: str
    """`terms.variant` of the echoed offer, or empty."""
    payload: bytes
    """The scheme's payment, canonical JSON."""
    offer: Offer | None = None
    """The offer that this answers, where the dialect proves it (MPP); else the gate matches."""
    echo: Json = None
    """What the payer says it accepted (x402: the requirements)."""
    challenge_id: str = ""
    source: str = ""
    expires_at_s: int = 0
    """When the offer is over, unix seconds; 0 in x402 where the gate still makes it."""
    body_digest: bytes = b""
    """SHA-256 of the body that the offer was made for; empty where it binds none."""

    def __repr__(self) -> str:
        """Dialect, scheme and key only: a payload may be worth money."""
        return f"Credential({self.dialect}, {self.wire_name}, {self.k[:12]})"


class Receipt(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The vendor's answer to a payment; dialects write it into their own places."""

    receipt_id: str
    wire_name: str
    reference: str
    challenge_id: str
    """Empty in x402."""
    k: str
    issued_at_s: int
    amount_micro: int
    currency: str
    vendor_id: str
    broker_id: str
    settlement: Settlement
    guarantor: Literal["broker", "vendor", "none"] = "broker"
    redeem_by_s: int = 0
    external_id: str = ""
    payer: str = ""
    change: Json = None
    released: Json = None
    sig: str = ""
    """`ed25519:…` or `mac:…` over the RFC 8785 form of the receipt without `sig`."""
