"""Both dialects at once: which credential a request carries, and how an answer is written.

MPP and x402 ride in one response; a payment is answered in the dialect it came in. Source: the
project's wire format, sections 3, 4 and 7.
"""

from collections.abc import Callable, Iterable, Sequence

from farthing import codec, ids
from farthing.errors import BadRequest, Refusal, Unpaid, row_of
from farthing.schemes.contract import Dialect, Json, Key, Offer
from farthing.wire import mpp, problems, x402
from farthing.wire.offers import Credential, Receipt, Tender

Headers = tuple[tuple[bytes, bytes], ...]

_PRIVATE = (b"cache-control", b"private")


def header(headers: Iterable[tuple[bytes, bytes]], name: bytes) -> str | None:
    """The first header of this (lower-case) name, as text."""
    for key, value in headers:
        if key == name:
            return value.decode("latin-1")
    return None


def credential(
    headers: Sequence[tuple[bytes, bytes]],
    *,
    realm: str,
    keys: Sequence[Key],
    target: str,
    tender: Callable[[], Tender],
) -> Credential:
    """The one payment that a request carries, with the offer it answers; `Unpaid` for none.

    `tender` makes the offers that the gate would make now, which an x402 payment must match.
    `BadRequest` for two payments; otherwise the refusals of the dialect. An expired challenge is
    the caller's to refuse: it may be the repeat of a payment that was taken.
    """
    found = mpp.find_authorization(headers)
    signatures = [value for name, value in headers if name == b"payment-signature"]
    if len(signatures) + (found is not None) > 1:
        raise BadRequest("two_credentials", "send one payment in a request")
    if found is not None:
        name, token = found
        return mpp.read_credential(token, realm=realm, keys=keys, target=target, header=name)
    if signatures:
        paid = x402.read_payment(signatures[0].decode("latin-1"))
        return x402.matched(paid, tender())
    raise Unpaid("payment_required", "pay one of the offers")


def refusal(
    wrong: Refusal,
    *,
    headers: Sequence[tuple[bytes, bytes]],
    tender: Tender | None,
    key: Key,
    nonce: bytes,
    value_moved: bool = False,
) -> tuple[int, Headers, bytes]:
    """Status, headers and body of a refusal; fresh offers where its row is 402.

    `headers` are the request's; `tender` may be None only where no price applies.
    """
    with_cors = header(headers, b"origin") is not None
    in_x402 = header(headers, b"payment-signature") is not None
    if tender is not None and row_of(wrong, value_moved=value_moved).status == 402:
        added, body = problems.payment_required(
            tender,
            wrong,
            key=key,
            nonce=nonce,
            accept_payment=header(headers, b"accept-payment"),
            of_payment=in_x402,
            with_cors=with_cors,
        )
        return 402, added, body
    network = ""
    if in_x402 and tender is not None:
        network = ids.network(tender.offers[0].broker_id)
    return problems.problem(wrong, value_moved=value_moved, network=network, with_cors=with_cors)


def receipt_headers(receipt: Receipt, dialect: Dialect) -> Headers:
    """What a paid answer carries in its dialect."""
    if dialect == "x402":
        return ((b"payment-response", x402.response(receipt).encode()), _PRIVATE)
    return ((b"payment-receipt", mpp.receipt_header(receipt).encode()), _PRIVATE)


def settlement(offer: Offer, paid: Credential, tender: Tender) -> dict[str, Json]:
    """The facilitator's message about a payment, in x402's words whatever it came in."""
    entry = x402.requirements(tender, offer)
    payload = codec.read_json(paid.payload)
    payment = {"x402Version": x402.VERSION, "accepted": entry, "payload": payload}
    return {
        "x402Version": x402.VERSION,
        "paymentPayload": payment,
        "paymentRequirements": entry,
    }
