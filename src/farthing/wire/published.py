"""What a vendor publishes at its well-known addresses: its keys and its prices, signed.

    keys    {vendor, broker, keys: [{purpose, id, ed25519}], sig}
    prices  {vendor, broker, currency, free, private, routes: [{path, methods, amount, …}], sig}

`sig` is Ed25519 over `enc(tag, RFC 8785 form without sig)` under the vendor's receipt key. TLS of
the site vouches for the keys; the keys vouch for the prices. Source: the project's wire format,
section 17; the forms are ours.
"""

import re
from collections.abc import Callable
from contextlib import suppress
from functools import cached_property, lru_cache
from typing import Any
from urllib.parse import quote

import msgspec

from farthing import codec, money
from farthing.crypto import signing
from farthing.errors import Forged, Malformed
from farthing.schemes.contract import Json
from farthing.schemes.subscriptions import Plan
from farthing.wire import paths

KEYS_TAG = "farthing/vendor/keys/1"
PRICES_TAG = "farthing/vendor/prices/1"
RECEIPT_PURPOSE = "farthing/vendor/receipt/1"
WELL_KNOWN = "/.well-known/farthing"
KEYS_PATH = WELL_KNOWN + "-keys"
PRICES_PATH = WELL_KNOWN + "-prices"
OUTCOME_PATH = WELL_KNOWN + "/outcome"
PRIVATE_PATH = WELL_KNOWN + "/private"
STREAMS_PATH = WELL_KNOWN + "/streams/"
PUBLIC_KEY_BYTES = 32  # Ed25519
ROUTES_MAX = 1000  # a longer list is a mistake, and matching is linear in it
DOCUMENTS_KEPT = 16  # as they were read: a wallet asks for them before each private purchase
EVERY = "*"  # as a method: all but OPTIONS


def top_up_path(name: str, ticks: int = 0) -> str:
    """Where more is paid on a stream, by the K of its opening: for so many ticks, if it is said."""
    return STREAMS_PATH + quote(name, safe=":") + (f"?ticks={ticks}" if ticks else "")


class _PublicKey(msgspec.Struct, frozen=True, kw_only=True):
    purpose: str
    ed25519: str


class _Keys(msgspec.Struct, frozen=True, kw_only=True):
    vendor: str
    keys: tuple[_PublicKey, ...]


class Listed(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, dict=True):
    """One route of a price list."""

    path: str
    """Glob."""
    methods: tuple[str, ...]
    """The methods that cost this; `*`: every one but OPTIONS."""
    amount: str
    """Micro-units, as on the wire."""
    accept: tuple[str, ...]
    """Registry names of schemes, in the vendor's order."""
    description: str = ""
    reduced: tuple[tuple[str, str], ...] = ()
    """Properties and what payers with them pay, as on the wire; the first that fits decides."""
    requires: str = ""
    """Properties without which nobody buys."""
    plans: tuple[str, ...] = ()
    """Whose subscribers pay nothing."""
    subscription: Plan | None = None
    """What buying it begins."""
    per: str = ""
    """What the amount is for, where the route is a stream: `1s`, `16kB`, `1 message`."""

    @cached_property
    def matches(self) -> re.Pattern[str]:
        """Its glob, compiled; `OutOfRange`."""
        return paths.glob(self.path)

    @property
    def price_micro(self) -> int:
        """The price; `OutOfRange`."""
        return money.from_wire(self.amount)

    @property
    def reductions(self) -> tuple[tuple[str, int], ...]:
        """Properties and reduced prices in micro-units; `OutOfRange`."""
        return tuple((wanted, money.from_wire(amount)) for wanted, amount in self.reduced)

    def costs(self, method: str) -> bool:
        """Whether a request of this method is priced."""
        return method != paths.UNPRICED if EVERY in self.methods else method in self.methods


class PriceList(msgspec.Struct, frozen=True, kw_only=True):
    """All that a vendor sells."""

    vendor: str
    broker: str
    """Broker id."""
    currency: str
    free: tuple[str, ...] = ()
    private: tuple[str, ...] = ()
    """Registry names of the schemes that it takes at its private endpoint."""
    routes: tuple[Listed, ...]

    def find(self, method: str, path: str) -> Listed | None:
        """The route of a request, None where it is free; `OutOfRange` for a glob too wide."""
        return paths.find([paths.glob(each) for each in self.free], self.routes, method, path)


def sign(tag: str, document: object, signer: Callable[[bytes], bytes]) -> dict[str, Json]:
    """The document with the signature (64 bytes) that `signer` makes of it."""
    plain: dict[str, Json] = msgspec.to_builtins(document)
    signature = signer(codec.enc(tag, codec.canonical(plain)))
    return {**plain, "sig": "ed25519:" + codec.b64u(signature)}


@lru_cache(maxsize=DOCUMENTS_KEPT)
def read_keys(raw: bytes) -> tuple[str, tuple[bytes, ...]]:
    """The vendor and its receipt keys (32 bytes each); `Malformed`."""
    document = codec.read_open(raw, _Keys)
    return document.vendor, tuple(
        codec.unb64u(key.ed25519, size_bytes=PUBLIC_KEY_BYTES)
        for key in document.keys
        if key.purpose == RECEIPT_PURPOSE
    )


@lru_cache(maxsize=DOCUMENTS_KEPT)
def read_prices(raw: bytes, publics: tuple[bytes, ...]) -> PriceList:
    """A price list that one of these keys has signed; `Malformed`, `Forged`."""
    listed = codec.read_open(raw, PriceList)
    document: dict[str, Any] = codec.read_open(raw, dict)
    signature = str(document.pop("sig", "")).removeprefix("ed25519:")
    signed = codec.enc(PRICES_TAG, codec.canonical(document))
    if len(listed.routes) > ROUTES_MAX or len(listed.free) > ROUTES_MAX:
        raise Malformed("price_list_too_long", f"at most {ROUTES_MAX} routes")
    for public in publics:
        with suppress(Forged):
            signing.verify(public, signed, codec.unb64u(signature))
            return listed
    raise Forged("price_list_forged", "the price list is not signed with a key of the vendor")
