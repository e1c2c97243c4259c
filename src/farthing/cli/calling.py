"""Calls of a running broker's API, as its operator."""

import secrets
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import msgspec

from farthing import codec
from farthing.cli import bookkeeping
from farthing.cli.bookkeeping import ADMIN_TOKEN
from farthing.errors import Malformed, Misconfigured, Unavailable, by_name

CALL_TIMEOUT_S = 10.0


def call(data: Path, method: str, path: str, body: object = None, *, key: str = "") -> Any:
    """One call of the running broker's API as its operator; its refusal, or `Unavailable`."""
    try:
        token = (data / ADMIN_TOKEN).read_text().strip()
    except OSError:
        raise Misconfigured(
            "operator_token_missing", f"{data / ADMIN_TOKEN}: run `farthing broker init` first"
        ) from None
    url = bookkeeping.identity_in(data).url
    headers = {
        "authorization": f"Bearer {token}",
        "content-type": "application/json",
        "idempotency-key": key or secrets.token_hex(16),
    }
    content = msgspec.json.encode(body) if body is not None else None
    try:
        answer = httpx.request(
            method, url + path, headers=headers, content=content, timeout=CALL_TIMEOUT_S
        )
    except httpx.HTTPError:
        port = local_port(url)
        more = f" --port {port}" if port is not None else ""
        raise Unavailable(
            "broker_unreachable", f"no broker answers at {url}: run `farthing broker serve{more}`"
        ) from None
    return read_answer(answer.status_code, answer.content)


def local_port(url: str) -> int | None:
    """The port of a broker's URL on this machine; None for one that others reach."""
    parts = urlsplit(url)
    if parts.hostname not in {"localhost", "127.0.0.1", "::1"}:
        return None
    return parts.port or (443 if parts.scheme == "https" else 80)


class _Problem(msgspec.Struct, frozen=True, kw_only=True):
    code: str
    refusal: str
    detail: str = ""


def read_answer(status: int, body: bytes) -> Any:
    """The answer of a broker; its refusal; `Unavailable` where it is no broker's."""
    try:
        if 200 <= status < 300:
            return codec.read_open(body, object)
        problem = codec.read_open(body, _Problem)
    except Malformed:
        raise Unavailable(
            "broker_unreachable", f"status {status} is no answer of a broker: is a proxy before it?"
        ) from None
    raise by_name(problem.refusal, problem.code, problem.detail)
