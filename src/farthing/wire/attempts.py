"""How often somebody may come without paying, before the gate has no more time for it.

An attempt is a request that the gate refuses by itself: one for what has a price without a payment,
a payment that is none, a question at our own doors that is answered with a refusal. What is paid is
none, whatever the site says to it. Each address has so many a second, and twenty seconds' worth at
once; all together have twenty times that. Offers, payments and our own doors are counted apart, so
that who asks for offers all day hinders no payment from the same house. Nothing is written: each
process counts for itself, and forgets when it ends. Source: ours.
"""

from collections.abc import Callable, MutableMapping
from typing import Any, Literal

from farthing.errors import ROWS, Throttled
from farthing.wire import published
from farthing.wire.dialects import CREDENTIAL_HEADERS
from farthing.wire.peers import Peers

Kind = Literal["offer", "payment", "door"]
Scope = MutableMapping[str, Any]

US = 1_000_000  # microseconds of a second
BURST_S = 20  # a reader who opens a page with a hundred pictures in ten tabs is no attack
TOGETHER = 20  # addresses at their limit that a process bears: a thousand refusals a second
ADDRESSES_MAX = 16_384  # that are remembered, some 200 bytes each; the ones seen longest ago go
STATUS = ROWS[Throttled].status
ALL = ""  # the name under which everybody is counted
_LOGIN, _PAYMENT = b"authorization", b"payment"


class Attempts:
    """Counts attempts by address. This machine's own programs are not counted."""

    def __init__(
        self,
        per_s: int,
        peers: Peers,
        clock_s: Callable[[], float],
        answers: dict[int, int] | None = None,
    ) -> None:
        """`per_s`: of one address; 0: as many as come. `clock_s`: seconds that only grow.

        `answers` counts those that are sent away, by status.
        """
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
        kind, until_us = kind_of(scope), self._now_us() + BURST_S * US
        if max(self._full_at_us.get((kind, each), 0) for each in (name, ALL)) >= until_us:
            self._answers[STATUS] = self._answers.get(STATUS, 0) + 1
            raise Throttled(
                "rate_limited", "too many requests that pay nothing, or not rightly: wait a little"
            )

    def count(self, scope: Scope) -> None:
        """One was refused."""
        name = self._peers.network_of(scope) if self._per_s else ALL
        if not name:
            return
        kind = kind_of(scope)
        self._take((kind, name), self._per_s)
        self._take((kind, ALL), self._per_s * TOGETHER)

    def _take(self, key: tuple[Kind, str], per_s: int) -> None:
        full_at_us = max(self._full_at_us.pop(key, 0), self._now_us()) - (-US // per_s)
        self._full_at_us[key] = full_at_us
        if len(self._full_at_us) > ADDRESSES_MAX:
            del self._full_at_us[next(iter(self._full_at_us))]

    def _now_us(self) -> int:
        return int(self._clock_s() * US)


def kind_of(scope: Scope) -> Kind:
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
