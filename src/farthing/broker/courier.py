"""Speaks to other brokers over HTTP, as a payer with an account there does.

What is refused before a byte has left is `Unavailable`, what may have been read is `Undecided`, and
every other refusal is the peer's decision.
"""

from urllib.parse import urlsplit

import httpx
import msgspec

from farthing import codec
from farthing.broker.peers import Met, Peer
from farthing.broker.web import BODY_BYTES_MAX
from farthing.errors import (
    Malformed,
    Misconfigured,
    Refusal,
    Unavailable,
    Undecided,
    by_name,
    row_of,
)
from farthing.schemes.contract import Json, Operation

TIMEOUT_S = 4.0  # a payer waits 10 s for us, and asks again afterwards
PATHS: dict[Operation, str] = {"issue": "issue", "take_back": "take-back"}


class _Health(msgspec.Struct, frozen=True, kw_only=True):
    broker: str


class _Balance(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    currency: str
    payer_micro: int


class _Answer(msgspec.Struct, frozen=True, kw_only=True):
    answer: Json


class _Problem(msgspec.Struct, frozen=True, kw_only=True):
    code: str
    refusal: str
    detail: str = ""


def require_url(url: str) -> str:
    """A broker's address without a slash at its end; `Misconfigured` unless https, or local."""
    try:
        parts = urlsplit(url)
    except ValueError:
        raise Misconfigured("url_malformed", "write it as https://broker.example") from None
    is_local = parts.hostname in {"localhost", "127.0.0.1", "::1"}
    if parts.scheme != "https" and not (parts.scheme == "http" and is_local):
        raise Misconfigured("url_insecure", "a broker's public URL begins with https://")
    return url.rstrip("/")


class HttpCourier:
    """Over one pool of connections, which it opens when it is first needed."""

    def __init__(self, transport: httpx.AsyncBaseTransport | None = None) -> None:
        """`transport` in place of the network."""
        self._transport = transport
        self._opened: httpx.AsyncClient | None = None

    async def close(self) -> None:
        """Close the connections."""
        if self._opened is not None:
            await self._opened.aclose()

    @property
    def _http(self) -> httpx.AsyncClient:
        if self._opened is None:
            self._opened = httpx.AsyncClient(timeout=TIMEOUT_S, transport=self._transport)
        return self._opened

    async def meet(self, url: str, token: str) -> Met:
        """As `peers.Courier` says."""
        url = require_url(url)
        try:
            health = codec.read_open(await self._call("GET", url + "/health", token), _Health)
            balance = codec.read_open(await self._call("GET", url + "/balance", token), _Balance)
        except Malformed:
            raise _strange(url) from None
        return Met(
            broker_id=health.broker,
            url=url,
            currency=balance.currency,
            balance_micro=balance.payer_micro,
        )

    async def carry(
        self, peer: Peer, scheme: str, operation: Operation, message: Json, key: str
    ) -> Json:
        """As `peers.Courier` says."""
        url = f"{peer.url}/{PATHS[operation]}/{scheme}"
        body = await self._call("POST", url, peer.token, content=codec.canonical(message), key=key)
        try:
            return codec.read_open(body, _Answer).answer
        except Malformed:
            raise _strange(peer.url) from None

    async def _call(
        self, method: str, url: str, token: str, *, content: bytes = b"", key: str = ""
    ) -> bytes:
        headers = {"authorization": f"Bearer {token}"}
        if content:
            headers |= {"content-type": "application/json", "idempotency-key": key}
        body = b""
        try:
            async with self._http.stream(method, url, content=content, headers=headers) as answer:
                async for part in answer.aiter_bytes():
                    body += part
                    if len(body) > BODY_BYTES_MAX:
                        raise _strange(url)
        except (httpx.ConnectError, httpx.ConnectTimeout):
            raise Unavailable("peer_unreachable", f"no broker answers at {url}") from None
        except httpx.HTTPError as wrong:
            raise Undecided(
                "peer_silent", f"{url} gave no answer ({type(wrong).__name__})"
            ) from None
        if answer.is_success:
            return body
        raise _refusal_in(body, url)


def _refusal_in(body: bytes, url: str) -> Refusal:
    try:
        problem = codec.read_open(body, _Problem)
    except Malformed:
        return _strange(url)
    refusal = by_name(problem.refusal, problem.code, problem.detail)
    if row_of(refusal).retry == "same":  # it has not decided
        return Undecided("peer_undecided", f"{url}: {refusal.detail}")
    return refusal


def _strange(url: str) -> Undecided:
    return Undecided("peer_answered_strangely", f"what {url} answered is no broker's")
