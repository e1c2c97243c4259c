"""Refund: new scrip of the vendor for what a payment cost, and the price back to a pool.

The payment's own claim is not touched, since it may be on its way to the broker. The refund has a
claim of its own::

    claim  = mac16(mac32(k_burn, refund/1), refund/1, vendor, serial, value, expires)
    word   = mac16(k_sig, refunded/1, serial paid with, certificate, serial, value, expires)

The claim moves the value from what the vendor has earned to the pool of the new piece; the word is
for the payer, who cannot check a certificate. Scrip of a warehouse was paid up front: its refund
has no claim. Source: the paper's refunds, which it only names; the rest is ours.
"""

from hmac import compare_digest

import msgspec

from farthing import codec
from farthing.crypto.mac import mac, require_equal
from farthing.errors import Busy, Forged, OutOfRange, WrongVendor
from farthing.marks import Claim, Keys
from farthing.schemes.contract import At, Charged, End, Json, Key, Redeemed, Refund, Ring, Setting
from farthing.schemes.mac.millicent.draft import Draft
from farthing.schemes.mac.millicent.orders import pool_key, used_key
from farthing.schemes.mac.millicent.scrip import (
    DAY_S,
    OWN_SERIES,
    SKEW_S,
    STOCK_SERIES,
    TRAITS,
    Scrip,
    fresh_expiry_s,
    mark_of,
    mint_scrip,
    require_ids,
    require_left,
    require_worth,
    serial_of,
    sign_key,
)

REFUND_TAG = "farthing/millicent/refund/1"
REFUNDED_TAG = "farthing/millicent/refunded/1"
REFERENCE = "mc:"  # and the serial that was paid with: what a till calls a payment
MAC_BYTES = 16
AHEAD_S = 2 * DAY_S  # of a clock that is up to a day ahead, in whole days
ROW_PREFIX = b"millicent/refund/"  # of a refund's key in the outbox; the serial follows

_ENCODE = msgspec.json.Encoder().encode
_DECODE = msgspec.json.Decoder(tuple[str, int, int]).decode


class RefundBody(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    rename={"expires_at_s": "expiresS", "refund_micro": "refundMicro"},
):
    """What the vendor shows the broker for one refund."""

    expires_at_s: int
    """Expiry of the new piece: it names the pool that gets the value."""
    mac: str = ""
    """32 hex digits under the key that vendor and broker share; made when it is swept."""
    refund_micro: int
    """What the payment cost, and what the new piece is worth."""
    serial: str
    """Of the new piece."""
    vendor: str

    def __post_init__(self) -> None:
        """`Unfit` for a field outside its range or spelling."""
        require_ids(self.serial)
        require_worth(self.refund_micro, self.expires_at_s)


class Given(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the payer is told."""

    scrip: Scrip
    sig: str
    """The vendor's word, 32 hex digits."""


_BODIES, _GIVEN = codec.Reader(RefundBody), codec.Reader(Given)


# --- the vendor ---------------------------------------------------------------------------------


def series_key(ring: Ring, charged: Charged) -> Key:
    """The vendor's series for a refund, of the lineage of what was paid with."""
    is_stock = charged.reference.removeprefix(REFERENCE) >= "8"
    return ring.current(STOCK_SERIES if is_stock else OWN_SERIES)


def give(charged: Charged, setting: Setting, secret: bytes, at: At) -> Refund:
    """New scrip with the same payer_id and properties; `at` has its serial."""
    key = series_key(setting.ring, charged)
    require_left(at.serials[0])
    fresh = mint_scrip(
        key.secret,
        vendor=setting.vendor_id,
        currency=setting.currency,
        value_micro=charged.value_micro,
        serial=serial_of(int(key.id, 16), at.serials[0]),
        payer=charged.payer,
        # By a clock that is late: the broker refuses an expiry beyond that of its own new scrip.
        expires_at_s=fresh_expiry_s(at.now_s - SKEW_S),
        props=charged.kept.decode(),
    )
    given = Given(scrip=fresh, sig=word_of(secret, charged.reference, fresh))
    return Refund(
        answer=msgspec.to_builtins(given),
        claims=() if fresh.is_stock else (_row(fresh),),
        until_s=mark_of(fresh).until_s,
    )


def word_of(secret: bytes, reference: str, fresh: Scrip) -> str:
    """The vendor's word to the payer that this piece is for that payment, 32 hex digits."""
    paid = reference.removeprefix(REFERENCE)
    return mac(
        MAC_BYTES,
        sign_key(secret),
        REFUNDED_TAG,
        paid,
        fresh.cert,
        fresh.serial,
        fresh.value_micro,
        fresh.expires_at_s,
    ).hex()


def _row(fresh: Scrip) -> Claim:
    """The outbox's row; its value counts down in the vendor's report."""
    return Claim(
        scheme=TRAITS.name,
        key=ROW_PREFIX + bytes.fromhex(fresh.serial),
        order=1,
        value_micro=-fresh.value_micro,
        body=_ENCODE((fresh.serial, fresh.value_micro, fresh.expires_at_s)),
        moment="batch",
    )


def is_refund(row: Claim) -> bool:
    """Whether a row of the outbox is a refund's."""
    return row.key.startswith(ROW_PREFIX)


def message_of(row: Claim, vendor: str, k_burn: bytes) -> Json:
    """The claim of a refund's row, MACed for the broker."""
    serial, refund_micro, expires_at_s = _DECODE(row.body)
    body = RefundBody(
        expires_at_s=expires_at_s, refund_micro=refund_micro, serial=serial, vendor=vendor
    )
    return msgspec.to_builtins(msgspec.structs.replace(body, mac=refund_mac(k_burn, body)))


def refund_mac(k_burn: bytes, body: RefundBody) -> str:
    """The MAC over every other field of a refund's claim, 32 hex digits."""
    k_refund = mac(32, k_burn, REFUND_TAG)
    return mac(
        MAC_BYTES,
        k_refund,
        REFUND_TAG,
        body.vendor,
        body.serial,
        body.refund_micro,
        body.expires_at_s,
    ).hex()


# --- the payer ----------------------------------------------------------------------------------


def accept(paid: Scrip, secret: bytes, price_micro: int, answer: Json) -> Scrip:
    """The piece that the vendor gave for a payment with `paid`; `Forged`, `Malformed`."""
    given = _GIVEN.convert(answer)
    fresh = given.scrip
    require_equal("refund_forged", given.sig.encode(), word_of(secret, paid.serial, fresh).encode())
    like = msgspec.structs.replace(
        paid,
        cert=fresh.cert,
        serial=fresh.serial,
        value_micro=price_micro,
        expires_at_s=fresh.expires_at_s,
    )
    if fresh != like or fresh.serial == paid.serial:
        raise Forged("refund_wrong", "the vendor gave back something else than the price")
    return fresh


# --- the broker ---------------------------------------------------------------------------------


def is_claim(message: Json) -> bool:
    """Whether a vendor's claim is for a refund."""
    return isinstance(message, dict) and "refundMicro" in message


def check(message: Json, vendor_id: str, now_s: int) -> RefundBody:
    """The claim, its MAC apart; `Malformed`, `WrongVendor`, `OutOfRange`.

    `Busy` for one that is too early: a vendor whose clock is ahead shows it again until it is not,
    and its payer sees nothing before.
    """
    body = _BODIES.convert(message)
    if body.vendor != vendor_id:
        raise WrongVendor("claim_of_another_vendor", "a vendor claims its own payments only")
    too_long_s = body.expires_at_s - fresh_expiry_s(now_s)
    if 0 < too_long_s <= AHEAD_S and body.expires_at_s % DAY_S == 0:
        raise Busy("refunded_too_early", "the vendor's clock is ahead; show it again tomorrow")
    if too_long_s > 0 or body.expires_at_s % DAY_S:
        raise OutOfRange("refunded_too_long", "a refund lives no longer than new scrip")
    return body


def verify(body: RefundBody, k_burn: bytes) -> None:
    """`Forged` unless the vendor made this claim as it stands."""
    if not compare_digest(refund_mac(k_burn, body).encode(), body.mac.encode()):
        raise Forged("claim_mac_wrong", "this claim was not made by the vendor as it stands")


def recall(body: RefundBody) -> Keys:
    """Whether it was shown before, and the pool that gets the value."""
    used = used_key(body.vendor, _name(body))
    return Keys(records=(used, pool_key(body.vendor, body.expires_at_s)))


def _name(body: RefundBody) -> str:
    """What it uses up: under its serial alone the new piece will be claimed itself."""
    return f"refund/{body.serial}"


def apply(body: RefundBody, draft: Draft) -> Redeemed:
    """From what the vendor has earned to the pool of the new piece; `Replayed`."""
    digest = codec.digest(msgspec.structs.replace(body, mac=""))
    if draft.is_repeat(body.vendor, _name(body), digest, body.expires_at_s):
        return Redeemed(answer={"refundedMicro": 0})
    draft.pool(body.vendor, body.expires_at_s, sold=body.refund_micro)
    draft.flow(
        End(kind="vendor", id=body.vendor),
        End(kind="outstanding", id=body.vendor),
        body.refund_micro,
    )
    return Redeemed(
        flows=tuple(draft.flows),
        records=draft.records,
        due=tuple(draft.due),
        answer={"refundedMicro": body.refund_micro},
        paid_micro=-body.refund_micro,
    )
