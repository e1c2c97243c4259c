"""The vendor's word for an answer: what it covers, and what breaks it."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farthing.errors import Forged
from farthing.schemes.contract import Json
from farthing.wire.replies import Checking, sign

HTML = ((b"date", b"today"), (b"content-type", b"text/html"))
CHANGE = {"cert": "c1"}
BODY = b"the page, all of it"


def replier(change: Json, digest: bytes) -> bytes:
    """A code that says what it was made of."""
    return digest[:8] + str(change["cert"]).encode().ljust(8, b".")


def signed(body: bytes | None = BODY, status: int = 200, headers: Any = HTML) -> str:
    return sign(replier, CHANGE, status, headers, body).decode()


def check(
    value: str,
    body: bytes = BODY,
    *,
    status: int = 200,
    headers: Any = HTML,
    change: Json = CHANGE,
) -> None:
    checking = Checking(replier, change, status, headers, value)
    checking.add(body)
    checking.require()


@given(st.lists(st.binary(max_size=20), max_size=5))
def test_a_page_is_right_however_it_is_cut(parts: list[bytes]) -> None:
    checking = Checking(replier, CHANGE, 200, HTML, signed(b"".join(parts)))
    for part in parts:
        checking.add(part)
    checking.require()


@given(st.integers(0, len(BODY) * 8 - 1))
def test_a_flipped_bit_of_a_page_is_found(bit: int) -> None:
    altered = bytearray(BODY)
    altered[bit // 8] ^= 1 << bit % 8
    with pytest.raises(Forged, match="reply_altered"):
        check(signed(), bytes(altered))


@pytest.mark.parametrize("body", [b"", BODY[:-1], BODY + b"!"])
def test_a_page_of_another_length_is_found(body: bytes) -> None:
    with pytest.raises(Forged, match="reply_altered"):
        check(signed(), body)


OTHER_HEADS: list[dict[str, Any]] = [
    {"status": 206},
    {"headers": ()},
    {"headers": ((b"content-type", b"text/plain"),)},
    {"headers": (*HTML, (b"content-encoding", b"gzip"))},
    {"change": {"cert": "c2"}},
]


@pytest.mark.parametrize("other", OTHER_HEADS)
@pytest.mark.parametrize("body", [BODY, None], ids=["whole", "stream"])
def test_another_head_or_change_is_found(body: bytes | None, other: dict[str, Any]) -> None:
    check(signed(body))
    check(signed(body), headers=(*HTML, (b"x-cache", b"HIT")))
    with pytest.raises(Forged, match="reply_altered"):
        check(signed(body), **other)


def test_a_stream_is_known_by_its_head_and_not_by_its_body() -> None:
    check(signed(None), b"whatever comes")


def test_a_page_cannot_be_called_a_stream() -> None:
    for value in (signed().replace("whole", "stream"), signed(None).replace("stream", "whole")):
        with pytest.raises(Forged, match="reply_altered"):
            check(value)


@pytest.mark.parametrize("value", ["", "whole", "whole ed25519:AAAA", "part mac:AAAA", "mac:AAAA"])
def test_no_word_at_all_is_told_apart(value: str) -> None:
    with pytest.raises(Forged, match="reply_unsigned"):
        check(value)


@pytest.mark.parametrize(
    "value", ["whole mac:", "whole mac:AAAA", "whole mac:\xe9", "stream mac:!"]
)
def test_another_code_is_found(value: str) -> None:
    with pytest.raises(Forged, match="reply_altered"):
        check(value)
