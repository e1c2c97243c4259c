"""What a vendor asks for, as one string: `creqA ‖ base64url(CBOR {i, a, u, s, m, d, t, nut10})`.

At a gate it has no transport: the coins come in the header of the repeated request. Source: NUT-18,
NUT-24.
"""

import base64

import msgspec

from farthing import cbor
from farthing.errors import Malformed, TooLarge
from farthing.schemes.coin.cashu.tokens import unbase64

PREFIX = "creqA"
REQUEST_CHARS_MAX = 16 * 1024  # as long as a header may be


class Transport(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How a wallet may deliver the coins."""

    t: str
    """Kind: `nostr`, `post`."""
    a: str
    """Address."""
    g: tuple[tuple[str, ...], ...] = ()
    """Tags."""


class Wanted(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The lock that the coins must have."""

    k: str
    """Kind, as `P2PK`."""
    d: str
    """Data."""
    t: tuple[tuple[str, ...], ...] = ()
    """Tags."""


class PaymentRequest(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A payment request, with the specification's own names."""

    i: str = ""
    """Id."""
    a: int | None = None
    """Amount; None for as much as the payer likes."""
    u: str = ""
    """Unit."""
    s: bool | None = None
    """Whether it is to be paid once only."""
    m: tuple[str, ...] = ()
    """Mints."""
    d: str = ""
    """Description."""
    t: tuple[Transport, ...] = ()
    nut10: Wanted | None = None


def write(request: PaymentRequest) -> str:
    """The string of a request."""
    return PREFIX + base64.urlsafe_b64encode(cbor.write(msgspec.to_builtins(request))).decode()


def read(text: str) -> PaymentRequest:
    """The request in a string; `Malformed`, `TooLarge`."""
    if len(text) > REQUEST_CHARS_MAX:
        raise TooLarge("request_too_large", f"at most {REQUEST_CHARS_MAX} characters")
    if not text.startswith(PREFIX):
        raise Malformed("request_malformed", f"a payment request begins with {PREFIX}")
    try:
        return msgspec.convert(cbor.read(unbase64(text[len(PREFIX) :])), PaymentRequest)
    except msgspec.ValidationError:
        raise Malformed("request_malformed", "this is no payment request") from None
