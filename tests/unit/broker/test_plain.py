import asyncio
from collections.abc import MutableMapping
from typing import Any

import pytest

from farthing.broker import plain
from farthing.errors import BadRequest, TooLarge

Message = MutableMapping[str, Any]


def body_of(*messages: Message, largest_bytes: int = 4) -> bytes:
    left = iter(messages)

    async def receive() -> Message:
        return next(left)

    return asyncio.run(plain.read_body(receive, largest_bytes))


def test_a_body_is_joined_up_to_its_limit() -> None:
    more: Message = {"type": "http.request", "body": b"ab", "more_body": True}
    assert body_of(more, {"type": "http.request", "body": b"cd"}) == b"abcd"
    assert body_of({"type": "http.request"}) == b""
    with pytest.raises(TooLarge, match="body_too_large"):
        body_of(more, more, more)


def test_a_body_that_is_cut_short_is_none() -> None:
    with pytest.raises(BadRequest, match="request_cut_short"):
        body_of({"type": "http.request", "more_body": True}, {"type": "http.disconnect"})


def test_a_header_stands_once() -> None:
    scope: Message = {"headers": [(b"a", b"1"), (b"b", b"2"), (b"b", b"3")]}
    assert (plain.header_of(scope, b"a"), plain.header_of(scope, b"c")) == ("1", "")
    with pytest.raises(BadRequest, match="header_repeated"):
        plain.header_of(scope, b"b")


def test_an_answer_says_how_long_it_is() -> None:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    asyncio.run(plain.respond(send, 200, b"{}"))
    start, body = sent
    assert (start["status"], body["body"]) == (200, b"{}")
    assert (b"content-length", b"2") in start["headers"]
    assert (b"cache-control", b"no-store") in start["headers"]
