"""Scrip: its fields, its certificate, and every key that MilliCent derives.

Notation (keyed BLAKE2b, the tag is the first encoded field)::

    series      = serial >> 24                    2^24 serials share one master scrip secret
    k_scrip     = ring, licence or own key of the series
    k_payer     = ring key of payer_id >> 48      one master payer secret for 2^48 payers
    certificate = mac16(k_scrip, scrip/1, vendor, currency, value, serial, payer, expires, props)
    secret      = mac32(k_payer, secret/1, vendor, payer)         goes to the payer once, encrypted
    k_sig, k_p2v, k_v2p, k_receipt = mac32(secret, <tag>)
    request_sig = mac16(k_sig, request/1, vendor, target, body_digest, certificate, nonce)

The currency is a field of its own (ours), and the certificate stands for the whole scrip inside
the request signature, because it covers every other field.
"""

import binascii
import struct
from functools import lru_cache
from hashlib import blake2b

import msgspec

from farthing import codec, props
from farthing.crypto.mac import mac
from farthing.errors import Expired, Misconfigured, Unfit
from farthing.marks import Once
from farthing.schemes.contract import Json, Traits
from farthing.schemes.losses import Loss

SERIES_BITS = 24  # 16.7 million serials a series
SERIES_SIZE = 1 << SERIES_BITS
SERIES_DIGITS = 10  # hex digits of a serial that name its series
PAYER_RANGE_BITS = 48  # the random part of a payer_id; the 16 bits above select a range
SCRIP_MICRO_MAX = 5_000_000  # 5 units of currency: the largest piece
LARGER_MAX = 10  # a piece from a warehouse is worth at most so many times what was ordered
DAY_S = 86_400
SKEW_S = 120  # clocks of payer and vendor may differ by this
GRACE_S = 30 * 86_400  # how long expired scrip may still be exchanged
DISPUTE_S = 30 * 86_400
MARKED_S = max(SKEW_S + DISPUTE_S, GRACE_S)  # how long after its end a serial stays used up
LIFE_S = 30 * 86_400  # of new scrip; from 7 to 30 days is usual
SECRETS_CACHED = 65_536  # derived payer keys a process keeps: 32 bytes each
SERIES_CACHED = 256  # keys of series, of which a vendor takes a few
TARGETS_CACHED = 4_096  # requests whose encoding is remembered: some 200 bytes each

SCRIP_TAG = "farthing/millicent/scrip/1"
SECRET_TAG = "farthing/millicent/secret/1"
SIGN_TAG = "farthing/millicent/sign/1"
RECEIPT_TAG = "farthing/millicent/receipt/1"
REQUEST_TAG = "farthing/millicent/request/1"
BURN_TAG = "farthing/millicent/burn/1"

# Purposes of keys in a ring. Ids are the series as 10 hex digits, the payer range as 4.
OWN_SERIES = SCRIP_TAG
LICENSED_SERIES = "farthing/millicent/licence/1"
PAYER_RANGE = SECRET_TAG
BURN_KEY = BURN_TAG  # shared by vendor and broker; its id is the vendor's
STOCK_SERIES = "farthing/millicent/stock/1"  # of scrip that the vendor mints for a warehouse
STOCK_BIT = 1 << 39  # the top bit of a series: its scrip, and all change of it, was paid up front

PROTOCOLS = ("signed", "clear", "private")  # C, A and B of the paper

TRAITS = Traits(
    name="millicent",
    wire="millicent",
    title="MilliCent",
    source="Glassman, Manasse, Abadi, Gauthier, Sobalvarro 1995",
    issuer="broker",
    credit=False,
    resold=True,
    needs_list=False,
    latest="batch",
    props=True,
    losses={
        "payer": (
            Loss(by="vendor", of="held"),  # it is that vendor's money: it may refuse it, too
            Loss(by="broker", of="float"),
            Loss(by="thief", of="wallet"),
            Loss(by="nobody", of="nothing"),
        ),
        "vendor": (
            Loss(by="payer", of="nothing"),
            Loss(by="broker", of="unclaimed"),
            Loss(by="nobody", of="nothing"),
        ),
        "broker": (
            Loss(by="payer", of="nothing"),
            Loss(by="vendor", of="nothing"),
            Loss(by="thief", of="quota"),
            Loss(by="peer", of="deposit"),
            Loss(by="nobody", of="nothing"),
        ),
    },
)


class Scrip(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    omit_defaults=True,
    gc=False,
    rename={"expires_at_s": "expiresS", "value_micro": "valueMicro"},
):
    """One piece of scrip, as it travels. Without the payer's secret it buys nothing (B and C)."""

    cert: str
    """Certificate, 32 hex digits."""
    currency: str
    expires_at_s: int
    """Unix seconds."""
    payer: str
    """payer_id, 16 hex digits: a pseudonym that selects the payer's key."""
    props: str = ""
    """What the broker vouches for, `key=value;key=value`, keys rising; empty for nothing."""
    serial: str
    """16 hex digits, never reused."""
    value_micro: int
    vendor: str

    def __post_init__(self) -> None:
        """`Unfit` for a field outside its range or spelling."""
        # Twice for every payment: in line, and in full only for what is about to be refused.
        ids = self.serial + self.payer
        if len(self.serial) != 16 or len(ids) != 32 or not _is_hex(ids):
            require_ids(self.serial, self.payer)
        worth_is_sound = 0 < self.value_micro <= SCRIP_MICRO_MAX
        if not worth_is_sound or not 0 < self.expires_at_s <= codec.JSON_INT_MAX:
            require_worth(self.value_micro, self.expires_at_s)
        if self.props:
            props.read(self.props)

    def __repr__(self) -> str:
        """Serial and value only."""
        return f"Scrip({self.vendor}, {self.serial}, {self.value_micro})"

    @property
    def series(self) -> int:
        """The series of the serial."""
        return int(self.serial, 16) >> SERIES_BITS

    @property
    def is_stock(self) -> bool:
        """Whether it is of a warehouse's lineage (`STOCK_BIT`): it was paid up front."""
        return self.serial[0] >= "8"

    @property
    def series_id(self) -> str:
        """The series as keys and records name it: the first 40 bits of the serial."""
        return self.serial[:SERIES_DIGITS]


def _is_hex(digits: str) -> bool:
    """Whether these are hex digits in lower case, an even number of them."""
    try:
        return binascii.unhexlify(digits).hex() == digits
    except ValueError:
        return False


def require_ids(*ids: str) -> None:
    """`Unfit` unless each is 16 hex digits, lower case."""
    for text in ids:
        if len(text) != 16 or not _is_hex(text):
            raise Unfit("scrip_id_malformed", "serial and payer are 16 hex digits")


def require_worth(value_micro: int, expires_at_s: int) -> None:
    """`Unfit` for a value or an expiry that no piece of scrip has."""
    if not 0 < value_micro <= SCRIP_MICRO_MAX:
        raise Unfit("scrip_value_out_of_range", f"scrip is worth 1 to {SCRIP_MICRO_MAX} micro")
    if not 0 < expires_at_s <= codec.JSON_INT_MAX:
        raise Unfit("scrip_expiry_out_of_range")


def series_id(series: int) -> str:
    """A series as keys and records name it."""
    return f"{series:010x}"


def require_left(index: int) -> None:
    """`Misconfigured` where a series has no serial of this index."""
    if index >= SERIES_SIZE:
        raise Misconfigured("series_used_up", "make a new series: farthing vendor rotate change")


def serial_of(series: int, index: int) -> str:
    """The serial with this index in this series, as it travels."""
    return f"{series << SERIES_BITS | index:016x}"


def serial_in(series: str, index: int) -> str:
    """As `serial_of`, of a series that is named by its id."""
    return f"{series}{index:06x}"


_FIXED = struct.Struct(">IQI8sI8sIQI")  # value, serial, payer and expiry after their lengths


def certificate(
    k_scrip: bytes,
    vendor: str,
    currency: str,
    value_micro: int,
    serial: str,
    payer: str,
    expires_at_s: int,
    props: str,
) -> str:
    """The certificate over all other fields, 32 hex digits.

    The bytes are those of `codec.enc` with serial and payer as integers, written out because this
    runs twice for every payment.
    """
    packed = _FIXED.pack(
        8,
        value_micro,
        8,
        binascii.unhexlify(serial),
        8,
        binascii.unhexlify(payer),
        8,
        expires_at_s,
        len(props),
    )
    if props:
        packed += props.encode()
    begun = _certifying(k_scrip, vendor, currency).copy()
    begun.update(packed)
    return begun.hexdigest()


@lru_cache(maxsize=SERIES_CACHED)
def _certifying(k_scrip: bytes, vendor: str, currency: str) -> blake2b:
    """What begins every certificate of a series, made once."""
    return blake2b(codec.enc(SCRIP_TAG, vendor, currency), key=k_scrip, digest_size=16)


def mint_scrip(
    k_scrip: bytes,
    *,
    vendor: str,
    currency: str,
    value_micro: int,
    serial: str,
    payer: str,
    expires_at_s: int,
    props: str = "",
) -> Scrip:
    """A certified piece of scrip; `Unfit` for a value out of range."""
    cert = certificate(k_scrip, vendor, currency, value_micro, serial, payer, expires_at_s, props)
    return Scrip(
        cert=cert,
        currency=currency,
        expires_at_s=expires_at_s,
        payer=payer,
        props=props,
        serial=serial,
        value_micro=value_micro,
        vendor=vendor,
    )


def mint_change(k_scrip: bytes, old: Scrip, *, value_micro: int, serial: str) -> dict[str, Json]:
    """Change of `old` as it travels: a serial and a value of its own, the rest as it was.

    Its fields are those of a piece that was checked, so they are not checked again.
    """
    change: dict[str, Json] = {
        "cert": certificate(
            k_scrip,
            old.vendor,
            old.currency,
            value_micro,
            serial,
            old.payer,
            old.expires_at_s,
            old.props,
        ),
        "currency": old.currency,
        "expiresS": old.expires_at_s,
        "payer": old.payer,
        "serial": serial,
        "valueMicro": value_micro,
        "vendor": old.vendor,
    }
    if old.props:
        change["props"] = old.props
    return change


def payer_secret(k_payer: bytes, vendor: str, payer: str) -> bytes:
    """The 32 bytes that payer and vendor share; the vendor derives them, the payer is told once."""
    return mac(32, k_payer, SECRET_TAG, vendor, int(payer, 16))


@lru_cache(maxsize=SECRETS_CACHED)
def sign_key(secret: bytes) -> bytes:
    """k_sig of a payer's secret."""
    return mac(32, secret, SIGN_TAG)


@lru_cache(maxsize=SECRETS_CACHED)
def receipt_key(secret: bytes) -> bytes:
    """k_receipt of a payer's secret."""
    return mac(32, secret, RECEIPT_TAG)


@lru_cache(maxsize=TARGETS_CACHED)
def _request_head(vendor: str, target: str, body_digest: bytes) -> bytes:
    return codec.enc(REQUEST_TAG, vendor, target, body_digest)


def request_sig(
    k_sig: bytes, vendor: str, target: str, body_digest: bytes, cert: str, nonce: str
) -> str:
    """The request signature of protocol C, 32 hex digits.

    The bytes are those of `codec.enc`, written out as those of a certificate are.
    """
    head = _request_head(vendor, target, body_digest)
    raw_cert, raw_nonce = cert.encode(), nonce.encode()
    packed = b"%b%b%b%b%b" % (
        head,
        len(raw_cert).to_bytes(4, "big"),
        raw_cert,
        len(raw_nonce).to_bytes(4, "big"),
        raw_nonce,
    )
    return blake2b(packed, key=k_sig, digest_size=16).hexdigest()


def burn_sig(k_sig: bytes, cert: str, nonce: str, *, what: str = "order") -> str:
    """The payer's word that this piece may be burned, 32 hex digits.

    `what` is "order" for a cash-out and "renew" for an exchange against fresh scrip.
    """
    return mac(16, k_sig, BURN_TAG, what, cert, nonce).hex()


class Burn(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    rename={"expires_at_s": "expiresS", "value_micro": "valueMicro"},
):
    """The vendor's burn receipt: this serial is spent, credit its value to whoever carries this."""

    expires_at_s: int
    mac: str
    """16 bytes in hex under the key that vendor and broker share."""
    payer: str
    serial: str
    value_micro: int
    vendor: str

    def __post_init__(self) -> None:
        """`Unfit` for a field outside its range or spelling."""
        require_ids(self.serial, self.payer)
        require_worth(self.value_micro, self.expires_at_s)

    def __repr__(self) -> str:
        """Serial and value only: whoever carries the MAC is credited."""
        return f"Burn({self.vendor}, {self.serial}, {self.value_micro})"


def burn_mac(k_burn: bytes, burn: Burn) -> str:
    """The MAC over every other field of a burn receipt, 32 hex digits."""
    return mac(
        16,
        k_burn,
        BURN_TAG,
        burn.vendor,
        burn.serial,
        burn.payer,
        burn.value_micro,
        burn.expires_at_s,
    ).hex()


def fresh_expiry_s(now_s: int) -> int:
    """When scrip minted now expires: the end of a day, so that pools are few."""
    return (now_s + LIFE_S) // DAY_S * DAY_S + DAY_S


def require_current(scrip: Scrip, now_s: int) -> None:
    """`Expired` past expiry and skew."""
    if now_s > scrip.expires_at_s + SKEW_S:
        raise Expired("scrip_expired", "exchange it at the vendor within 30 days of its expiry")


def mark_of(scrip: Scrip) -> Once:
    """The single-use mark of a serial, kept as long as the scrip can be worth anything."""
    until_s = scrip.expires_at_s + MARKED_S
    return Once(id=b"millicent" + binascii.unhexlify(scrip.serial), until_s=until_s)
