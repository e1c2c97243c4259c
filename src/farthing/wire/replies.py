"""`Farthing-Reply`: the vendor's word that a page is its answer to this payment, unaltered.

::

    Farthing-Reply: whole mac:<base64url>       status, content type, coding and body are covered
    Farthing-Reply: stream mac:<base64url>      the body is not: it was still coming

    digest = SHA-256( enc(status, content-type, content-encoding, extent) | body )

The scheme makes the code, over the digest and the change; one without a key that payer and vendor
share makes none. A receipt is stored and sent again byte for byte while a page may change, so this
is a header of its own, made for each answer. Source: ours.
"""

import hashlib
from collections.abc import Iterable
from functools import lru_cache
from hmac import compare_digest
from typing import Any, Literal

from farthing import codec
from farthing.errors import Forged
from farthing.schemes.contract import Replier

HEADER = b"farthing-reply"
HEADS_CACHED = 1024  # a site has few statuses and types of content
Extent = Literal["whole", "stream"]
_MAC = "mac:"


def _begun(status: int, headers: Iterable[tuple[bytes, bytes]], extent: Extent) -> Any:
    """The hash of an answer before its body; `headers` as they go out, names in lower case."""
    kind = coding = b""
    for name, value in headers:
        if name == b"content-type":
            kind = value
        elif name == b"content-encoding":
            coding = value
    return hashlib.sha256(_head(status, kind, coding, extent))  # processors help with it


@lru_cache(maxsize=HEADS_CACHED)
def _head(status: int, kind: bytes, coding: bytes, extent: Extent) -> bytes:
    return codec.enc(status, kind, coding, extent)


def sign(
    replier: Replier,
    change: object,
    status: int,
    headers: Iterable[tuple[bytes, bytes]],
    body: bytes | None,
) -> bytes:
    """The header's value for an answer with this body; None: it streams."""
    extent: Extent = "stream" if body is None else "whole"
    summary = _begun(status, headers, extent)
    if body:
        summary.update(body)
    code = replier(change, summary.digest())
    return f"{extent} {_MAC}{codec.b64u(code)}".encode()


class Checking:
    """Holds an answer against its header, while the body comes."""

    def __init__(
        self,
        replier: Replier,
        change: object,
        status: int,
        headers: Iterable[tuple[bytes, bytes]],
        value: str,
    ) -> None:
        """`Forged` `reply_unsigned` where `value` is none; `reply_altered` for a wrong head."""
        extent, _, code = value.partition(" ")
        if extent not in {"whole", "stream"} or not code.startswith(_MAC):
            raise Forged("reply_unsigned", "the page is not signed by the vendor; it is paid for")
        self.covers_body = extent == "whole"
        self._replier, self._change, self._code = replier, change, code[len(_MAC) :]
        self._summary = _begun(status, headers, "whole" if self.covers_body else "stream")
        if not self.covers_body:
            self.require()

    def add(self, part: bytes) -> None:
        """One part of the body, as it came over the wire."""
        if self.covers_body:
            self._summary.update(part)

    def require(self) -> None:
        """`Forged` `reply_altered` unless everything that is covered came as the vendor sent it."""
        expected = codec.b64u(self._replier(self._change, self._summary.digest()))
        if not compare_digest(expected.encode(), self._code.encode()):
            raise Forged("reply_altered", "somebody changed the page on its way; it is paid for")
