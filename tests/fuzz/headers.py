"""Parsers of headers and of what is published: all dialects, receipts, the private endpoint."""

import json
from contextlib import suppress
from functools import cache
from typing import Any

import msgspec

from farthing import codec
from farthing.crypto import signing
from farthing.errors import Forged, Malformed
from farthing.schemes.contract import Key
from farthing.stores.keys import make_signing_key
from farthing.vendor.offering import CHALLENGE_KEY
from farthing.wallet.commands import Request
from farthing.wire import mpp, published, receipts, sealed, x402, x402_entry, x402_response, xcashu
from farthing.wire.offers import Tender
from tests.fuzz.heard import Heard, conversations, names, said
from tests.fuzz.parser import Parser, given, text

SIGNER = make_signing_key("farthing/vendor/receipt/1", bytes(32))


def parsers() -> list[Parser]:
    """Their rows."""
    return [*_mpp(), *_x402(), *_cashu(), *_published(), *_private()]


# --- MPP ----------------------------------------------------------------------------------------


def _mpp() -> list[Parser]:
    return [
        Parser("wire.mpp.read_challenges", _challenges, _offers),
        Parser("wire.mpp.find_authorization", _authorization, _payments),
        Parser("wire.mpp.read_credential", _credential, lambda: _tokens()[:1]),
        Parser("wire.mpp.claimed", lambda raw: mpp.claimed(text(raw)), _tokens),
        Parser(
            "wire.mpp.read_receipt",
            lambda raw: mpp.read_receipt(text(raw)),
            _receipts,
            write=lambda receipt: mpp.receipt_header(receipt).encode(),
        ),
        Parser(
            "wire.receipts.verify",
            _verified,
            lambda: tuple(codec.unb64u(text(raw)) for raw in _receipts()),
        ),
    ]


def _offers() -> tuple[bytes, ...]:
    return tuple(raw for raw in said("offer") if raw.startswith(b"Payment "))


def _payments() -> tuple[bytes, ...]:
    return tuple(raw for raw in said("payment") if raw.startswith(b"Payment "))


def _tokens() -> tuple[bytes, ...]:
    return tuple(raw.removeprefix(b"Payment ") for raw in _payments())


def _receipts() -> tuple[bytes, ...]:
    return tuple(raw for raw in said("receipt") if b"=" not in raw and _is_mpp(raw))


def _is_mpp(raw: bytes) -> bool:
    try:
        return "challengeId" in str(codec.read_json(codec.unb64u(text(raw))))
    except Malformed:
        return False


def _challenges(raw: bytes) -> Any:
    """Read, and answered as a purse would: what is taken can be echoed."""
    found = mpp.read_challenges([text(raw)])
    for received in found:
        mpp.authorization(received, {"fuzz": "payload"})
    return found


def _authorization(raw: bytes) -> Any:
    return mpp.find_authorization([(b"authorization", raw), (b"payment-authorization", raw[1:])])


def _credential(raw: bytes) -> Any:
    """At the gate that gave the first offer, for the page that was sold first."""
    realm, keys, target = _gate()
    return mpp.read_credential(text(raw), realm=realm, keys=keys, target=target)


@cache
def _gate() -> tuple[str, tuple[Key, ...], str]:
    shop = conversations(names()[0])[0].stage.shop
    echo: Any = codec.read_json(codec.unb64u(text(_tokens()[0])))
    opaque: Any = codec.read_json(codec.unb64u(echo["challenge"]["opaque"]))
    return shop.host, tuple(shop.ring.live(CHALLENGE_KEY)), opaque["r"]


def _verified(raw: bytes) -> Any:
    """A receipt with its signature made new, so that what is under it is read as well."""
    receipt = receipts.from_json(codec.read_json(raw))
    again = receipts.sign_mac(receipt, bytes(32))
    receipts.verify(again, mac_key=bytes(32))
    with suppress(Forged):
        receipts.verify(receipt, mac_key=bytes(32))
    with suppress(Forged):
        receipts.verify(receipt, public=SIGNER.public)
    return again


# --- x402 ---------------------------------------------------------------------------------------


def _x402() -> list[Parser]:
    return [
        Parser("wire.x402.read_payment", _payment, lambda: _in_x402("payment")),
        Parser("wire.x402.read_required", _required, lambda: _in_x402("offer")),
        Parser("wire.x402.read_entry", _entry, _entries),
        Parser("wire.x402.matched", _matched, lambda: _in_x402("payment")[:1]),
        Parser(
            "wire.x402_response.read_response",
            lambda raw: x402_response.read_response(text(raw)),
            lambda: _in_x402("receipt"),
        ),
    ]


def _in_x402(kind: str) -> tuple[bytes, ...]:
    """What was said in this dialect: standard base64 of an object."""
    return tuple(raw for raw in said(kind) if raw.startswith(b"eyJ") and not _is_mpp(raw))


def _payment(raw: bytes) -> Any:
    return x402.read_payment(text(raw))


def _required(raw: bytes) -> Any:
    found = x402.read_required(text(raw), now_s=1_795_176_000)
    for received in found:
        x402.payment(received, {"fuzz": "payload"}, "a" * 16)
        x402.key_of(received, {"fuzz": "payload"}, "a" * 16)
    return found


def _entry(raw: bytes) -> Any:
    """As a stock payer's package has read it."""
    try:
        value = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, dict):
        return None
    received = x402.read_entry(value, now_s=1_795_176_000)
    return x402.payment(received, {"fuzz": "payload"}, "a" * 16)


def _entries() -> tuple[bytes, ...]:
    found: list[bytes] = []
    for raw in _in_x402("offer"):
        message: Any = codec.read_json(codec.unb64(text(raw)))
        found += [codec.canonical(entry) for entry in message["accepts"]]
    return tuple(found)


def _matched(raw: bytes) -> Any:
    heard = next(one for one in conversations(names()[0]) if one.stage.dialect == "x402")
    credential = x402.read_payment(text(raw))
    return x402.matched(credential, _tender(), _keys(heard))


def _keys(heard: Heard) -> tuple[Key, ...]:
    return tuple(heard.stage.shop.ring.live(CHALLENGE_KEY))


@cache
def _tender() -> Tender:
    """What the vendor sells: the offer that the first honest payment echoes."""
    echo = x402.read_payment(text(_in_x402("payment")[0])).echo
    fields = x402_entry.ENTRIES.convert(echo)
    extra = fields.extra
    return Tender(
        realm="news.example",
        url=f"{extra.site}/200/a",
        target=extra.target,
        offers=(x402_entry.offer_in(fields, ""),),
        expires_at_s=1_795_176_300,
        description="",
        mime_type="",
        body_digest=b"",
    )


# --- X-Cashu ------------------------------------------------------------------------------------


def _cashu() -> list[Parser]:
    return [
        Parser(
            "wire.xcashu.read_token",
            lambda raw: xcashu.read_token(text(raw)),
            given("cashuBo2F0gqJhaUgA_9SLj17PgGFwgaNhYQFhc3hAYWNjMTI0", "cashuAeyJ0b2tlbiI6W119"),
        ),
    ]


# --- published ----------------------------------------------------------------------------------


def _published() -> list[Parser]:
    return [
        Parser("wire.published.read_keys", published.read_keys, _key_documents),
        Parser("wire.published.read_prices", _prices, _price_lists),
        Parser("wire.published.read_prices-signed", _signed_prices, _price_lists),
    ]


def _key_documents() -> tuple[bytes, ...]:
    return tuple(_doors(one, "keys") for name in names() for one in conversations(name)[:1])


def _price_lists() -> tuple[bytes, ...]:
    return tuple(_doors(one, "prices") for name in names() for one in conversations(name)[:2])


def _doors(heard: Heard, which: str) -> bytes:
    path = published.KEYS_PATH if which == "keys" else published.PRICES_PATH
    shop = heard.stage.shop
    return shop.serve(Request(method="GET", url=shop.site + path)).body


def _prices(raw: bytes) -> Any:
    return published.read_prices(raw, _publics())


@cache
def _publics() -> tuple[bytes, ...]:
    return SIGNER.public, *(key for raw in _key_documents() for key in published.read_keys(raw)[1])


def _signed_prices(raw: bytes) -> Any:
    """A list that its vendor has signed, whatever it says; then a page is looked up in it."""
    try:
        document = codec.read_open(raw, dict)
    except Malformed:
        return _prices(raw)
    document.pop("sig", None)
    signature = signing.sign(
        SIGNER.secret, codec.enc(published.PRICES_TAG, codec.canonical(document))
    )
    found = _prices(codec.canonical({**document, "sig": "ed25519:" + codec.b64u(signature)}))
    listed = found.find("GET", "/200/a/page.html")
    if listed is not None:
        return listed.price_micro, listed.reductions
    return found


# --- private ------------------------------------------------------------------------------------


def _private() -> list[Parser]:
    return [
        Parser(
            "wire.sealed.read_envelope",
            sealed.read_envelope,
            lambda: said("envelope"),
            write=lambda found: sealed.write_envelope(*found),
        ),
        Parser("wire.sealed.read_request", sealed.read_request, _requests, write=_written),
        Parser(
            "wire.sealed.read_answer",
            sealed.read_answer,
            lambda: (sealed.write_answer(200, (("content-type", "text/html"),), b"the page"),),
        ),
        Parser(
            "wire.sealed.read_sealed",
            sealed.read_sealed,
            lambda: (sealed.write_sealed(bytes(40)),),
            write=sealed.write_sealed,
        ),
    ]


def _requests() -> tuple[bytes, ...]:
    headers = (("accept", "text/html"), ("cookie", "a=b"))
    return (
        sealed.write_request(method="GET", path_query="/200/a?b", headers=headers),
        sealed.write_request(
            method="POST", path_query="/200/a", body=b"body", amount_micro=200, payload={"a": [1]}
        ),
    )


def _written(asked: sealed.Asked) -> bytes:
    return sealed.write_request(
        method=asked.method,
        path_query=asked.path_query,
        headers=asked.headers,
        body=asked.body,
        amount_micro=asked.amount_micro,
        payload=msgspec.json.decode(asked.payload) if asked.payload else None,
    )
