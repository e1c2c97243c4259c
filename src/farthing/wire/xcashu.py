"""X-Cashu: the token of an unmodified Cashu wallet pays the offer of the scheme `cashu`.

::

    402   X-Cashu: creqA…                      amount, unit, the mint that has the unit
    then  X-Cashu: cashuB…                     a token of that mint, worth that much or more
    200   Payment-Receipt: …                   as in MPP, but without its `change`
          Farthing-Change: cashuB…[, cashuB…]  that `change`

The amount is in whole cents where the currency has them, since stock wallets know no smaller unit:
what is too much comes back. Nothing is echoed: a token pays what the gate would offer now. Source:
NUT-24, NUT-18; change and receipt are ours.
"""

import re
from collections.abc import Sequence
from functools import lru_cache

import msgspec

from farthing import codec
from farthing.errors import HeaderTooLarge, Malformed, Unsupported
from farthing.schemes.coin.cashu import payment_request, tokens
from farthing.schemes.coin.cashu.keysets import unit_micro, units_of
from farthing.schemes.coin.cashu.payment_request import PaymentRequest
from farthing.schemes.contract import Offer
from farthing.wire import mpp
from farthing.wire.offers import CREDENTIAL_BYTES_MAX, Credential, Receipt, Tender

HEADER = b"x-cashu"
CHANGE_HEADER = b"farthing-change"
SCHEME = "cashu"
DESCRIPTION_CHARS_MAX = 64  # of what is for display: all the offers of a 402 share 7 KiB
_TOKEN = re.compile(r"cashu[AB][A-Za-z0-9+/_-]+={0,2}")

Headers = tuple[tuple[bytes, bytes], ...]


def payable(offers: Sequence[Offer]) -> Offer | None:
    """Of these offers the one that a token pays, which may open a stream."""
    for offer in offers:
        if offer.scheme == SCHEME and offer.intent == "charge":
            return offer
    return None


def required(offer: Offer) -> str:
    """The `X-Cashu` value of a 402, with the price in the broker's first unit, rounded up."""
    return _required(offer.price_micro, offer.currency, offer.broker_url, offer.description)


@lru_cache(maxsize=mpp.OFFERS_CACHED)
def _required(price_micro: int, currency: str, broker_url: str, description: str) -> str:
    unit = units_of(currency)[0]
    return payment_request.write(
        PaymentRequest(
            a=-(-price_micro // unit_micro(unit)),
            u=unit,
            s=True,
            m=(f"{broker_url}/cashu/{unit}",),
            d=description if len(description) <= DESCRIPTION_CHARS_MAX else "",
        )
    )


def read_token(value: str) -> Credential:
    """The payment in an `X-Cashu` value, its coins unread; `offer` is still open, see `matched`.

    K is SHA-256 of the token. `HeaderTooLarge` `too_large`, `Malformed` `credential_malformed`.
    """
    if len(value) > CREDENTIAL_BYTES_MAX:
        raise HeaderTooLarge("too_large", f"a credential has at most {CREDENTIAL_BYTES_MAX} bytes")
    if not _TOKEN.fullmatch(value):
        raise Malformed("credential_malformed", "expected a token that begins with cashuB")
    return Credential(
        dialect="cashu",
        k=codec.b64u(tokens.digest(value)),
        named=False,
        wire_name=SCHEME,
        variant="",
        payload=codec.canonical({"token": _cut(value)}),
    )


def _cut(token: str) -> list[str]:
    """In texts that are as long as those of a payload may be."""
    size = codec.JSON_STRING_MAX
    return [token[at : at + size] for at in range(0, len(token), size)]


def matched(credential: Credential, tender: Tender) -> Credential:
    """With the offer of `tender` that a token pays; `Unsupported` where there is none."""
    offer = payable(tender.offers)
    if offer is None:
        raise Unsupported("method_not_accepted", "this page takes no Cashu token")
    return msgspec.structs.replace(credential, offer=offer, body_digest=tender.body_digest)


def receipt_headers(receipt: Receipt) -> Headers:
    """The receipt, and its change in a header of its own.

    `sig` covers the receipt with `change`, the list of the tokens: who verifies it puts that back.
    """
    plain = msgspec.structs.replace(receipt, change=None)
    shown = (b"payment-receipt", mpp.receipt_header(plain).encode())
    if not receipt.change:
        return (shown,)
    return (shown, (CHANGE_HEADER, ", ".join(receipt.change).encode()))
