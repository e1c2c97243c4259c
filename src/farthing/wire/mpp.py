"""MPP, the `Payment` HTTP authentication scheme: challenges, credentials, receipts.

Source: `draft-httpauth-payment-01` and the charge intent, as the project's wire format (sections
3, 7, 13, 15) reads them. Notation::

    slots = realm | method | intent | request | expires | digest | [header |] opaque
    id    = base64url( HMAC-SHA-256( challenge key, slots ) )

`request` and `opaque` are base64url of RFC 8785 JSON and are hashed as they came. The id makes a
challenge stateless: whatever verifies was written by a holder of the key, so the offer is read
from the credential itself. The header slot stands before `opaque`, as stock packages have it.
"""

import hmac
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Literal

import msgspec

from farthing import codec, ids, money
from farthing.crypto.mac import hmac_sha256
from farthing.errors import (
    BadRequest,
    Expired,
    HeaderTooLarge,
    Malformed,
    Misconfigured,
    Refusal,
    Unsolicited,
)
from farthing.schemes import registry
from farthing.schemes.contract import Json, Key, Offer
from farthing.wire.authparams import quoted, read_parts, tokens_of
from farthing.wire.objects import read_object
from farthing.wire.offers import (
    CREDENTIAL_BYTES_MAX,
    OFFERS_MAX,
    Credential,
    Receipt,
    Received,
    Tender,
)
from farthing.wire.receipts import from_json, written
from farthing.wire.shapes import (
    DECIMALS,
    Stated,
    digest_of,
    digest_text,
    offer_of,
    require_short,
    variant_of,
)
from farthing.wire.timestamps import from_timestamp, to_timestamp

SCHEME = "payment"  # authentication schemes compare case-insensitively
OTHER_HEADER = "Payment-Authorization"  # the only value that `header` may have
NONCE_BYTES = 8
CHALLENGE_BYTES_MAX = 4 * 1024  # payers must take this much, servers should stay below 8 KiB
OPAQUE_BYTES_MAX = 512  # encoded; ours has at most 320
RECEIPT_BYTES_MAX = 16 * 1024  # encoded; change and keys ride in it
LINE_BYTES_MAX = OFFERS_MAX * CHALLENGE_BYTES_MAX  # all challenges of a 402 joined in one line
KEYS_MAX = 2  # the current challenge key and the one before
OFFERS_CACHED = 1024  # offers by their `request`: more than a vendor has prices at a time
RECEIPTS_CACHED = 16  # a wallet reads one as it settles a purchase, and again for the page
_BARS = 6  # between seven slots; `header` is the eighth


class _Details(Stated, frozen=True, kw_only=True):
    network: str


class _Request(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    amount: str
    currency: str
    recipient: str
    external_id: str = ""
    description: str = ""
    method_details: _Details


class _Opaque(msgspec.Struct, frozen=True, kw_only=True):
    n: str
    r: str


class _Challenge(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    id: str
    realm: str
    method: str
    intent: Literal["charge", "session"]
    request: str
    expires: str = ""
    digest: str = ""
    header: str = ""
    opaque: str = ""
    description: str = ""


class _Credential(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    challenge: _Challenge
    payload: msgspec.Raw
    source: str = ""


_READ_CREDENTIAL = codec.Reader(_Credential).read
_READ_REQUEST = msgspec.json.Decoder(_Request).decode
_READ_OPAQUE = msgspec.json.Decoder(_Opaque).decode
_REQUESTS = codec.Reader(_Request)
_OPAQUES = codec.Reader(_Opaque)
_CHALLENGES = codec.Reader(_Challenge)


# --- gate ---------------------------------------------------------------------------------------


def challenge(
    tender: Tender, offer: Offer, *, key: Key, nonce: bytes, use_header: bool = False
) -> str:
    """One `WWW-Authenticate` value: `offer` for the request of `tender`, under an HMAC id.

    `nonce`: 8 fresh bytes. `use_header` asks for the credential in `Payment-Authorization`, for
    sites whose own login uses `Authorization`. `Misconfigured` for an offer over a limit,
    `HeaderTooLarge` for a method that leaves no room in `opaque`.
    """
    assert len(nonce) == NONCE_BYTES, "a nonce is 8 bytes"
    opaque = codec.b64u(codec.canonical({"n": codec.b64u(nonce), "r": tender.target}))
    if len(opaque) > OPAQUE_BYTES_MAX:
        raise HeaderTooLarge("too_large", "the request line is too long to be bound")
    fields = _Challenge(
        id="",
        realm=tender.realm,
        method=registry.wire_name(offer.scheme)[0],
        intent=offer.intent,
        request=codec.b64u(codec.canonical(_request(offer))),
        expires=to_timestamp(tender.expires_at_s),
        digest=digest_text(tender.body_digest),
        header=OTHER_HEADER if use_header else "",
        opaque=opaque,
    )
    slots = _slots(fields)
    if slots is None:
        raise Misconfigured("realm_malformed", "a host name has no bar in it")
    members = msgspec.structs.asdict(fields)
    members["id"] = _id(key, slots)
    line = ", ".join(f"{name}={quoted(value)}" for name, value in members.items() if value)
    if len(line) > CHALLENGE_BYTES_MAX:
        raise Misconfigured("offer_too_large", f"an offer has at most {CHALLENGE_BYTES_MAX} bytes")
    return "Payment " + line


def challenge_id(value: str) -> str:
    """The id in a value that `challenge` wrote."""
    return value.split('"', 2)[1]


def find_authorization(headers: Iterable[tuple[bytes, bytes]]) -> tuple[str, str] | None:
    """Name of the header (lower case) and token of the one Payment credential, or None.

    `headers` are raw, with names in lower case. Credentials of other schemes are left alone, also
    beside ours in one line. `BadRequest` for two Payment credentials; the token is empty where
    a Payment credential holds none.
    """
    found: tuple[str, str] | None = None
    for name, value in headers:
        if name not in (b"authorization", b"payment-authorization"):
            continue
        for token in tokens_of(SCHEME, value.decode("latin-1")):
            if found is not None:
                raise BadRequest("two_credentials", "send one Payment credential in a request")
            found = (name.decode("ascii"), token)
    return found


def read_credential(
    value: str,
    *,
    realm: str,
    keys: Sequence[Key],
    target: str,
    header: str = "authorization",
) -> Credential:
    """The payment in a credential token, with the offer that it answers.

    `keys`: the current challenge key and the one before; `header`: where the token stood, lower
    case. Refusals: `HeaderTooLarge` `too_large`; `Malformed` `credential_malformed`, or the limit
    that the payload breaks; `Unsolicited` `challenge_for_another_target` (another site, method or
    path), `challenge_unknown`; `BadRequest` `credential_in_other_header`; `Unsupported` for a
    scheme that is gone. Expiry is not judged here, see `require_current`.
    """
    message = _parsed(value)
    fields = message.challenge
    if fields.realm != realm:
        raise Unsolicited("challenge_for_another_target", f"this challenge is not of {realm}")
    if header != (fields.header or "authorization").lower():
        raise BadRequest("credential_in_other_header", "the challenge names another header")
    _require_ours(fields, keys)
    if _READ_OPAQUE(codec.unb64u(fields.opaque)).r != target:
        raise Unsolicited("challenge_for_another_target", "this challenge is of another request")
    offer = _authentic_offer(fields.method, fields.intent, fields.request)
    return Credential(
        dialect="mpp",
        k=fields.id,
        wire_name=fields.method,
        variant=variant_of(offer.terms),
        payload=read_object(message.payload)[1],
        offer=offer,
        challenge_id=fields.id,
        source=message.source,
        expires_at_s=from_timestamp(fields.expires),
        body_digest=digest_of(fields.digest),
    )


def claimed(value: str) -> Credential:
    """What a token claims, nothing of it verified, offer and variant left out."""
    message = _parsed(value)
    return Credential(
        dialect="mpp",
        k=message.challenge.id,
        wire_name=message.challenge.method,
        variant="",
        payload=read_object(message.payload)[1],
    )


def _parsed(value: str) -> _Credential:
    if len(value) > CREDENTIAL_BYTES_MAX:
        raise HeaderTooLarge("too_large", f"a credential has at most {CREDENTIAL_BYTES_MAX} bytes")
    try:
        return _READ_CREDENTIAL(codec.unb64u(value))
    except Malformed:
        raise Malformed("credential_malformed", "expected a challenge and a payload") from None


def require_current(credential: Credential, *, now_s: int) -> None:
    """`Expired` `challenge_expired` once its challenge is over, by the clock that made it.

    Apart from `read_credential`, because a payment that was taken in time may be repeated later.
    """
    if credential.expires_at_s and now_s >= credential.expires_at_s:
        raise Expired("challenge_expired", "ask again for a fresh offer")


def _require_ours(fields: _Challenge, keys: Sequence[Key]) -> None:
    """`Unsolicited` unless one of the keys made the id."""
    assert 0 < len(keys) <= KEYS_MAX, "a challenge key has at most two live versions"
    slots = _slots(fields)
    given = fields.id.encode()
    if slots is not None:
        for key in keys:
            if hmac.compare_digest(_id(key, slots).encode(), given):
                return
    raise Unsolicited("challenge_unknown", "this challenge is not one of ours")


def _slots(fields: _Challenge) -> bytes | None:
    """What the id covers; None where a slot holds a bar, which would blur the borders."""
    header = f"{fields.header}|" if fields.header else ""
    joined = (
        f"{fields.realm}|{fields.method}|{fields.intent}|{fields.request}|{fields.expires}|"
        f"{fields.digest}|{header}{fields.opaque}"
    )
    bars = _BARS + 1 if header else _BARS
    return joined.encode() if joined.count("|") == bars else None


def _id(key: Key, slots: bytes) -> str:
    return codec.b64u(hmac_sha256(key.secret, slots))


def _request(offer: Offer) -> _Request:
    require_short(offer)
    return _Request(
        amount=money.to_wire(offer.price_micro),
        currency=money.asset_label(offer.currency),
        recipient=offer.vendor_id,
        external_id=offer.external_id,
        description=offer.description,
        method_details=_Details(
            broker=offer.broker_url,
            decimals=DECIMALS,
            display_currency=offer.currency.upper(),
            network=ids.network(offer.broker_id),
            settlement=offer.settlement,
            guarantor=offer.guarantor,
            redeem_by_s=offer.redeem_by_s,
            terms=offer.terms,
        ),
    )


@lru_cache(maxsize=OFFERS_CACHED)
def _authentic_offer(method: str, intent: Literal["charge", "session"], request: str) -> Offer:
    """The offer of a challenge that verified: only our own ones can fill the cache."""
    return _offer(method, intent, _READ_REQUEST(codec.unb64u(request)))


def _offer(method: str, intent: Literal["charge", "session"], request: _Request) -> Offer:
    return offer_of(
        request.method_details,
        wire=method,
        intent=intent,
        amount=request.amount,
        asset=request.currency,
        recipient=request.recipient,
        network=request.method_details.network,
        description=request.description,
        external_id=request.external_id,
    )


# --- wallet -------------------------------------------------------------------------------------


def read_challenges(values: Iterable[str]) -> tuple[Received, ...]:
    """The offers in `WWW-Authenticate` values that a Farthing wallet can answer, in order.

    A challenge that is of another scheme or method, over a limit, or not in order is left out, and
    so is a line that does not parse; at most `OFFERS_MAX` are taken.
    """
    found: list[Received] = []
    for value in values:
        if len(value) > LINE_BYTES_MAX:
            continue
        try:
            parts = read_parts(value)
        except Malformed:
            continue
        for part in parts:
            if part.scheme != SCHEME or len(found) == OFFERS_MAX:
                continue
            try:
                found.append(_received(part.params))
            except Refusal:
                continue
    return tuple(found)


def _received(params: tuple[tuple[str, str], ...]) -> Received:
    echo = {name: value for name, value in params if name in _Challenge.__struct_fields__}
    if len(dict(params)) != len(params) or not echo.get("id"):
        raise Malformed("challenge_malformed", "a parameter stands twice, or the id is empty")
    if sum(len(name) + len(value) for name, value in params) > CHALLENGE_BYTES_MAX:
        raise HeaderTooLarge("too_large", f"a challenge has at most {CHALLENGE_BYTES_MAX} bytes")
    fields = _CHALLENGES.convert(echo)
    if fields.header not in {"", OTHER_HEADER} or len(fields.opaque) > OPAQUE_BYTES_MAX:
        raise Malformed("challenge_malformed", "this challenge names a header that is not allowed")
    request = _REQUESTS.convert(codec.read_json(codec.unb64u(fields.request)))
    offer = _offer(fields.method, fields.intent, request)
    require_short(offer)
    target = ""
    if fields.opaque:
        target = _OPAQUES.convert(codec.read_json(codec.unb64u(fields.opaque))).r
    return Received(
        dialect="mpp",
        offer=offer,
        realm=fields.realm,
        target=target,
        expires_at_s=from_timestamp(fields.expires),
        echo=echo,
        body_digest=digest_of(fields.digest),
    )


def authorization(received: Received, payload: Json, source: str = "") -> tuple[str, str]:
    """Name and value of the header that pays `received`: the challenge echoed, and `payload`."""
    message = {"challenge": received.echo, "payload": payload}
    if source:
        message["source"] = source
    name = received.echo.get("header") or "Authorization"
    return name, "Payment " + codec.b64u(codec.canonical(message))


def receipt_header(receipt: Receipt) -> str:
    """The `Payment-Receipt` value."""
    return codec.b64u(written(receipt))


@lru_cache(maxsize=RECEIPTS_CACHED)
def read_receipt(value: str) -> Receipt:
    """The receipt in a `Payment-Receipt` value; `HeaderTooLarge`, `Malformed`, `OutOfRange`.

    The payer's pseudonym and the broker are not in it and come back empty; `k` is the challenge id.
    """
    if len(value) > RECEIPT_BYTES_MAX:
        raise HeaderTooLarge("too_large", f"a receipt has at most {RECEIPT_BYTES_MAX} bytes")
    return from_json(codec.read_json(codec.unb64u(value)))
