"""Re-validation: near-expired or expired scrip for fresh, less a fee, at the vendor.

The fee discourages hoarding and pays for the state that old serials cost [recalled]. It works until
`GRACE_S` after the expiry and never later. The old serial is burned, the new piece has the same
payer_id and props; the broker learns of it by a claim that moves the value to a later pool (ours).
"""

from hmac import compare_digest

import msgspec

from farthing import codec
from farthing.errors import Expired, Forged, OutOfRange, Unfit
from farthing.schemes.mac.millicent.scrip import GRACE_S, Scrip, burn_sig

FEE_E4 = 200  # 2 %: the fee in parts per 10,000 unless the vendor says otherwise
FEE_E4_MAX = 1_000  # payers hear of it only when it is taken
NONCE_CHARS_MAX = 32  # a nonce of 16 bytes in hex


class Renewal(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`issue` at the vendor: take this piece, give me a fresh one."""

    nonce: str
    renew: Scrip
    sig: str
    """32 hex digits under the payer's signing key."""

    def __post_init__(self) -> None:
        """`Unfit` for a nonce that is too long."""
        if len(self.nonce) > NONCE_CHARS_MAX:
            raise Unfit("nonce_too_long", f"a nonce has at most {NONCE_CHARS_MAX} characters")


READER = codec.Reader(Renewal)


def fee_micro(value_micro: int, fee_e4: int) -> int:
    """The fee of a piece, rounded up; `OutOfRange` for a piece that is not worth more."""
    fee = -(-value_micro * fee_e4 // 10_000)
    if fee >= value_micro:
        raise OutOfRange("worth_less_than_fee", f"renewing this piece costs {fee} micro-units")
    return fee


def require_renewable(scrip: Scrip, now_s: int) -> None:
    """`Expired` after expiry and grace."""
    if now_s > scrip.expires_at_s + GRACE_S:
        raise Expired("scrip_past_grace", "scrip is renewed within 30 days of its expiry")


def verify_order(order: Renewal, k_sig: bytes) -> None:
    """`Forged` unless the payer signed it."""
    expected = burn_sig(k_sig, order.renew.cert, order.nonce, what="renew")
    if not compare_digest(expected.encode(), order.sig.encode()):
        raise Forged("renewal_signature_wrong", "sign the order with the payer's secret")
