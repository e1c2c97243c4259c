"""Broker scrip: the broker is its own vendor, and its scrip buys the scrip of others.

It is sold from a licence that the broker granted itself, pays for an `issue` in protocol C (the
target that is signed names vendor and value), and goes back to money. The change is broker scrip
with the same payer_id. Nobody else takes it. Source: steps 2 to 4 and 7 of obtaining scrip.

An order that is paid so names no account, and neither does a burn receipt that becomes broker scrip
(ours): the books then say who bought broker scrip, and that somebody bought of a vendor with it.
The broker could still tell which scrip it had sold to whom; it is asked to forget, not made to.
"""

from hmac import compare_digest

import msgspec

from farthing import codec
from farthing.crypto.mac import mac
from farthing.errors import Forged, Replayed, Underpaid, Unfit, WrongVendor
from farthing.schemes.contract import Json, Operation, Ring, Setting
from farthing.schemes.mac.millicent.draft import Draft
from farthing.schemes.mac.millicent.orders import Licence, Order
from farthing.schemes.mac.millicent.payment import Payment
from farthing.schemes.mac.millicent.renewal import require_renewable
from farthing.schemes.mac.millicent.scrip import (
    LICENSED_SERIES,
    PAYER_RANGE,
    STOCK_BIT,
    Scrip,
    burn_sig,
    certificate,
    payer_secret,
    request_sig,
    require_current,
    series_id,
    sign_key,
)

SERIES_BYTES = 5
OWN_RANGE_ID = "0001"
OWN_KEY = "farthing/millicent/own/1"  # all keys of the broker's own scrip are derived from it
OWN_END_S = 2**40  # the broker's licence of itself does not end
OWN_QUOTA_MICRO = 10**15  # what all accounts together may hold


class Return(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`take_back`: broker scrip, please, as money in the account."""

    nonce: str
    scrip: Scrip
    sig: str
    """32 hex digits under the payer's signing key."""


RETURNS = codec.Reader(Return)


def licence_of(ring: Ring, entropy: bytes) -> Licence:
    """A licence of the broker for itself, of a series that 39 random bits name.

    So a broker whose books went back in time never mints a serial twice.
    """
    key = ring.current(OWN_KEY).secret
    series = series_id(int.from_bytes(entropy[:SERIES_BYTES], "big") & ~STOCK_BIT)
    return Licence(
        k_burn=codec.b64u(mac(32, key, OWN_KEY, "burn")),
        k_payer=codec.b64u(mac(32, key, OWN_KEY, "payer")),
        k_scrip=codec.b64u(mac(32, key, OWN_KEY, "scrip", series)),
        not_after_s=OWN_END_S,
        payer_range=OWN_RANGE_ID,
        quota_micro=OWN_QUOTA_MICRO,
        series=series,
    )


def is_bearer(operation: Operation, message: Json) -> bool:
    """Whether a message is paid for by what it holds. Properties are vouched for an account's."""
    if not isinstance(message, dict) or message.get("props"):
        return False
    if operation == "issue":
        return isinstance(message.get("pay"), dict)
    if message.get("broker"):  # another broker must be asked: not for anybody who comes along
        return False
    return operation == "take_back" and message.get("inScrip") is True


def target_of(vendor: str, value_micro: int, broker: str = "") -> str:
    """What an order paid with broker scrip signs; `broker` where the vendor is another's."""
    return f"ISSUE {vendor}@{broker} {value_micro}" if broker else f"ISSUE {vendor} {value_micro}"


def _require_own(setting: Setting, scrip: Scrip) -> bytes:
    """The payer's signing key; `WrongVendor`, `Forged`."""
    broker = setting.broker_id
    if scrip.vendor != broker or scrip.currency != setting.currency:
        raise WrongVendor("scrip_not_of_this_broker", "a broker takes its own scrip only")
    expected = certificate(
        _secret(setting.ring, LICENSED_SERIES, f"{broker}/{series_id(scrip.series)}"),
        vendor=scrip.vendor,
        currency=scrip.currency,
        value_micro=scrip.value_micro,
        serial=scrip.serial,
        payer=scrip.payer,
        expires_at_s=scrip.expires_at_s,
        props=scrip.props,
    )
    if not compare_digest(expected.encode(), scrip.cert.encode()):
        raise Forged("scrip_certificate_wrong", "this scrip was not minted as it stands")
    k_payer = _secret(setting.ring, PAYER_RANGE, f"{broker}/{scrip.payer[:4]}")
    return sign_key(payer_secret(k_payer, broker, scrip.payer))


def _secret(ring: Ring, purpose: str, key_id: str) -> bytes:
    key = ring.find(purpose, key_id)
    if key is None:
        raise Forged("series_unknown", "this broker minted no such scrip")
    return key.secret


def verify_payment(setting: Setting, payment: Payment, order: Order, now_s: int) -> None:
    """Broker scrip that pays for an order; `WrongVendor`, `Expired`, `Forged`, `Underpaid`."""
    scrip, value_micro = payment.scrip, order.value_micro
    if order.vendor == setting.broker_id:
        raise Unfit("broker_scrip_for_itself", "broker scrip does not buy broker scrip")
    require_current(scrip, now_s)
    k_sig = _require_own(setting, scrip)
    target = target_of(order.vendor, value_micro, order.broker)
    expected = request_sig(k_sig, scrip.vendor, target, b"", scrip.cert, payment.nonce)
    if not compare_digest(expected.encode(), payment.sig.encode()):
        raise Forged("request_signature_wrong", "sign the order with the payer's secret")
    if scrip.value_micro < value_micro:
        raise Underpaid("amount_below_price", f"the order costs {value_micro} micro-units")


def verify_return(setting: Setting, order: Return, now_s: int) -> None:
    """Broker scrip that goes back to money; in its grace too. `Expired`, `Forged`."""
    require_renewable(order.scrip, now_s)
    k_sig = _require_own(setting, order.scrip)
    expected = burn_sig(k_sig, order.scrip.cert, order.nonce)
    if not compare_digest(expected.encode(), order.sig.encode()):
        raise Forged("burn_signature_wrong", "sign the order with the payer's secret")


def use_up(payment: Payment, draft: Draft) -> None:
    """The piece that pays is spent; `Replayed`."""
    paid = payment.scrip
    if draft.is_repeat(paid.vendor, paid.serial, codec.digest(payment), paid.expires_at_s):
        raise Replayed("serial_already_used", "this broker scrip has paid for an order")


def change_of(payment: Payment, draft: Draft, price_micro: int) -> dict[str, Json]:
    """The change of a piece that was used up, if there is any, as an answer has it."""
    paid = payment.scrip
    draft.pool(paid.vendor, paid.expires_at_s, redeemed=paid.value_micro)
    rest_micro = paid.value_micro - price_micro
    if not rest_micro:
        return {}
    again = Order(value_micro=rest_micro, vendor=paid.vendor, props=paid.props)
    change, _ = draft.mint(again, paid.expires_at_s, payer=paid.payer)
    return {"change": msgspec.to_builtins(change)}
