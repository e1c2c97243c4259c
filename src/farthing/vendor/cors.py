"""Pages of other sites that may pay here by script: the Fetch standard's headers (CORS).

A browser keeps offers and receipts from a script of another origin unless the gate allows it. Off
unless `prices.toml` names origins. Whom it names may read what the gate says and send payments;
cookies stay out of it, so what such a page gets is what anybody gets who pays. What the site behind
the gate says of other origins counts on free pages, and where nothing is named here.
"""

import re
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any, Protocol

from farthing.errors import Misconfigured
from farthing.vendor.commands import Answer, Headers
from farthing.wire import published

Scope = MutableMapping[str, Any]
Send = Callable[[Scope], Awaitable[None]]

ORIGINS_MAX = 64  # each answer to a browser looks through them
PREFLIGHT_S = 600  # for how long a browser need not ask again; its own limits are some hours
ANY = "*"
ALLOWED_HEADERS = (
    b"Authorization, Payment-Authorization, PAYMENT-SIGNATURE, X-Cashu, Accept-Payment,"
    b" Idempotency-Key, Content-Type"
)
EXPOSED_HEADERS = (
    b"PAYMENT-REQUIRED, PAYMENT-RESPONSE, WWW-Authenticate, Payment-Receipt, X-Cashu, Retry-After,"
    b" Payment-Outcome, Farthing-Reply, Farthing-Change, Link"
)
_ORIGIN = re.compile(r"https?://(?:[a-z0-9.-]{1,253}|\[[0-9a-f:]{2,39}\])(?::[0-9]{1,5})?")
_METHOD = re.compile(rb"[A-Z]{1,16}")


class Priced(Protocol):
    """What of the prices is asked."""

    def find(self, method: str, path: str) -> Any:
        """None where this is free."""


class Cors:
    """The origins that a vendor names."""

    def __init__(self, origins: Sequence[str]) -> None:
        """Origins as browsers write them, or `*` for all; `Misconfigured`."""
        if len(origins) > ORIGINS_MAX:
            raise Misconfigured("cors_origins_too_many", f"at most {ORIGINS_MAX} origins")
        for origin in origins:
            if origin != ANY and not _ORIGIN.fullmatch(origin):
                reason = f"{origin!r} is no origin: write https://reader.example, or *"
                raise Misconfigured("cors_origin_malformed", reason)
        self._origins = frozenset(origin.encode() for origin in origins)
        self._is_open = ANY in origins

    def visit(self, scope: Scope, prices: Priced) -> "Visit | None":
        """What a request of an allowed page to something of ours is told; None for all others."""
        origin = method = b""
        for name, value in scope["headers"]:
            if name == b"origin":
                origin = value
            elif name == b"access-control-request-method":
                method = value
        if not origin or not (self._is_open or origin in self._origins):
            return None
        asked = method.decode("ascii") if _METHOD.fullmatch(method) else ""
        is_preflight = scope["method"] == "OPTIONS" and bool(asked)
        wanted = asked if is_preflight else scope["method"]
        path: str = scope["path"]
        if not path.startswith(published.WELL_KNOWN) and prices.find(wanted, path) is None:
            return None
        allow = (b"access-control-allow-origin", ANY.encode() if self._is_open else origin)
        return Visit((allow, (b"vary", b"Origin")), asked if is_preflight else "")


class Visit:
    """One request of an allowed page."""

    def __init__(self, allow: Headers, asked: str) -> None:
        """`asked`: the method that a preflight asks for; empty for any other request."""
        self._told: Headers = (*allow, (b"access-control-expose-headers", EXPOSED_HEADERS))
        self.preflight: Answer | None = None
        """The answer to a preflight, which goes no further."""
        if asked:
            self.preflight = Answer(
                status=204,
                headers=(
                    *allow,
                    (b"access-control-allow-methods", asked.encode()),
                    (b"access-control-allow-headers", ALLOWED_HEADERS),
                    (b"access-control-max-age", b"%d" % PREFLIGHT_S),
                ),
                body=b"",
            )

    def around(self, send: Send) -> Send:
        """`send` with our headers on the answer, instead of what the site says of origins."""

        async def telling(message: Scope) -> None:
            if message["type"] == "http.response.start":
                kept = [
                    (name, value)
                    for name, value in message.get("headers", ())
                    if not bytes(name).lower().startswith(b"access-control-")
                ]
                message = {**message, "headers": [*kept, *self._told]}
            await send(message)

        return telling
