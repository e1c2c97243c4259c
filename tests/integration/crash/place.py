"""Where broker and gate are, whether in processes of their own or in this one, and one request."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from farthing import marks
from farthing.schemes.contract import At, Json
from farthing.vendor.app import Vendor
from tests.integration.crash.middle import Message

ENTROPY_BYTES = 512


class Call(NamedTuple):
    """One request, and whom it is for."""

    to: str
    """broker or gate."""
    request: bytes
    read: Callable[[bytes], object] = bytes
    """What the body of an answer says to whom it is for, without what is another each time; a
    sealed one says status, headers and body.
    """


class Place(Protocol):
    """Where broker and gate are."""

    folder: Path
    tokens: dict[str, dict[str, str]]

    @property
    def broker_url(self) -> str: ...
    @property
    def gate_url(self) -> str: ...
    @property
    def admin_token(self) -> str: ...

    def call(self, path: str, body: Any = None, *, key: str = "") -> Any: ...
    def top_up(self, name: str, amount_micro: int, reference: str) -> None: ...
    def ask(self, to: str, request: bytes, count: int = 1) -> list[Message]: ...
    def newest_claims(self, scheme: str) -> list[Json]: ...
    def now_s(self) -> int: ...


async def newest_claims(vendor: Vendor, scheme: str) -> list[Json]:
    """The newest claim in an outbox, as a sweep would send it."""
    till = vendor.gate.tills[scheme]
    pending = marks.Pending(scheme=scheme, count=10_000)
    rows: list[tuple[int, marks.Claim]] = await vendor.store.do(pending)
    newest = (rows[-1][1],)
    keys = till.archive(newest)
    memory = await vendor.store.do(marks.Read(keys=keys)) if keys else marks.NOTHING
    at = At(now_s=int(time.time()), entropy=os.urandom(ENTROPY_BYTES))
    return till.sweep(newest, memory, at)
