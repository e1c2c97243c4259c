import json
from typing import Any

import pytest
from hypothesis import given

from farthing import codec
from farthing.errors import Malformed
from farthing.wire.objects import read_object
from tests.unit.wire.examples import OBJECTS


@given(OBJECTS)
def test_any_spelling_comes_out_canonical(value: dict[str, Any]) -> None:
    for raw in (codec.canonical(value), json.dumps(value).encode()):
        assert read_object(raw) == (value, codec.canonical(value))


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b"", "json_malformed"),
        (b"{", "json_malformed"),
        (b'{"a":1}x', "json_malformed"),
        (b'{"a":"\xff"}', "json_malformed"),
        (b'{"a":"\\ud800"}', "json_malformed"),
        (b"[]", "json_not_object"),
        (b"1", "json_not_object"),
        (b"null", "json_not_object"),
        (b'{"a":1,"a":1}', "json_key_repeated"),
        (b'{"b":{"a":1,"a":1}}', "json_key_repeated"),
        (b'{"a":1.0}', "json_number_not_integer"),
        (b'{"a":1,"a":1e6}', "json_number_not_integer"),
        (b'{"a":9007199254740992}', "json_integer_out_of_range"),
        (b'{"a":[0,18446744073709551616]}', "json_integer_out_of_range"),
    ],
)
def test_anything_else_is_malformed(raw: bytes, code: str) -> None:
    with pytest.raises(Malformed, match=code):
        read_object(raw)


def nested(depth: int) -> bytes:
    return b'{"a":' + b"[" * (depth - 1) + b"]" * (depth - 1) + b"}"


def members(count: int) -> bytes:
    return codec.canonical({f"m{index:02}": 1 for index in range(count)})


def long_string(size_bytes: int) -> bytes:
    return codec.canonical({"a": "x" * size_bytes})


@pytest.mark.parametrize("raw", [nested(8), members(64), long_string(4096)])
def test_object_at_its_limit_is_read(raw: bytes) -> None:
    assert read_object(raw)[1] == raw


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (nested(9), "json_too_deep"),
        (nested(100_000), "json_too_deep"),
        (members(65), "json_too_many_members"),
        (long_string(4097), "json_string_too_long"),
        (b'{"a":[' + b"1," * 64 + b"1]}", "json_too_many_members"),
    ],
)
def test_object_over_a_limit_is_malformed(raw: bytes, code: str) -> None:
    with pytest.raises(Malformed, match=code):
        read_object(raw)
