"""What a wallet receives in a 402 and sends back, made without a request."""

import secrets
from typing import Literal

import msgspec

from bench.payments import at_now
from farthing.schemes.contract import Binding, Json
from farthing.vendor.commands import Request
from farthing.vendor.gate import CHALLENGE_KEY, Gate
from farthing.vendor.prices import Priced
from farthing.wire import mpp, x402
from farthing.wire.offers import Received, target_of

LATE_S = 86_400  # challenges stand for a day: the payments are made before the load begins

Dialect = Literal["mpp", "x402"]
HEADERS: dict[Dialect, str] = {"mpp": "Authorization", "x402": "PAYMENT-SIGNATURE"}


def receive(gate: Gate, priced: Priced, path: str, dialect: Dialect) -> Received:
    """The gate's first offer for `GET path`, with a day to answer it."""
    request = Request(method="GET", scheme="http", host="", path=path, path_query=path, headers=())
    tender = gate.tender(request, priced, at_now())
    tender = msgspec.structs.replace(tender, expires_at_s=tender.expires_at_s + LATE_S)
    key = gate.setting.ring.current(CHALLENGE_KEY)
    if dialect == "x402":
        return x402.read_required(x402.required(tender, error="", key=key), now_s=at_now().now_s)[0]
    value = mpp.challenge(tender, tender.offers[0], key=key, nonce=secrets.token_bytes(8))
    return mpp.read_challenges([value])[0]


def binding(realm: str, path: str, dialect: Dialect) -> Binding:
    """What a payment for `GET path` is tied to."""
    return Binding(
        dialect=dialect,
        k="",
        method="GET",
        host=realm,
        path_query=path,
        target=target_of("GET", path),
    )


def header_value(received: Received, payload: Json) -> str:
    """The value of the header that pays."""
    if received.dialect == "mpp":
        return mpp.authorization(received, payload)[1]
    return x402.payment(received, payload, secrets.token_hex(16))
