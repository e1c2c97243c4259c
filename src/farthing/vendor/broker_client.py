"""The broker as a vendor sees it: clear claims, grant licences, settle before the goods go out.

Every call carries an `Idempotency-Key`; no answer in time means `Undecided`, never a refusal.
"""

from collections.abc import Mapping
from types import MappingProxyType
from urllib.parse import urlsplit

import httpx
import msgspec

from farthing import codec
from farthing.errors import (
    Broken,
    Malformed,
    Misconfigured,
    Refusal,
    Unavailable,
    Undecided,
    by_name,
)
from farthing.schemes.contract import Json

NO_HEADERS: Mapping[str, str] = MappingProxyType({})
TIMEOUT_S = 10.0  # the broker answers a payment within 5 s or says that it is pending


class BrokerClient:
    """One vendor's account at its broker."""

    def __init__(
        self, url: str, token: str, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        """`token` is the vendor's bearer token; empty for public documents only.

        `transport` carries the requests, instead of the network.

        `Misconfigured` for a broker that is reached in the open: tokens and keys go there.
        """
        parts = urlsplit(url)
        is_local = parts.hostname in {"localhost", "127.0.0.1", "::1"}
        if parts.scheme != "https" and not (parts.scheme == "http" and is_local):
            raise Misconfigured("url_insecure", "a broker's address begins with https://")
        headers = {"authorization": f"Bearer {token}"} if token else {}
        self._http = httpx.AsyncClient(
            base_url=url, timeout=TIMEOUT_S, headers=headers, transport=transport
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def get(self, path: str) -> Json:
        """A public document; `Unavailable`."""
        try:
            return _value(*await self._exchange("GET", path))
        except httpx.TransportError as wrong:
            raise _unreachable(self._http.base_url, wrong) from None

    async def post(self, path: str, message: Json, key: str) -> Json:
        """The JSON answer of one call; its refusal; `Unavailable`, `Undecided`."""
        headers = {"idempotency-key": key, "content-type": "application/json"}
        try:
            return _value(*await self._exchange("POST", path, codec.canonical(message), headers))
        except (httpx.ConnectError, httpx.ConnectTimeout) as wrong:
            raise _unreachable(self._http.base_url, wrong) from None
        except httpx.TransportError as wrong:
            raise Undecided(
                "outcome_unknown", f"the broker did not answer ({type(wrong).__name__})"
            ) from None

    async def _exchange(
        self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] = NO_HEADERS
    ) -> tuple[int, bytes]:
        """Status and body of the answer; httpx's errors of the way there."""
        answer = await self._http.request(method, path, content=body or None, headers=headers)
        return answer.status_code, answer.content

    async def redeem(self, scheme: str, batch_id: str, claims: list[Json]) -> Json:
        """One result per claim, in order."""
        answer = await self.post(f"/redeem/{scheme}", {"claims": claims}, batch_id)
        return answer.get("results") if isinstance(answer, dict) else None

    async def facilitate(self, call: str, message: Json) -> Json:
        """`settle`, `capture` or `void`."""
        return await self.post(f"/{call}", message, codec.b64u(codec.digest([call, message])))


class _Problem(msgspec.Struct, frozen=True, kw_only=True):
    refusal: str
    code: str
    detail: str


def _unreachable(url: httpx.URL, wrong: Exception) -> Unavailable:
    return Unavailable(
        "broker_unreachable",
        f"the broker at {str(url).rstrip('/')} does not answer ({type(wrong).__name__});"
        " nothing is lost, try again",
    )


def _value(status: int, body: bytes) -> Json:
    if 200 <= status < 300:
        try:
            return codec.read_open(body, object)
        except Malformed:
            raise Broken("broker_answered_strangely", "its answer is not JSON") from None
    raise problem_of(body, status)


def problem_of(body: bytes, status: int) -> Refusal:
    """The refusal in a problem body; without one `Undecided` from 500 on, else `Broken`."""
    try:
        problem = codec.read_open(body, _Problem)
        return by_name(problem.refusal, problem.code, problem.detail)
    except Malformed:
        if status >= 500:  # of a proxy on the way: the broker may have done it
            return Undecided("outcome_unknown", f"status {status} instead of the broker's answer")
        return Broken("broker_answered_strangely", f"status {status} without a problem body")
