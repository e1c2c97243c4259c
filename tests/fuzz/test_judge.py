"""The rules themselves: a parser that breaks one is found out."""

import time
from typing import Any

import pytest

from farthing import codec
from farthing.errors import Malformed, Refusal
from tests.fuzz.judge import judge
from tests.fuzz.parser import Parser, given


def raises(wrong: Exception) -> Any:
    def read(_: bytes) -> Any:
        raise wrong

    return read


def slow(_: bytes) -> Any:
    until_s = time.thread_time() + 0.06
    while time.thread_time() < until_s:
        pass


def only_a(raw: bytes) -> bytes:
    if raw != b" a":
        raise Malformed("a_code")
    return raw


@pytest.mark.parametrize(
    ("parser", "broken"),
    [
        (Parser("p", raises(KeyError("x")), given()), "raises KeyError"),
        (Parser("p", raises(Refusal("a_code")), given()), "has no row"),
        (Parser("p", raises(Malformed("no code")), given()), "is no code"),
        (Parser("p", raises(Malformed("a_code", "\ud800")), given()), "no problem body"),
        (Parser("p", slow, given()), "ms, and may take"),
        (Parser("p", lambda raw: bytes(100 << 20), given()), "MiB, and may take"),
        (Parser("p", bytes.strip, given(), write=bytes.upper), "reads b'A' where it had read b'a'"),
        (Parser("p", bytes.strip, given(), write=bytes, canonical=True), "a second spelling"),
        (Parser("p", bytes, given(), write=raises(ValueError())), "cannot be written"),
        (Parser("p", only_a, given(), write=lambda _: b"?"), "does not read what it"),
    ],
)
def test_a_broken_rule_is_told(parser: Parser, broken: str) -> None:
    assert broken in judge(parser, b" a", thorough=True).broken


def test_refusals_and_values_that_come_back_hold() -> None:
    parser = Parser("p", codec.read_json, given(), write=codec.canonical)
    assert judge(parser, b'{"a":1}', thorough=True).broken == ""
    assert judge(parser, b"{", thorough=True)[:2] == ("", "json_malformed")
