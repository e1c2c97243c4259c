"""Where broker and gate are, whether in processes of their own or in this one, and one request."""

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from farthing.schemes.contract import Json
from tests.integration.crash.middle import Message


class Call(NamedTuple):
    """One request, and whom it is for."""

    to: str
    """broker or gate."""
    request: bytes
    read: Callable[[bytes], object] = bytes
    """What the body of an answer says to whom it is for: a sealed one is another each time."""


class Place(Protocol):
    """Where broker and gate are."""

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
