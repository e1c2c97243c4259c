"""How an offer is spelled: what MPP `methodDetails` and x402 `extra` have in common.

Source: the project's wire format, sections 1, 2 and 15. Amounts are decimal strings of
micro-units, the asset label is `micro` and the currency code, `guarantor` absent means the broker.
"""

from typing import Final, Literal

import msgspec

from farthing import codec, ids, money
from farthing.errors import Malformed, Misconfigured, OtherNetwork, Unsupported
from farthing.schemes import registry
from farthing.schemes.contract import Json, Offer, Settlement

DECIMALS: Final = 6  # micro-units
DESCRIPTION_BYTES_MAX = 256  # for display only; a challenge should stay under 2 KiB
EXTERNAL_ID_BYTES_MAX = 128  # an item reference of the vendor's shop
DIGEST_BYTES = 32  # SHA-256
_LABEL = "micro"
_DIGEST = ("sha-256=:", ":")  # RFC 9530, which allows others that nobody needs here


class Stated(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """What every offer says beyond amount, asset and recipient."""

    broker: str
    """The broker's URL."""
    decimals: int
    display_currency: str
    settlement: Settlement
    guarantor: Literal["broker", "vendor", "none"] = "broker"
    redeem_by_s: int = 0
    terms: dict[str, Json] = {}


def require_short(offer: Offer) -> None:
    """`Misconfigured` for a description or item reference over its limit in UTF-8 bytes."""
    if len(offer.description.encode()) > DESCRIPTION_BYTES_MAX:
        raise Misconfigured(
            "description_too_long", f"a description has at most {DESCRIPTION_BYTES_MAX} bytes"
        )
    if len(offer.external_id.encode()) > EXTERNAL_ID_BYTES_MAX:
        raise Misconfigured(
            "external_id_too_long", f"an item reference has at most {EXTERNAL_ID_BYTES_MAX} bytes"
        )


def offer_of(
    stated: Stated,
    *,
    wire: str,
    intent: Literal["charge", "session"],
    amount: str,
    asset: str,
    recipient: str,
    network: str,
    description: str,
    external_id: str,
) -> Offer:
    """The offer that a dialect spells this way.

    `Unsupported` for a scheme, network or unit that is not ours; `OutOfRange` for the amount, the
    currency or the broker id.
    """
    if stated.decimals != DECIMALS:
        raise Unsupported("asset_unsupported", f"amounts here have {DECIMALS} decimals")
    if not network.startswith(ids.NETWORK_PREFIX):
        raise OtherNetwork("network_unsupported", f"networks here are {ids.NETWORK_PREFIX}<broker>")
    return Offer(
        scheme=registry.registry_name(wire, variant_of(stated.terms)),
        intent=intent,
        price_micro=money.from_wire(amount),
        currency=currency_of(asset),
        vendor_id=recipient,
        broker_id=ids.require_broker_id(network[len(ids.NETWORK_PREFIX) :]),
        broker_url=stated.broker,
        settlement=stated.settlement,
        guarantor=stated.guarantor,
        redeem_by_s=stated.redeem_by_s,
        terms=stated.terms,
        description=description,
        external_id=external_id,
    )


def currency_of(asset: str) -> str:
    """`eur` out of `microeur`, in whatever case; `Unsupported` or `OutOfRange` for another unit."""
    label = asset.lower()
    if not label.startswith(_LABEL):
        raise Unsupported("asset_unsupported", "only micro-units of a currency are paid here")
    return money.require_currency(label[len(_LABEL) :])


def variant_of(terms: Json) -> str:
    """`terms.variant`, which tells schemes of one wire name apart; "" where there is none."""
    variant = terms.get("variant", "") if isinstance(terms, dict) else ""
    return variant if isinstance(variant, str) else ""


def digest_text(body_digest: bytes) -> str:
    """`sha-256=:…:` of a body's SHA-256 as offers bind it; "" where they bind none."""
    head, tail = _DIGEST
    return f"{head}{codec.b64(body_digest)}{tail}" if body_digest else ""


def digest_of(text: str) -> bytes:
    """The SHA-256 that `digest_text` wrote; empty where no body is bound; `Malformed`."""
    if not text:
        return b""
    head, tail = _DIGEST
    if not (text.startswith(head) and text.endswith(tail)):
        raise Malformed("digest_malformed", "a digest reads sha-256=:<base64>:")
    raw = codec.unb64(text[len(head) : -len(tail)])
    if len(raw) != DIGEST_BYTES:
        raise Malformed("digest_malformed", f"SHA-256 has {DIGEST_BYTES} bytes")
    return raw
