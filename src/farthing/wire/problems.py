"""Refusals over HTTP: the problem body, its headers, and the 402 with every offer.

Source: the project's wire format, sections 3.2, 4, 7, 13 and 16, over RFC 9457. Status, type and
`Retry-After` come from `errors.ROWS`; no body holds a credential, word, coin or key.
"""

import msgspec

from farthing import codec, ids
from farthing.errors import Fault, Misconfigured, Refusal, Retry, Row, row_of
from farthing.schemes.contract import Key, Offer
from farthing.wire import mpp, x402, x402_response, xcashu
from farthing.wire.accept import order
from farthing.wire.offers import OFFERS_MAX, Tender

REGISTRY_PROBLEMS = "https://paymentauth.org/problems/"
PROJECT_PROBLEMS = "https://farthing.example/problems/"
OFFER_HEADERS_BYTES_MAX = 7 * 1024  # proxies buffer 4 to 8 KiB of an answer's head by default
_OWN = "own/"

Headers = tuple[tuple[bytes, bytes], ...]


class _Problem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    type: str
    title: str
    status: int
    detail: str
    code: str
    fault: Fault
    retry: Retry
    challenge_id: str = ""
    reference: str = ""


def problem(
    refusal: Refusal,
    *,
    value_moved: bool = False,
    in_cashu: bool = False,
    challenge_id: str = "",
    reference: str = "",
    network: str = "",
) -> tuple[int, Headers, bytes]:
    """Status, raw headers and body of a refusal.

    `value_moved` and `in_cashu` as in `errors.row_of`. `network` is that of a refused x402 payment,
    whose payer is also told by `PAYMENT-RESPONSE`; `reference`, or the fact of that name, is the
    transaction that is pending, if any. A 402 needs offers: see `payment_required`.
    """
    row = row_of(refusal, value_moved=value_moved, in_cashu=in_cashu)
    reference = reference or str(refusal.facts.get("reference", ""))
    headers = [(b"content-type", b"application/problem+json"), (b"cache-control", b"no-store")]
    if row.retry_after_s:
        headers.append((b"retry-after", b"%d" % row.retry_after_s))
    if network:
        told = x402_response.failure(
            refusal, network=network, transaction=reference, value_moved=value_moved
        )
        headers.append((b"payment-response", told.encode()))
    form = _Problem(
        type=_type(row),
        title=_title(row),
        status=row.status,
        detail=refusal.detail,
        code=refusal.code,
        fault=refusal.fault,
        retry=row.retry,
        challenge_id=challenge_id,
        reference=reference,
    )
    # What the dialects fix comes last: no fact of a refusal can take its place.
    body = {**refusal.facts, **msgspec.to_builtins(form)} if refusal.facts else form
    return row.status, tuple(headers), codec.canonical(body)


def _type(row: Row) -> str:
    if row.slug.startswith(_OWN):
        return PROJECT_PROBLEMS + row.slug.removeprefix(_OWN)
    return REGISTRY_PROBLEMS + row.slug


def _title(row: Row) -> str:
    return row.slug.rpartition("/")[2].replace("-", " ").title()


def payment_required(
    tender: Tender,
    refusal: Refusal,
    *,
    key: Key,
    nonce: bytes,
    accept_payment: str | None = None,
    use_header: bool = False,
    of_payment: bool = False,
) -> tuple[Headers, bytes]:
    """Headers and body of a 402: every offer, in all dialects, and why it is asked.

    `refusal` is `Unpaid`, or what was wrong with a payment whose row is 402; `of_payment` says that
    an x402 payment was refused. Offers stand in the payer's order of preference
    (`accept_payment`), at most 8 and as many as `OFFER_HEADERS_BYTES_MAX` holds; `Misconfigured`
    where that is none. `key`, `nonce`, `use_header` as in `mpp.challenge`.
    """
    offers = order(tender.offers, accept_payment)[:OFFERS_MAX]
    error = x402_response.reason_of(refusal, row_of(refusal))
    challenges = _challenges(tender, offers, key=key, nonce=nonce, use_header=use_header)
    added = _offer_headers(tender, offers, challenges, error, key)
    status, headers, body = problem(
        refusal,
        challenge_id=mpp.challenge_id(challenges[0]),
        network=ids.network(offers[0].broker_id) if of_payment else "",
    )
    assert status == 402, "offers go out with a 402 only"
    return (*added, *headers), body


def _challenges(
    tender: Tender, offers: tuple[Offer, ...], *, key: Key, nonce: bytes, use_header: bool
) -> list[str]:
    return [
        mpp.challenge(tender, offer, key=key, nonce=nonce, use_header=use_header)
        for offer in offers
    ]


def _offer_headers(
    tender: Tender, offers: tuple[Offer, ...], challenges: list[str], error: str, key: Key
) -> Headers:
    """The offers in all dialects, the last ones dropped until the headers fit."""
    for count in range(len(offers), 0, -1):
        some = msgspec.structs.replace(tender, offers=offers[:count])
        values = [(b"www-authenticate", value.encode()) for value in challenges[:count]]
        charges = tuple(offer for offer in some.offers if offer.intent == "charge")
        if charges:  # x402 has no word for vouchers
            single = msgspec.structs.replace(some, offers=charges)
            required = x402.required(single, error=error, key=key)
            values.append((b"payment-required", required.encode()))
        if (offer := xcashu.payable(charges)) is not None:
            values.append((xcashu.HEADER, xcashu.required(offer).encode()))
        if sum(len(name) + len(value) for name, value in values) <= OFFER_HEADERS_BYTES_MAX:
            return tuple(values)
    raise Misconfigured("offer_too_large", "not one offer fits the headers of a 402")
