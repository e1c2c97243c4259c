"""One payment at the gate: what is known of it, what is stored of it, what is sent of it."""

import hashlib
from functools import lru_cache
from typing import Any

import msgspec

from farthing import codec
from farthing.schemes.contract import At, Dialect, Json, Offer, Replier, Taken, Till
from farthing.vendor.commands import Answer, AskOrigin, Headers, OriginAnswered, Request
from farthing.vendor.metering import Stream
from farthing.vendor.prices import Priced
from farthing.wire import dialects, replies, xcashu
from farthing.wire.offers import TARGETS_CACHED, Credential, Receipt

# What an origin says in these headers is not for the payer: the gate says it.
RESERVED = frozenset(
    {
        b"cache-control",
        b"cdn-cache-control",
        b"cloudflare-cdn-cache-control",
        b"edge-control",
        b"expires",
        b"payment-receipt",
        b"payment-response",
        b"payment-outcome",
        b"pragma",
        b"surrogate-control",
        b"vercel-cdn-cache-control",
        b"x-accel-expires",
        replies.HEADER,
        xcashu.CHANGE_HEADER,
    }
)
BODILESS = frozenset({204, 304})
NO_PAGE = OriginAnswered(status=200, headers=(), body=b"")  # to what buys none: a receipt says it
NO_STORE = b"no-store"
_UNSTORED = (b"cache-control", NO_STORE)
NOT_CHARGED: Headers = ((b"payment-outcome", b"released"), _UNSTORED)


class Outcome(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What is stored with a confirmed payment."""

    status: int
    dialect: Dialect
    receipt: Receipt
    stored: bool = False
    """Whether the page is kept beside it for a while, under `page_key`."""
    delivered: bool = False
    """Whether it bought no page: a repeat gets the receipt, whatever the time."""
    streamed: bool = False
    """Whether it opened a stream, which nobody gets a second time."""


def page_key(receipt: Receipt) -> bytes:
    """The record with what the origin answered: it goes much sooner than the outcome."""
    return b"gate/page/" + receipt.receipt_id.encode()


class Kept(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What is stored with a hold, whatever the scheme."""

    scheme: str
    owner: bytes
    payload_hash: bytes
    till: bytes
    begun: bytes = b""
    """The payment as it came, sealed, where the broker is asked to pay before the page: then a
    hold alone does not tell what moved."""


class Paying(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One payment under way."""

    request: Request
    priced: Priced
    credential: Credential
    offer: Offer
    till: Till
    payment: Any
    """The till's own, as it was read."""
    taken: Taken
    digest: bytes
    payload_hash: bytes
    endorsed: Json
    """What the broker redeems, where this payment clears before the goods go out; else None."""
    at: At
    begun: bytes = b""
    """Of a payment with `endorsed`: itself, sealed, for its hold."""
    stream: Stream | None = None
    """What it opens."""
    voucher_for: bytes = b""
    """The record of the stream that it pays on; empty where it pays on none."""
    stream_paid_micro: int = 0
    """At least so much is paid on that stream by now, this payment included."""

    def __repr__(self) -> str:
        """The payment's name only."""
        return f"Paying({self.taken!r})"


def target_hash(request: Request) -> bytes:
    """What a payment digest says about the request, 32 bytes."""
    return _target_hash(request.method, request.host, request.path_query, request.body_digest)


@lru_cache(maxsize=TARGETS_CACHED)
def _target_hash(*fields: str | bytes) -> bytes:
    return hashlib.sha256(codec.enc(*fields)).digest()


def payment_digest(k: str, payload_hash: bytes, target: bytes) -> bytes:
    """Two payments are the same exactly if these 32 bytes are."""
    return hashlib.sha256(codec.enc(k, payload_hash, target)).digest()


def ask_origin(
    priced: Priced, paid_by: Taken | Receipt, currency: str, *, replay: bool = False
) -> AskOrigin:
    """The request to the origin, with what it may know of the payment."""
    amount_micro = paid_by.value_micro if isinstance(paid_by, Taken) else paid_by.amount_micro
    add: list[tuple[bytes, bytes]] = [
        (b"x-pay-payer", paid_by.payer.encode()),
        (b"x-pay-amount", str(amount_micro).encode()),
        (b"x-pay-currency", currency.encode()),
        (b"x-pay-ref", paid_by.reference.encode()),
    ]
    if isinstance(paid_by, Receipt):  # the payment is in our store for good
        add.append((b"x-pay-receipt", paid_by.receipt_id.encode()))
    if replay:
        add.append((b"x-pay-replay", b"true"))
    return AskOrigin(
        add=tuple(add),
        timeout_s=priced.route.origin_timeout_s,
        streams=priced.meter is not None,
    )


def paid(
    receipt: Receipt,
    origin: OriginAnswered,
    dialect: Dialect,
    replier: Replier | None,
    *,
    method: str,
) -> Answer:
    """The origin's answer with the receipt on it; what it wants stored nowhere stays so.

    `replier` signs it for the payer, as far as it is there: a stream's head only.
    """
    headers: list[tuple[bytes, bytes]] = []
    is_stored = True
    for pair in origin.headers:
        if pair[0] not in RESERVED:
            headers.append(pair)
        elif pair[0] == b"cache-control" and NO_STORE in pair[1]:
            is_stored = False
    added = dialects.receipt_headers(receipt, dialect)
    if not is_stored:
        added = (*(pair for pair in added if pair[0] != b"cache-control"), _UNSTORED)
    if replier is not None:
        body = origin.body
        if body and (method == "HEAD" or origin.status in BODILESS):
            body = b""  # it never goes out
        reply = replies.sign(replier, receipt.change, origin.status, headers, body)
        headers.append((replies.HEADER, reply))
    return Answer(
        status=origin.status,
        headers=(*headers, *added),
        body=origin.body,
        charged_micro=receipt.amount_micro,
    )


def passed_on(origin: OriginAnswered) -> Answer:
    """The origin's failure, with word that nothing was charged."""
    kept = tuple(pair for pair in origin.headers if pair[0] not in RESERVED)
    return Answer(status=origin.status, headers=(*kept, *NOT_CHARGED), body=origin.body)
