"""A coin of NetCash: the broker's signature over a serial, a worth, and who may take it when.

``sig = Ed25519(B, "farthing/netcash/coin/1", broker, currency, end, key id, payer, t2, serial, V,
t1, worth)``. Until t1 only the vendor V takes it, until t2 only whoever has the secret of the key
`payer`, and then anybody who has the coin. A coin without windows is anybody's from the first.

A payment is a coin with ``Ed25519(P, "farthing/netcash/payment/1", V, target, body digest,
serial)``, so who overhears one buys no other page with it. In the paper the windows are three coins
of one serial, in envelopes of their own; here they are fields of one (ours).
"""

import msgspec

from farthing import codec
from farthing.crypto import signing
from farthing.errors import Expired, Forged, Unfit, WrongPayer, WrongVendor
from farthing.ids import require_name
from farthing.schemes.contract import Ring, Traits
from farthing.schemes.losses import Loss

DAY_S = 86_400
SKEW_S = 120  # clocks of payer, vendor and broker may differ by this
SUBMIT_S = DAY_S  # how long after the last payment with a coin its vendor may still claim it
GRACE_S = 30 * DAY_S  # how long after its end a coin is still exchanged
DISPUTE_S = 30 * DAY_S  # how long the broker still knows who took a coin that has ended
COIN_LIFE_S = 30 * DAY_S  # and the rest of its first day
PAYS_S = 3_600  # a coin pays its vendor for an hour: what is not paid comes back a day later
PAYER_WINDOW_S = 7 * DAY_S  # a wallet that is opened once a week gets back what a vendor left
COIN_MICRO_MAX = 10**9
SERIAL_BYTES, PUBLIC_BYTES = 16, 32
SERIAL_CHARS, PUBLIC_CHARS = 22, 43  # of these in base64url

COIN_KEY = "farthing/netcash/coin/1"
PAYMENT_TAG = "farthing/netcash/payment/1"
OUTCOME_TAG = "farthing/netcash/outcome/1"

TRAITS = Traits(
    name="netcash",
    wire="netcash",
    title="NetCash",
    source="Medvinsky & Neuman 1993",
    issuer="broker",
    credit=False,
    resold=True,
    needs_list=False,
    latest="batch",
    losses={
        "payer": (
            Loss(by="vendor", of="price"),
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
            Loss(by="thief", of="nothing"),
            Loss(by="peer", of="deposit"),
            Loss(by="nobody", of="nothing"),
        ),
    },
)


class Coin(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """One coin, whole or on its way to a vendor."""

    broker: str
    currency: str
    expires_at_s: int
    key_id: str
    """Which of the broker's keys signed."""
    payer: str
    """Public key of the payer's window, Ed25519 in base64url; empty where there are no windows."""
    payer_until_s: int
    """t2; 0 where there are no windows."""
    serial: str
    """16 bytes, base64url."""
    sig: str
    """The broker's, base64url."""
    vendor: str
    """V; empty where there are no windows."""
    vendor_until_s: int
    """t1; 0 where there are no windows."""
    worth_micro: int

    def __post_init__(self) -> None:
        """`Unfit` for a worth, a name or a time out of range."""
        require_worth(self.worth_micro)
        require_window(self.payer, self.vendor)
        ends = (self.vendor_until_s, self.payer_until_s, self.expires_at_s)
        in_order = 0 < ends[0] < ends[1] <= ends[2] if self.vendor else ends[:2] == (0, 0)
        if not in_order or not 0 < self.expires_at_s <= codec.JSON_INT_MAX:
            raise Unfit(
                "windows_out_of_order", "the vendor's is first, and both are before the end"
            )
        if len(self.serial) != SERIAL_CHARS:
            raise Unfit("serial_malformed", f"a serial is {SERIAL_CHARS} characters of base64url")

    @property
    def pays_until_s(self) -> int:
        """The last second, by the broker's clock, in which it pays its vendor for a page."""
        return self.vendor_until_s - SUBMIT_S - SKEW_S

    def signed(self) -> bytes:
        """The bytes under `sig`."""
        return codec.enc(
            COIN_KEY,
            self.broker,
            self.currency,
            self.expires_at_s,
            self.key_id,
            self.payer,
            self.payer_until_s,
            self.serial,
            self.vendor,
            self.vendor_until_s,
            self.worth_micro,
        )

    def require_of(self, broker_id: str, currency: str) -> None:
        """`Forged` for a coin of another broker, or of another currency."""
        if (self.broker, self.currency) != (broker_id, currency):
            raise Forged("coin_of_another_broker", f"pay with coins of {broker_id}")

    def verify(self, ring: Ring, broker_id: str, currency: str) -> None:
        """`Forged` unless this broker's key signed it, of which this ring has all."""
        self.require_of(broker_id, currency)
        key = ring.find(COIN_KEY, self.key_id)
        if key is None:
            raise Forged("coin_key_unknown", "no key of the broker has this name")
        signing.verify(key.public, self.signed(), codec.unb64u(self.sig, size_bytes=64))

    def require_vendor(self, vendor_id: str, now_s: int) -> None:
        """Whether this vendor takes it now; `WrongVendor`, `WrongPayer`, `Expired`."""
        if now_s <= self.vendor_until_s:
            if self.vendor != vendor_id:
                raise WrongVendor("coin_of_another_vendor", "a vendor takes its own coins only")
        elif now_s <= self.payer_until_s:
            raise WrongPayer("coin_is_its_payers", "the vendor's window is over")
        self.require_unended(now_s)

    def require_holder(self, statement: bytes, sig: str, now_s: int) -> None:
        """Whether a holder takes it now; `WrongVendor`, `WrongPayer`, `Expired`.

        `sig` is the payer's over `statement`; from t2 on it may be left out.
        """
        if now_s <= self.vendor_until_s:
            raise WrongVendor("coin_is_its_vendors", "it is yours when the vendor's window is over")
        if now_s <= self.payer_until_s or (self.payer and sig):
            try:
                signing.verify(self.public, statement, codec.unb64u(sig, size_bytes=64))
            except Forged:
                raise WrongPayer("coin_is_its_payers", "its payer's key signs for it") from None
        elif sig:
            raise Unfit("signature_unasked", "nobody signs for a coin without windows")
        self.require_unended(now_s)

    def require_unended(self, now_s: int) -> None:
        """`Expired` when nothing is given for it any more."""
        if now_s > self.expires_at_s + GRACE_S:
            raise Expired("coin_expired", "a coin is exchanged until thirty days after its end")

    @property
    def public(self) -> bytes:
        """The payer's public key, 32 bytes; `Malformed` for one that is none."""
        return codec.unb64u(self.payer, size_bytes=PUBLIC_BYTES)

    def __repr__(self) -> str:
        """Worth and vendor only: a coin is money."""
        return f"Coin({self.worth_micro}, {self.vendor or 'anybody'})"


def require_worth(worth_micro: int) -> None:
    """`Unfit` for what no coin is worth."""
    if not 0 < worth_micro <= COIN_MICRO_MAX:
        raise Unfit("worth_out_of_range", f"a coin is worth 1 to {COIN_MICRO_MAX} micro-units")


def require_window(payer: str, vendor: str) -> None:
    """`Unfit`, `OutOfRange`: both are named, as they should be, or neither."""
    if bool(payer) != bool(vendor) or len(payer) not in {0, PUBLIC_CHARS}:
        raise Unfit("windows_incomplete", "windows have a vendor and a payer's key")
    if vendor:
        require_name(vendor)


def end_of(now_s: int) -> int:
    """When a coin of now ends: with its day, so that coins of one day are not told by their end."""
    return (now_s // DAY_S + 1) * DAY_S + COIN_LIFE_S


def payment_statement(coin: Coin, target: str, body_digest: bytes) -> bytes:
    """What the payer signs to pay for a request."""
    return codec.enc(PAYMENT_TAG, coin.vendor, target, body_digest, coin.serial)


def mark_id(serial: str) -> bytes:
    """The mark of a coin at the gate."""
    return b"netcash" + serial.encode()
