"""What stands before every route of the broker: who asks, how often, and with how large a head.

Whoever is refused again and again (wrong tokens, garbage) is told to wait (429), as a gate does it:
`wire/attempts.py`. Requests with a token and without one are counted apart, so that garbage from
the house of a vendor hinders no clearing. What is answered with 2xx, 409 or 5xx counts for nothing.
"""

import os
import time
from collections.abc import Callable, MutableMapping
from typing import Any

import msgspec

from farthing import faults
from farthing.broker.plain import App, Receive, Scope, Send, respond
from farthing.broker.web import problem_of
from farthing.errors import Misconfigured, Refusal
from farthing.wire import heads
from farthing.wire.attempts import Attempts, Kind, require_per_s
from farthing.wire.peers import Peers

PROXIES_VARIABLE = "FARTHING_TRUSTED_PROXIES"
ATTEMPTS_VARIABLE = "FARTHING_ATTEMPTS_PER_S"
_BEARER = b"authorization"


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """How the front treats who comes."""

    trusted_proxies: tuple[str, ...] = ()
    """Addresses and networks whose word on the other end is taken (`wire/peers.py`)."""
    attempts_per_s: int = 50
    """Refusals of one address in a second; 0: any number."""

    def __post_init__(self) -> None:
        """`Misconfigured`."""
        require_per_s(self.attempts_per_s)
        Peers(self.trusted_proxies)

    def to_variables(self) -> dict[str, str]:
        """For the environment of a server's workers."""
        return {
            PROXIES_VARIABLE: ",".join(self.trusted_proxies),
            ATTEMPTS_VARIABLE: str(self.attempts_per_s),
        }


def terms_in_environment() -> Terms:
    """What `farthing broker serve` was told; `Misconfigured`."""
    proxies = os.environ.get(PROXIES_VARIABLE, "")
    per_s = os.environ.get(ATTEMPTS_VARIABLE, "50")
    if not per_s.isdecimal():
        raise Misconfigured("attempts_out_of_range", f"{ATTEMPTS_VARIABLE} is a number")
    named = tuple(each.strip() for each in proxies.split(",") if each.strip())
    return Terms(trusted_proxies=named, attempts_per_s=int(per_s))


class Front:
    """The ASGI application of a broker, all of it."""

    def __init__(
        self,
        app: App,
        terms: Terms,
        *,
        refused: Callable[[int], object],
        ticks: Callable[[], float] = time.monotonic,
    ) -> None:
        """`app` answers what comes through; `refused` hears the status of what does not."""
        self._app = app
        self._refused = refused
        self._peers = Peers(terms.trusted_proxies)
        self._attempts = Attempts(terms.attempts_per_s, self._peers, ticks, kind_of=kind_of)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            scope = self._peers.seen(scope)
            send = self._attempts.counting(scope, send)
            self._attempts.require(scope)
            target: bytes = scope.get("raw_path") or scope["path"].encode()
            heads.require_size(len(target) + len(scope.get("query_string", b"")), scope["headers"])
            heads.require_plain(scope["headers"])
        except Refusal as refusal:
            await self._refuse(send, refusal)
            return
        await self._pass_on(scope, receive, send)

    async def _pass_on(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Have it answered; a mistake of ours is an answer too, unless one has begun."""
        has_begun = False

        async def watched(message: MutableMapping[str, Any]) -> None:
            nonlocal has_begun
            has_begun = True
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except Exception as wrong:
            if has_begun:
                raise
            faults.tell(wrong, "a request")  # and not its path, which may have a quote's id in it
            await self._refuse(send, faults.refusal_of(wrong))

    async def _refuse(self, send: Send, refusal: Refusal) -> None:
        status, headers, body = problem_of(refusal)
        self._refused(status)
        await respond(send, status, body, headers)


def kind_of(scope: Scope) -> Kind:
    """Whether a request has a token, whatever that is worth."""
    has_one = any(name == _BEARER for name, _ in scope["headers"])
    return "token" if has_one else "stranger"
