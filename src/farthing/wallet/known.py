"""Offers that were paid of late: the next page of the same kind is paid in its first request.

In x402 a payment may come without a 402 before it: it is matched against the offers that the gate
would make now. So a wallet that has paid for `/articles/1` pays for `/articles/2` with the same
offer, and saves a request and its answer. A gate that sells it otherwise answers 402 and takes
nothing; the page is then paid as any other, and its kind is asked about again for a while.

Pages of one kind have one address but for the stem of the last segment and what follows a question
mark: `/articles/1` and `/articles/2`, `/img/a.jpg` and `/img/b.jpg`. Source: wire format, section
4 ("first request"); what is of one kind is ours.
"""

import threading
from typing import TypeVar

import msgspec

from farthing.wallet.messages import Request
from farthing.wire.offers import CHALLENGE_LIFE_S, Received

K = TypeVar("K")
V = TypeVar("V")

KINDS_MAX = 1_024  # that a wallet remembers, some two kilobytes each; the oldest are forgotten
ADDRESSES_MAX = 1_024  # likewise


class Recall(msgspec.Struct, frozen=True, kw_only=True):
    """Which offer to try at once; answered by a `Received` in x402, for another page, or None.

    None as well for an address that was tried and of which nothing was heard (`Remember`) since.
    """

    request: Request
    exact: bool = False
    """Whether this very address, its query apart, must have been sold: else it may redirect."""


class Remember(msgspec.Struct, frozen=True, kw_only=True):
    """Pages of this kind are sold so; None: not as it was thought, so none is tried for a while."""

    request: Request
    received: Received | None


class Known:
    """What one process of a wallet knows, all of its sites together. It is not in the file."""

    def __init__(self) -> None:
        """Nothing yet."""
        self._kinds: dict[tuple[str, str], tuple[Received | None, int]] = {}
        """The offer to try and until when, by kind; None: not to try any until then."""
        self._tried: dict[str, None] = {}
        """Addresses, in the order in which they were tried."""
        self._sold: dict[tuple[str, str], None] = {}
        """Methods and addresses without their query, likewise."""
        self._lock = threading.Lock()

    def do(self, command: Recall | Remember, now_s: int) -> Received | None:
        """The answer to `Recall`; nothing to the other. From any thread."""
        with self._lock:
            return self._do(command, now_s)

    def _do(self, command: Recall | Remember, now_s: int) -> Received | None:
        kind = kind_of(command.request)
        received, until_s = self._kinds.get(kind, (None, 0))
        url = command.request.url
        if isinstance(command, Recall):
            if received is None or until_s <= now_s or url in self._tried:
                return None
            if command.exact and _sold(command.request) not in self._sold:
                return None
            _put(self._tried, url, None, ADDRESSES_MAX)
            return received
        self._tried.pop(url, None)
        if command.received is not None:
            _put(self._sold, _sold(command.request), None, ADDRESSES_MAX)
        if command.received is None:
            _put(self._kinds, kind, (None, now_s + CHALLENGE_LIFE_S), KINDS_MAX)
        elif received is not None or until_s <= now_s:
            found = (command.received, command.received.expires_at_s)
            _put(self._kinds, kind, found, KINDS_MAX)
        return None


def _put(known: dict[K, V], key: K, value: V, count_max: int) -> None:
    """As the newest of so many."""
    known.pop(key, None)
    known[key] = value
    if len(known) > count_max:
        del known[next(iter(known))]


def kind_of(request: Request) -> tuple[str, str]:
    """The method, and the address without what may differ."""
    folder, _, name = _bare(request.url).rpartition("/")
    _, dot, suffix = name.rpartition(".")
    return request.method, f"{folder}/*{dot}{suffix if dot else ''}"


def _sold(request: Request) -> tuple[str, str]:
    return request.method, _bare(request.url)


def _bare(url: str) -> str:
    """Without the query."""
    return url.partition("?")[0]
