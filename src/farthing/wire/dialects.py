"""All dialects at once: which credential a request carries, and how an answer is written.

MPP, x402 and X-Cashu ride in one response; a payment is answered in the dialect it came in. Source:
the project's wire format, sections 3, 4, 6 and 7.
"""

from collections.abc import Callable, Iterable, Sequence

from farthing import ids
from farthing.errors import BadRequest, Malformed, Refusal, Unpaid, row_of
from farthing.schemes.contract import Dialect, Json, Key, Offer
from farthing.wire import mpp, problems, x402, x402_entry, x402_response, xcashu
from farthing.wire.authparams import Part, quoted, read_parts
from farthing.wire.offers import Credential, Receipt, Tender

Headers = tuple[tuple[bytes, bytes], ...]

# Nobody but the gate reads these; `authorization` may hold a login of the site's own beside ours.
CREDENTIAL_HEADERS = frozenset({b"payment-authorization", b"payment-signature", xcashu.HEADER})
_LOGIN = b"authorization"
_OURS = mpp.SCHEME.encode() + b" "
PRIVATE = (b"cache-control", b"private")


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

    `tender` makes the offers that the gate would make now, which an x402 payment must match, and of
    which a Cashu token pays one. `BadRequest` for two payments; otherwise the refusals of the
    dialect. An expired challenge is the caller's to refuse: it may be the repeat of a payment that
    was taken.
    """
    sent = _sent(headers)
    if sent is None:
        raise Unpaid("payment_required", "pay one of the offers")
    dialect, name, token = sent
    if dialect == "x402":
        return x402.matched(x402.read_payment(token), tender(), keys)
    if dialect == "cashu":
        return xcashu.matched(xcashu.read_token(token), tender())
    return mpp.read_credential(token, realm=realm, keys=keys, target=target, header=name)


def claimed(headers: Sequence[tuple[bytes, bytes]]) -> Credential | None:
    """The payment in a request, nothing of it verified; None without a whole one.

    Enough to tell whether it came before: the payment digest covers K and payload.
    """
    try:
        sent = _sent(headers)
        if sent is None:
            return None
        dialect, _, token = sent
        return _CLAIMED[dialect](token)
    except Refusal:
        return None


_CLAIMED: dict[Dialect, Callable[[str], Credential]] = {
    "mpp": mpp.claimed,
    "x402": x402.read_payment,
    "cashu": xcashu.read_token,
}
_HEADERS: dict[bytes, Dialect] = {b"payment-signature": "x402", xcashu.HEADER: "cashu"}


def _sent(headers: Sequence[tuple[bytes, bytes]]) -> tuple[Dialect, str, str] | None:
    """Dialect, header and token of the one payment; `BadRequest` for more than one."""
    found: list[tuple[Dialect, str, str]] = []
    if (authorization := mpp.find_authorization(headers)) is not None:
        found.append(("mpp", *authorization))
    for name, value in headers:
        if (dialect := _HEADERS.get(name)) is not None:
            found.append((dialect, name.decode(), value.decode("latin-1")))
    if len(found) > 1:
        raise BadRequest("two_credentials", "send one payment in a request")
    return found[0] if found else None


def without_credentials(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """What the site behind the gate may see: every header but payments, its own logins whole."""
    kept: list[tuple[bytes, bytes]] = []
    for name, value in headers:
        if name in CREDENTIAL_HEADERS:
            continue
        if name == _LOGIN:
            if _is_ours_alone(value):
                continue
            if mpp.SCHEME.encode() in value.lower():
                value = _logins(value.decode("latin-1")).encode("latin-1")
                if not value:
                    continue
        kept.append((name, value))
    return kept


def _is_ours_alone(line: bytes) -> bool:
    """Whether one Payment credential is all there is, as nearly always; False tells nothing."""
    return line[: len(_OURS)].lower() == _OURS and b"," not in line


def _logins(line: str) -> str:
    """An `Authorization` line without our credentials; empty where nothing else is in it."""
    try:
        parts = read_parts(line)
    except Malformed:
        return "" if line.strip().lower().startswith(mpp.SCHEME) else line
    if all(part.scheme != mpp.SCHEME for part in parts):
        return line
    return ", ".join(_spelled(part) for part in parts if part.scheme != mpp.SCHEME)


def _spelled(part: Part) -> str:
    params = ", ".join(f"{name}={quoted(value)}" for name, value in part.params)
    return " ".join(piece for piece in (part.scheme, part.token, params) if piece)


def _has_login(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Whether `Authorization` is taken by a login of the site's own."""
    return any(name == _LOGIN and _logins(value.decode("latin-1")) for name, value in headers)


def refusal(
    wrong: Refusal,
    *,
    headers: Sequence[tuple[bytes, bytes]],
    tender: Tender | None,
    key: Key,
    nonce: bytes,
    value_moved: bool = False,
    network: str = "",
) -> tuple[int, Headers, bytes]:
    """Status, headers and body of a refusal; fresh offers where its row is 402.

    `headers` are the request's; `tender` may be None where the row is another. `network`, else that
    of the offers, is told to the payer of an x402 payment.
    """
    in_x402 = header(headers, b"payment-signature") is not None
    in_cashu = header(headers, xcashu.HEADER) is not None
    row = row_of(wrong, value_moved=value_moved, in_cashu=in_cashu)
    if tender is not None and row.status == 402:
        added, body = problems.payment_required(
            tender,
            wrong,
            key=key,
            nonce=nonce,
            accept_payment=header(headers, b"accept-payment"),
            use_header=_has_login(headers),
            of_payment=in_x402,
        )
        return 402, added, body
    if tender is not None:
        network = network or ids.network(tender.offers[0].broker_id)
    told = network if in_x402 else ""
    return problems.problem(wrong, value_moved=value_moved, in_cashu=in_cashu, network=told)


def receipt_headers(receipt: Receipt, dialect: Dialect) -> Headers:
    """What a paid answer carries in its dialect."""
    if dialect == "x402":
        return ((b"payment-response", x402_response.response(receipt).encode()), PRIVATE)
    if dialect == "cashu":
        return (*xcashu.receipt_headers(receipt), PRIVATE)
    return ((b"payment-receipt", mpp.receipt_header(receipt).encode()), PRIVATE)


def settlement(offer: Offer, payload: Json, tender: Tender) -> dict[str, Json]:
    """The facilitator's message about a payment, in x402's words whatever it came in.

    `payload` is what the scheme's mint redeems. Which page it is for is none of the broker's
    business.
    """
    entry = x402_entry.requirements(tender, offer)
    for name in ("site", "target", "digest"):
        entry["extra"].pop(name, None)
    payment = {"x402Version": x402.VERSION, "accepted": entry, "payload": payload}
    return {
        "x402Version": x402.VERSION,
        "paymentPayload": payment,
        "paymentRequirements": entry,
    }
