"""x402 version 2: the same offers and payments as one JSON object a header.

Source: the project's wire format, sections 4, 7, 13, 15, 16. Every header is standard base64 with
padding. All our schemes share `batch-settlement`; `extra.method` tells them apart.
There is no challenge: a payment is matched against the offers that the gate would make now, or the
offer that it echoes carries our own seal and has not ended: then its price has changed meanwhile.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal
from urllib.parse import urlsplit

import msgspec

from farthing import codec, ids, money
from farthing.errors import (
    BadRequest,
    HeaderTooLarge,
    Malformed,
    OtherNetwork,
    Refusal,
    Unsolicited,
    Unsupported,
)
from farthing.schemes import registry
from farthing.schemes.contract import Json, Key
from farthing.wire.objects import read_object
from farthing.wire.offers import (
    CREDENTIAL_BYTES_MAX,
    OFFERS_MAX,
    Credential,
    Received,
    Tender,
)
from farthing.wire.shapes import (
    digest_of,
    digest_text,
    variant_of,
)
from farthing.wire.x402_entry import (
    ENTRIES,
    SCHEME,
    entry_of,
    offer_in,
    promised,
    requirements,
)

VERSION = 2
HEADER_BYTES_MAX = 16 * 1024  # encoded, of what a wallet reads; our own 402 has at most 7 KiB
IDENTIFIER = "payment-identifier"
_MEMBER = "__extensions"  # the stock client moves it out of the payload, to where it belongs
_IDENTIFIER_OFFERED = {IDENTIFIER: {"info": {"required": False}, "schema": {}}}
_PAYMENT_ID = re.compile(r"[A-Za-z0-9_-]{16,128}")
_SAME = ("scheme", "network", "amount", "payTo", "maxTimeoutSeconds")
_APART = frozenset(
    {
        "redeemByS",  # moves with the clock: an offer of a minute ago may name the day before
        "digest",  # for the gate to compare, whatever the dialect
    }
)
_NONE = msgspec.Raw()
_NAMES = {"version": "x402Version"}


class _Resource(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    url: str
    description: str = ""
    mime_type: str = ""


class _Payment(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename=_NAMES):
    version: int
    accepted: msgspec.Raw
    payload: msgspec.Raw
    resource: msgspec.Raw = _NONE
    extensions: msgspec.Raw = _NONE


class _Required(msgspec.Struct, frozen=True, kw_only=True, rename=_NAMES):
    version: Literal[2]
    resource: _Resource | None = None
    accepts: list[dict[str, Any]]
    extensions: dict[str, Any] | None = None


_READ_PAYMENT = codec.Reader(_Payment).read
_REQUIRED = codec.Reader(_Required)


# --- gate ---------------------------------------------------------------------------------------


def required(tender: Tender, *, error: str, key: Key) -> str:
    """The `PAYMENT-REQUIRED` value with every offer of `tender`; `error` says why it is asked.

    `key`: the current challenge key, from which the one of the seals follows.
    """
    resource = _Resource(url=tender.url, description=tender.description, mime_type=tender.mime_type)
    message = {
        "x402Version": VERSION,
        "error": error,
        "resource": resource,
        "accepts": [entry_of(tender, offer, key) for offer in tender.offers],
        "extensions": _IDENTIFIER_OFFERED,
    }
    return codec.b64(codec.canonical(message))


def read_payment(value: str) -> Credential:
    """The payment in a `PAYMENT-SIGNATURE` value; `offer` is still open, see `matched`.

    K is the payer's payment identifier, else it is made of the payload's hash. Refusals:
    `HeaderTooLarge` `too_large`; `Malformed` `credential_malformed`, `x402_version_unsupported`;
    `Unsupported` for another scheme, `OtherNetwork` for another network; `Unfit` for a payload that
    is no object; `BadRequest` `payment_identifier_malformed`.
    """
    if len(value) > CREDENTIAL_BYTES_MAX:
        raise HeaderTooLarge("too_large", f"a credential has at most {CREDENTIAL_BYTES_MAX} bytes")
    try:
        message = _READ_PAYMENT(codec.unb64(value))
        accepted, _ = read_object(message.accepted)
        extensions, _ = read_object(message.extensions or b"{}")
    except Malformed:
        raise Malformed(
            "credential_malformed", "expected base64 of x402Version, accepted and payload"
        ) from None
    if message.version != VERSION:
        raise Malformed("x402_version_unsupported", f"this gate speaks x402 version {VERSION}")
    if accepted.get("scheme") != SCHEME:
        raise Unsupported("method_unsupported", f"the scheme here is {SCHEME}")
    if not str(accepted.get("network")).startswith(ids.NETWORK_PREFIX):
        raise OtherNetwork("network_unsupported", f"networks here are {ids.NETWORK_PREFIX}<broker>")
    extra = accepted.get("extra")
    wire = extra.get("method") if isinstance(extra, dict) else None
    if not isinstance(extra, dict) or not isinstance(wire, str):
        raise Malformed("credential_malformed", "accepted.extra.method names the payment scheme")
    _, payload = read_object(message.payload)
    name = payment_id_in(extensions)
    return Credential(
        dialect="x402",
        k=name or _key(payload),
        named=bool(name),
        wire_name=wire,
        variant=variant_of(extra.get("terms")),
        payload=payload,
        echo=accepted,
    )


def _key(payload: bytes) -> str:
    """K of a payment without an identifier, from its canonical payload."""
    return "x402:" + codec.b64u(hashlib.sha256(payload).digest())


def payment_id_in(extensions: Mapping[str, Json]) -> str:
    """The payer's identifier; "" where it sent none; `BadRequest`."""
    identifier = extensions.get(IDENTIFIER)
    info = identifier.get("info") if isinstance(identifier, dict) else None
    given = info.get("id", "") if isinstance(info, dict) else ""
    if given != "" and not (isinstance(given, str) and _PAYMENT_ID.fullmatch(given)):
        raise BadRequest(
            "payment_identifier_malformed", "an identifier is 16-128 of letters, digits, - and _"
        )
    return given


def matched(credential: Credential, tender: Tender, keys: Sequence[Key]) -> Credential:
    """With the offer of `tender` that it accepted; `Unsolicited` `no_matching_requirements`.

    Scheme, network, amount, asset, recipient and time-out must be equal, and what we say in
    `extra`, the target included, must be among what the payer echoes. Else an offer for the same
    request counts that one of `keys` has sealed; its end is the caller's to judge, by
    `expires_at_s`. `Malformed` for a digest that is none.
    """
    theirs = credential.echo
    asset = theirs.get("asset")
    for offer in tender.offers:
        if registry.wire_name(offer.scheme) != (credential.wire_name, credential.variant):
            continue
        ours = requirements(tender, offer)
        if not isinstance(asset, str) or asset.lower() != ours["asset"]:
            continue
        if any(theirs.get(name) != ours[name] for name in _SAME):
            continue
        extra = theirs["extra"]
        if all(
            extra.get(name) == said for name, said in ours["extra"].items() if name not in _APART
        ):
            digest = digest_of(str(extra.get("digest", "")))
            return msgspec.structs.replace(credential, offer=offer, body_digest=digest)
    made = promised(theirs, tender, keys)
    if made is not None:
        return msgspec.structs.replace(
            credential,
            offer=offer_in(made.fields, tender.description),
            body_digest=digest_of(made.fields.extra.digest),
            expires_at_s=made.until_s,
        )
    raise Unsolicited("no_matching_requirements", "this is not offered here now; ask again")


# --- wallet -------------------------------------------------------------------------------------


def read_required(value: str, *, now_s: int) -> tuple[Received, ...]:
    """The offers in a `PAYMENT-REQUIRED` value that a Farthing wallet can answer, in order.

    Entries of other schemes and networks are left out; at most `OFFERS_MAX` are taken. They stand
    until `now_s` and their own time-out. `HeaderTooLarge`, `Malformed`.
    """
    message = _REQUIRED.convert(read_header(value))
    realm = _host(message.resource.url) if message.resource is not None else ""
    description = message.resource.description if message.resource is not None else ""
    extensions = message.extensions or {}
    found: list[Received] = []
    for entry in message.accepts:
        if entry.get("scheme") != SCHEME or len(found) == OFFERS_MAX:
            continue
        try:
            received = _received(entry, extensions, now_s=now_s, description=description)
        except Refusal:
            continue
        found.append(msgspec.structs.replace(received, realm=realm))
    return tuple(found)


def readdressed(received: Received, target: str, body_digest: bytes) -> Received:
    """The same offer for another request of the site, as its gate would make it now.

    Without the seal, which is for the request that it was made for: the gate has to find the offer
    among its own. It binds the other body if it bound one.
    """
    accepted: dict[str, Json] = received.echo["accepted"]
    extra = {name: said for name, said in accepted["extra"].items() if name != "seal"}
    digest = body_digest if received.body_digest else b""
    extra |= {"target": target} | ({"digest": digest_text(digest)} if digest else {})
    return msgspec.structs.replace(
        received,
        target=target,
        body_digest=digest,
        echo={**received.echo, "accepted": {**accepted, "extra": extra}},
    )


def repriced(received: Received, price_micro: int) -> Received:
    """The same offer at another price, as its gate would make it if nothing else changes by it."""
    accepted = {**received.echo["accepted"], "amount": money.to_wire(price_micro)}
    return msgspec.structs.replace(
        received,
        offer=msgspec.structs.replace(received.offer, price_micro=price_micro),
        echo={**received.echo, "accepted": accepted},
    )


def read_entry(entry: dict[str, Json], *, now_s: int) -> Received:
    """The offer in one entry of `accepts`: all that a stock payer's scheme object is shown.

    The realm is the host of `extra.site`; the payment is to have an identifier, see `identified`.
    `Malformed`, and what `offer_of` refuses.
    """
    if entry.get("scheme") != SCHEME:
        raise Unsupported("method_unsupported", f"the scheme here is {SCHEME}")
    try:
        codec.read_json(codec.canonical(entry))  # whoever read it may know no limits
    except UnicodeEncodeError:
        raise Malformed("json_surrogate", "a lone surrogate is not text") from None
    received = _received(entry, _IDENTIFIER_OFFERED, now_s=now_s, description="")
    return msgspec.structs.replace(received, realm=_host(received.site))


def _received(
    entry: dict[str, Json], extensions: dict[str, Json], *, now_s: int, description: str
) -> Received:
    fields = ENTRIES.convert(entry)
    return Received(
        dialect="x402",
        offer=offer_in(fields, description),
        realm="",
        site=fields.extra.site,
        target=fields.extra.target,
        expires_at_s=now_s + fields.max_timeout_seconds,
        body_digest=digest_of(fields.extra.digest),
        echo={"accepted": entry, "extensions": extensions},
    )


def read_header(value: str) -> Json:
    """The JSON of one header; `HeaderTooLarge`, `Malformed`."""
    if len(value) > HEADER_BYTES_MAX:
        raise HeaderTooLarge("too_large", f"an x402 header has at most {HEADER_BYTES_MAX} bytes")
    return codec.read_json(codec.unb64(value))


def _host(url: str) -> str:
    try:
        return urlsplit(url).netloc
    except ValueError:
        raise Malformed("resource_url_malformed", "the resource's address is no URL") from None


def identified(payload: Mapping[str, Json], payment_id: str) -> dict[str, Json]:
    """`payload` as a stock payer's scheme object returns it, to go out under `payment_id`.

    Two payments may have equal payloads: a chain's word that was given back is used again.
    """
    return {**payload, _MEMBER: {IDENTIFIER: {"info": {"id": payment_id}}}}


def key_of(received: Received, payload: Json, payment_id: str) -> str:
    """K of the payment that `payment` writes: its identifier if that goes out."""
    offered = received.echo["extensions"].get(IDENTIFIER)
    return payment_id if isinstance(offered, dict) else _key(codec.canonical(payload))


def payment(received: Received, payload: Json, payment_id: str) -> str:
    """The `PAYMENT-SIGNATURE` value that pays `received`.

    `payment_id` (16-128 of letters, digits, `-` and `_`) goes out if the vendor offered the
    extension; the same id promises the same payload.
    """
    assert _PAYMENT_ID.fullmatch(payment_id), "a payment id is 16-128 of A-Z a-z 0-9 _ -"
    extensions = dict(received.echo["extensions"])
    offered = extensions.get(IDENTIFIER)
    if isinstance(offered, dict):
        info = offered.get("info")
        info = info if isinstance(info, dict) else {"required": False}
        extensions[IDENTIFIER] = {**offered, "info": {**info, "id": payment_id}}
    message = {
        "x402Version": VERSION,
        "accepted": received.echo["accepted"],
        "payload": payload,
    }
    if extensions:
        message["extensions"] = extensions
    return codec.b64(codec.canonical(message))
