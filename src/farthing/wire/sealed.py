"""The private endpoint's messages: a whole request, and a whole answer, each inside one seal.

    envelope  {payerId, sealed}            what an observer sees; `payerId` names the key (hex)
    request   {method, pathQuery, headers, body?, amount?, payload?}
    answer    {sealed}, and in it {status, headers, body?}

Headers are pairs, since some come twice; a body is base64url. `amount` is the price that the payer
took from the vendor's list: another one is refused, never charged. The answer is what the public
door would have sent in MPP, receipt header included, without offers. A request without a payload
is an enquiry at the outcome endpoint. Source: the project's wire format, section 17.
"""

import hashlib
import re

import msgspec

from farthing import codec, money
from farthing.crypto import sealing
from farthing.errors import BadRequest, Malformed, Refusal, TooLarge, Unsolicited
from farthing.schemes.contract import Json
from farthing.wire.objects import read_object
from farthing.wire.offers import Credential, Tender

Headers = tuple[tuple[str, str], ...]

SEALED_BYTES_MAX = sealing.NONCE_BYTES + sealing.MESSAGE_BYTES_MAX + sealing.TAG_BYTES
ENVELOPE_BYTES_MAX = SEALED_BYTES_MAX * 4 // 3 + 256  # base64url, and the names around it
PLAIN_BYTES_MAX = sealing.MESSAGE_BYTES_MAX - 4  # of one message, its length in front
OWNER_BYTES_MAX = 32  # of the name of a payer's key
HEADERS_MAX = 64  # of a request: as many members as any list of ours
HEADERS_BYTES_MAX = 32 * 1024  # of a request, as at the public door
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

# What a payer may say to the site from inside the seal. A proxy before the gate adds and strips
# headers of its own, which the site believes; it cannot do so here, so nothing else goes through.
SAYABLE = frozenset(
    {
        "accept",
        "accept-encoding",
        "accept-language",
        "authorization",
        "content-encoding",
        "content-language",
        "content-type",
        "cookie",
        "idempotency-key",
        "if-match",
        "if-modified-since",
        "if-none-match",
        "if-unmodified-since",
        "range",
        "user-agent",
    }
)
_TARGET = re.compile(r"/[!-\"$-~]*")  # visible ASCII, without a space, nor a fragment
_VALUE = re.compile(r"[\t -~\x80-\xff]*")  # what a header may hold, RFC 9110 section 5.5


class _Envelope(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    payer_id: str = msgspec.field(name="payerId")
    sealed: str


class _Answer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    status: int
    headers: Headers
    body: str = ""


class _Sealed(msgspec.Struct, frozen=True, kw_only=True):
    sealed: str


class _Request(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    omit_defaults=True,
    rename="camel",
):
    method: str
    path_query: str
    headers: Headers
    body: str = ""
    amount: str = ""
    payload: Json = None


_ENVELOPES = codec.Reader(_Envelope)
_REQUESTS = codec.Reader(_Request)


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """A request as it came out of its seal. Its repr shows no more than an observer sees."""

    method: str
    path_query: str
    headers: Headers
    """Names in lower case, each of `SAYABLE`."""
    body: bytes
    amount_micro: int
    """What the payer means to pay; 0 in an enquiry."""
    payload: bytes
    """The scheme's payment, canonical JSON; empty in an enquiry."""

    def __repr__(self) -> str:
        """The name only."""
        return "Asked()"


def key_of(payload: bytes) -> str:
    """K of a payment at the private endpoint: SHA-256 of its canonical payload."""
    return "private:" + codec.b64u(hashlib.sha256(payload).digest())


def write_envelope(owner: bytes, sealed: bytes) -> bytes:
    """What goes over the line."""
    return codec.canonical({"payerId": owner.hex(), "sealed": codec.b64u(sealed)})


def read_envelope(raw: bytes) -> tuple[bytes, bytes]:
    """The name of the payer's key, and what is sealed; `Malformed`, `TooLarge`."""
    if len(raw) > ENVELOPE_BYTES_MAX:
        raise TooLarge("private_message_too_large", f"at most {ENVELOPE_BYTES_MAX} bytes")
    found = _ENVELOPES.read(raw)
    if len(found.payer_id) > 2 * OWNER_BYTES_MAX or not re.fullmatch("[0-9a-f]+", found.payer_id):
        raise Malformed("payer_malformed", "a payer is named in hex")
    try:
        owner = bytes.fromhex(found.payer_id)
    except ValueError:
        raise Malformed("payer_malformed", "a payer is named in hex") from None
    return owner, codec.unb64u(found.sealed)


def write_request(
    *,
    method: str,
    path_query: str,
    headers: Headers = (),
    body: bytes = b"",
    amount_micro: int = 0,
    payload: Json = None,
) -> bytes:
    """A request, ready to be sealed; `BadRequest` for what no private request may say."""
    kept = tuple((name.lower(), value) for name, value in headers)
    _require_sayable(method, path_query, kept)
    return codec.canonical(
        _Request(
            method=method,
            path_query=path_query,
            headers=kept,
            body=codec.b64u(body),
            amount=money.to_wire(amount_micro) if payload is not None else "",
            payload=payload,
        )
    )


def read_request(plain: bytes) -> Asked:
    """What came out of a seal; `BadRequest` for anything else."""
    try:
        found = _REQUESTS.read(plain)
        payload = b""
        if found.payload is not None:
            payload = read_object(codec.canonical(found.payload))[1]
        asked = Asked(
            method=found.method,
            path_query=found.path_query,
            headers=found.headers,
            body=codec.unb64u(found.body),
            amount_micro=money.from_wire(found.amount) if payload else 0,
            payload=payload,
        )
    except Refusal as wrong:
        raise BadRequest("private_request_malformed", wrong.detail) from None
    _require_sayable(asked.method, asked.path_query, asked.headers)
    return asked


def _require_sayable(method: str, path_query: str, headers: Headers) -> None:
    """`BadRequest` for what the site behind the gate would read in another way than we do."""
    if method not in METHODS or not _TARGET.fullmatch(path_query):
        raise BadRequest("private_request_malformed", "a method, and a path that begins with /")
    size_bytes = len(path_query)
    for name, value in headers:
        if name not in SAYABLE:
            raise BadRequest("private_header_unsupported", f"{name[:32]!r} is not sent in private")
        if not _VALUE.fullmatch(value):
            raise BadRequest("private_header_malformed", f"{name} holds what no header may")
        size_bytes += len(name) + len(value)
    if len(headers) > HEADERS_MAX or size_bytes > HEADERS_BYTES_MAX:
        raise BadRequest("private_headers_too_large", f"at most {HEADERS_BYTES_MAX} bytes")


def write_answer(status: int, headers: Headers, body: bytes) -> bytes:
    """An answer, ready to be sealed; `TooLarge` where no seal holds it."""
    plain = codec.canonical(_Answer(status=status, headers=headers, body=codec.b64u(body)))
    if len(plain) > PLAIN_BYTES_MAX:
        raise too_large()
    return plain


def too_large() -> TooLarge:
    """The refusal for an answer that no seal holds: too long, or a stream."""
    return TooLarge("private_answer_too_large", "this answer does not fit a sealed one")


def read_answer(plain: bytes) -> tuple[int, Headers, bytes]:
    """Status, headers and body that came out of a seal; `Malformed`."""
    found = codec.read_open(plain, _Answer)
    return found.status, found.headers, codec.unb64u(found.body)


def write_sealed(sealed: bytes) -> bytes:
    """The body of a sealed answer."""
    return codec.canonical({"sealed": codec.b64u(sealed)})


def read_sealed(raw: bytes) -> bytes:
    """What is sealed in the body of an answer; `Malformed`."""
    return codec.unb64u(codec.read_open(raw, _Sealed).sealed)


def matched(credential: Credential, tender: Tender, scheme: str) -> Credential:
    """With the offer of `tender` in this scheme; `Unsolicited` where there is none."""
    for offer in tender.offers:
        if offer.scheme == scheme:
            return msgspec.structs.replace(credential, offer=offer)
    raise Unsolicited("scheme_not_listed", "this page is not sold so now; fetch the list again")


def require_price(amount_micro: int, due_micro: int) -> None:
    """`Unsolicited` unless the payer means to pay what is due, which may depend on who it is."""
    if amount_micro != due_micro:
        raise Unsolicited("price_changed", "the price is another now; fetch the list again")
