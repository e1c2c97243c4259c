"""One entry of `accepts` in x402: an offer with its terms, and the seal of the gate that made it.

A stock payer's scheme object sees nothing else of a 402 but this: `extra` therefore names the
origin, the request and its body as well. Source: the project's wire format, sections 4 and 15; the
seal is ours::

    seal = until "." base64url( mac16(key of seals, offer/1, until, entry without its seal)[:12] )

(`until` in unix seconds, the entry in its RFC 8785 form; short, because headers are.)

The key of seals is derived from the challenge key. With it a payment that answers an offer of a
minute ago is known as such, whatever the prices say by now, in every process of the gate.
"""

import re
from collections.abc import Sequence
from functools import lru_cache
from hmac import compare_digest
from urllib.parse import urlsplit

import msgspec

from farthing import codec, ids, money
from farthing.crypto.mac import mac
from farthing.errors import Malformed
from farthing.schemes import registry
from farthing.schemes.contract import Json, Key, Offer
from farthing.wire.offers import CHALLENGE_LIFE_S, Tender
from farthing.wire.shapes import DECIMALS, Stated, digest_text, offer_of, require_short

SCHEME = "batch-settlement"
SEAL_TAG = "farthing/wire/offer/1"
MAC_BYTES = 16
SEAL_BYTES = 12  # of them: nobody can try offers but at the gate, one at a time
KEYS_CACHED = 8  # the current challenge key and the one before, of a few gates in a process
_UNTIL = re.compile(r"[1-9][0-9]{0,10}")  # some thousand years


class Extra(Stated, frozen=True, kw_only=True):
    """What is ours in an entry."""

    method: str
    payment_flow: str = ""
    external_id: str = ""
    site: str = ""
    target: str = ""
    digest: str = ""
    seal: str = ""
    """`<until, unix seconds>.<MAC>`, for the gate that made the offer."""


class Requirements(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """An entry."""

    scheme: str
    network: str
    amount: str
    asset: str
    pay_to: str
    max_timeout_seconds: int
    extra: Extra


ENTRIES = codec.Reader(Requirements)


def requirements(tender: Tender, offer: Offer) -> dict[str, Json]:
    """One entry of `accepts`, not sealed; `Misconfigured` for an offer over a limit."""
    built: dict[str, Json] = msgspec.to_builtins(_stated(tender, offer))
    return built


def _stated(tender: Tender, offer: Offer) -> Requirements:
    require_short(offer)
    return Requirements(
        scheme=SCHEME,
        network=ids.network(offer.broker_id),
        amount=money.to_wire(offer.price_micro),
        asset=money.asset_label(offer.currency),
        pay_to=offer.vendor_id,
        max_timeout_seconds=CHALLENGE_LIFE_S,
        extra=Extra(
            method=registry.wire_name(offer.scheme)[0],
            payment_flow="upfront",
            broker=offer.broker_url,
            decimals=DECIMALS,
            display_currency=offer.currency.upper(),
            settlement=offer.settlement,
            guarantor=offer.guarantor,
            redeem_by_s=offer.redeem_by_s,
            terms=offer.terms,
            external_id=offer.external_id,
            site=origin_of(tender.url),
            target=tender.target,
            digest=digest_text(tender.body_digest),
        ),
    )


def entry_of(tender: Tender, offer: Offer, key: Key) -> dict[str, Json]:
    """One entry of `accepts`, under our seal; `key` is the current challenge key."""
    stated = _stated(tender, offer)
    entry: dict[str, Json] = msgspec.to_builtins(stated)
    entry["extra"]["seal"] = _seal(key, stated, tender.expires_at_s)
    return entry


def _seal(key: Key, fields: Requirements, until_s: int) -> str:
    """Over an entry as we write it; what a payer adds to it does not count."""
    if fields.extra.seal:
        extra = msgspec.structs.replace(fields.extra, seal="")
        fields = msgspec.structs.replace(fields, extra=extra)
    plain = codec.canonical(fields)
    code = mac(MAC_BYTES, _seal_key(key.secret), SEAL_TAG, until_s, plain)
    return f"{until_s}.{codec.b64u(code[:SEAL_BYTES])}"


@lru_cache(maxsize=KEYS_CACHED)
def _seal_key(secret: bytes) -> bytes:
    """Of a challenge key: a key has one purpose."""
    return mac(32, secret, SEAL_TAG)


class Promised(msgspec.Struct, frozen=True, kw_only=True):
    """An offer that we made, as a payer echoes it."""

    fields: Requirements
    until_s: int


def promised(echo: Json, tender: Tender, keys: Sequence[Key]) -> Promised | None:
    """What a payer echoes, if one of `keys` made it for the very request of `tender`.

    Whether it has ended is the caller's to ask.
    """
    try:
        fields = ENTRIES.convert(echo)
    except Malformed:
        return None
    extra = fields.extra
    until = extra.seal.partition(".")[0]
    if not _UNTIL.fullmatch(until):
        return None
    if (extra.site, extra.target) != (origin_of(tender.url), tender.target):
        return None
    given = extra.seal.encode()
    if any(compare_digest(_seal(key, fields, int(until)).encode(), given) for key in keys):
        return Promised(fields=fields, until_s=int(until))
    return None


def origin_of(url: str) -> str:
    """Scheme, host and port of a URL."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def offer_in(fields: Requirements, description: str) -> Offer:
    """The offer in an entry; what `offer_of` refuses."""
    offer = offer_of(
        fields.extra,
        wire=fields.extra.method,
        intent="charge",
        amount=fields.amount,
        asset=fields.asset,
        recipient=fields.pay_to,
        network=fields.network,
        description=description,
        external_id=fields.extra.external_id,
    )
    require_short(offer)
    return offer
