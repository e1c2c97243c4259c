"""What both halves of the broker's HTTP share: tokens, keys, problem bodies, limits."""

import msgspec

from farthing import codec
from farthing.broker.engine import Engine
from farthing.broker.store import Caller
from farthing.errors import BadRequest, Denied, Malformed, OutOfRange, Refusal
from farthing.wire import problems

BODY_BYTES_MAX = 64 * 1024  # of a facilitator call, and of every other message but batches
KEY_CHARS_MAX = 255  # of an Idempotency-Key: visible ASCII


def bearer(header: str) -> str:
    """The token of an `Authorization` header; `Denied` without one."""
    kind, _, token = header.partition(" ")
    if kind.lower() != "bearer" or not token:
        raise Denied("token_missing", "send a token of this broker: Authorization: Bearer …")
    return token


def authorize(engine: Engine, token: str, scope: str) -> Caller:
    """Who this is; `Denied` for an unknown token, or one without `scope` ("" for any)."""
    caller = engine.people.caller(token)
    if scope and scope not in caller.scopes:
        raise Denied("scope_missing", f"this needs a token with scope {scope}")
    return caller


def key_of(header: str) -> str:
    """The idempotency key; `BadRequest` where it is missing or malformed."""
    if not header:
        raise BadRequest(
            "idempotency_key_missing", "make a key, store it, and send it as Idempotency-Key"
        )
    if len(header) > KEY_CHARS_MAX or not all("!" <= char <= "~" for char in header):
        raise BadRequest("idempotency_key_malformed", "1 to 255 visible ASCII characters")
    return header


def problem_of(refusal: Refusal) -> tuple[int, problems.Headers, bytes]:
    """Status, headers and problem body.

    402 means "pay, here are the offers", and the broker has none: it says 400 to what is malformed
    and 403 to the rest. What is malformed is no credential here, whatever parser found it.
    `refusal` in the body is the class by name, so that the caller's code can raise the same.
    """
    shown = refusal
    if isinstance(refusal, Malformed):
        shown = BadRequest(refusal.code, refusal.detail, **refusal.facts)
    status, headers, body = problems.problem(shown)
    members = msgspec.json.decode(body)
    if status == 402:
        status = 400 if isinstance(refusal, OutOfRange) else 403
    members |= {"status": status, "refusal": type(refusal).__name__}
    return status, headers, codec.canonical(members)
