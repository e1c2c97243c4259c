"""How often somebody may be refused, before a gate or a broker has no more time for it.

An attempt is a request that the gate refuses by itself: one for what has a price without a payment,
a payment that is none, a question at our own doors that is answered with a refusal. What is paid is
none, whatever the site says to it. Each address has so many a second, and twenty seconds' worth at
once; all together have twenty times that. Offers, payments and our own doors are counted apart, so
that who asks for offers all day hinders no payment from the same house. Nothing is written: each
process counts for itself, and forgets when it ends. A broker counts whatever it refuses
(`broker/front.py`). Source: ours.
"""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Literal

from farthing.errors import ROWS, Misconfigured, Throttled
from farthing.wire import published
from farthing.wire.dialects import CREDENTIAL_HEADERS
from farthing.wire.peers import Peers

Kind = Literal["offer", "payment", "door", "token", "stranger"]
"""Of a request to a gate; of one to a broker."""
Scope = MutableMapping[str, Any]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

US = 1_000_000  # microseconds of a second
BURST_S = 20  # a reader who opens a page with a hundred pictures in ten tabs is no attack
TOGETHER = 20  # addresses at their limit that a process bears: a thousand refusals a second
ADDRESSES_MAX = 16_384  # that are remembered, some 200 bytes each; the ones seen longest ago go
ATTEMPTS_PER_S_MAX = 10_000  # more than a process answers in a second
STATUS = ROWS[Throttled].status
# What is a payer's fault; 409: somebody else is being served; 429: it was counted before.
FAULTS = frozenset(range(400, 500)) - {409, STATUS}
ALL = ""  # the name under which everybody is counted
_LOGIN, _PAYMENT = b"authorization", b"payment"


def require_per_s(per_s: int) -> None:
    """`Misconfigured` for a number of attempts that is none."""
    if not 0 <= per_s <= ATTEMPTS_PER_S_MAX:
        told = f"attempts_per_s is 0 to {ATTEMPTS_PER_S_MAX}; 0 for any number"
        raise Misconfigured("attempts_out_of_range", told)


def kind_at_gate(scope: Scope) -> Kind:
    """What a request wants, as far as a look tells; a stream's own address is one with a price."""
    path: str = scope["path"]
    if path.startswith(published.WELL_KNOWN) and not path.startswith(published.STREAMS_PATH):
        return "door"
    for name, value in scope["headers"]:
        if name in CREDENTIAL_HEADERS:
            return "payment"
        if name == _LOGIN and value[: len(_PAYMENT)].lower() == _PAYMENT:
            return "payment"
    return "offer"


class Attempts:
    """Counts attempts by address. This machine's own programs are not counted."""

    def __init__(
        self,
        per_s: int,
        peers: Peers,
        clock_s: Callable[[], float],
        answers: dict[int, int] | None = None,
        kind_of: Callable[[Scope], Kind] = kind_at_gate,
    ) -> None:
        """`per_s`: of one address; 0: as many as come. `clock_s`: seconds that only grow.

        `answers` counts those that are sent away, by status; `kind_of`: what is counted apart.
        """
        self._kind_of = kind_of
        self._answers = {} if answers is None else answers
        self._per_s = per_s
        self._peers = peers
        self._clock_s = clock_s
        self._full_at_us: dict[tuple[Kind, str], int] = {}
        """When a bucket is whole again, if nothing is taken out of it; in microseconds."""

    def require(self, scope: Scope) -> None:
        """`Throttled` for who has none left; counts nothing."""
        name = self._peers.network_of(scope) if self._per_s else ALL
        if not name:
            return
        kind, until_us = self._kind_of(scope), self._now_us() + BURST_S * US
        if max(self._full_at_us.get((kind, each), 0) for each in (name, ALL)) >= until_us:
            self._answers[STATUS] = self._answers.get(STATUS, 0) + 1
            raise Throttled("rate_limited", "too many requests that were refused: wait a little")

    def count(self, scope: Scope) -> None:
        """One was refused."""
        name = self._peers.network_of(scope) if self._per_s else ALL
        if not name:
            return
        kind = self._kind_of(scope)
        self._take((kind, name), self._per_s)
        self._take((kind, ALL), self._per_s * TOGETHER)

    def counting(self, scope: Scope, send: Send) -> Send:
        """`send` that counts the request where the answer refuses it."""

        async def counted(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start" and message["status"] in FAULTS:
                self.count(scope)
            await send(message)

        return counted

    def _take(self, key: tuple[Kind, str], per_s: int) -> None:
        full_at_us = max(self._full_at_us.pop(key, 0), self._now_us()) - (-US // per_s)
        self._full_at_us[key] = full_at_us
        if len(self._full_at_us) > ADDRESSES_MAX:
            del self._full_at_us[next(iter(self._full_at_us))]

    def _now_us(self) -> int:
        return int(self._clock_s() * US)
