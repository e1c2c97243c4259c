import base64
import hashlib
import json
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, Literal

import msgspec
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from farthing import codec
from farthing.errors import Malformed

FIELDS = st.one_of(st.text(max_size=8), st.integers(0, 2**64 - 1), st.binary(max_size=8))
TEXT = st.text(st.characters(exclude_categories=["Cs"], max_codepoint=0xFFFF), max_size=12)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(0, codec.JSON_INT_MAX) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)


def levels(value: Any) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + max((levels(item) for item in inner), default=0)


def shape(fields: list[Any]) -> list[type]:
    return [type(field) for field in fields]


@given(st.lists(FIELDS, max_size=5), st.lists(FIELDS, max_size=5))
def test_two_field_lists_of_one_shape_never_give_the_same_bytes(
    one: list[Any], other: list[Any]
) -> None:
    if one != other and shape(one) == shape(other):
        assert codec.enc(*one) != codec.enc(*other)


@given(st.lists(st.text(max_size=4), min_size=1, max_size=4), st.data())
def test_moving_a_boundary_between_fields_changes_the_bytes(
    fields: list[str], data: st.DataObject
) -> None:
    whole = "".join(fields)
    cut = data.draw(st.integers(0, len(whole)))
    moved = [whole[:cut], whole[cut:]]
    assert (codec.enc(*fields) == codec.enc(*moved)) == (fields == moved)


def test_enc_is_four_bytes_of_length_and_eight_of_integer() -> None:
    assert codec.enc("ab", b"c", 258).hex() == "000000026162" + "0000000163" + (
        "00000008" + "0000000000000102"
    )
    assert codec.enc() == b""


@pytest.mark.parametrize("number", [-1, 2**64])
def test_an_integer_that_does_not_fit_is_our_own_mistake(number: int) -> None:
    with pytest.raises(OverflowError):
        codec.enc(number)


@given(st.binary(max_size=40))
def test_base64_comes_back(raw: bytes) -> None:
    assert codec.unb64u(codec.b64u(raw)) == raw
    assert codec.unb64u(codec.b64u(raw), size_bytes=len(raw)) == raw
    assert codec.unb64(codec.b64(raw)) == raw


@given(st.text(st.sampled_from('AQgw-_+/=\n é"\\'), max_size=6))
def test_every_accepted_spelling_is_the_one_that_is_written(text: str) -> None:
    for read, write in ((codec.unb64u, codec.b64u), (codec.unb64, codec.b64)):
        try:
            raw = read(text)
        except Malformed:
            continue
        assert write(raw) == text


@pytest.mark.parametrize("text", ["AA==", "AB", "A", "AA\n", " AA", "+A", "/A", "AAA=", "é"])
def test_base64url_has_one_spelling(text: str) -> None:
    with pytest.raises(Malformed):
        codec.unb64u(text)


@pytest.mark.parametrize(
    "text", ["AA", "AB==", "A===", "AA==\n", "-A==", "AAAA====", "é", "\\u0041AA="]
)
def test_base64_has_one_spelling(text: str) -> None:
    with pytest.raises(Malformed):
        codec.unb64(text)


def test_another_size_than_expected_is_malformed() -> None:
    with pytest.raises(Malformed, match="field_size_wrong"):
        codec.unb64u("AAAA", size_bytes=4)


def test_keys_are_sorted_as_rfc_8785_section_3_2_3_has_it() -> None:
    # Its example, without the key outside the Basic Plane that our value space has not.
    value = {"\u20ac": "E", "\r": "C", "\ufb33": "H", "1": "O", "\u0080": "D", "\u00f6": "L"}
    order = ["\r", "1", "\u0080", "\u00f6", "\u20ac", "\ufb33"]
    assert list(json.loads(codec.canonical(value))) == order


def test_strings_are_escaped_as_rfc_8785_section_3_2_2_2_has_it() -> None:
    text = '\u20ac$\u000f\nA\'B"\\\\"/\x7f\b\t\f\r\x00'
    expected = '"\u20ac$\\u000f\\nA\'B\\"\\\\\\\\\\"/\x7f\\b\\t\\f\\r\\u0000"'
    assert codec.canonical(text) == expected.encode()


@given(JSON)
def test_canonical_is_what_a_plain_encoder_writes_sorted(value: Any) -> None:
    plain = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    assert codec.canonical(value) == plain.encode()
    assert codec.digest(value) == hashlib.sha256(plain.encode()).digest()


@given(JSON)
def test_what_is_canonical_reads_back(value: Any) -> None:
    assume(levels(value) <= codec.JSON_DEPTH_MAX)
    assert codec.read_json(codec.canonical(value)) == value


LOOSE = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-2, 2**54),
        st.floats(),
        st.text(max_size=3),
        st.sampled_from(["x" * 4_096, "x" * 4_097, "é" * 2_048, "é" * 2_049]),
    ),
    lambda inner: st.lists(inner, max_size=65) | st.dictionaries(st.text(max_size=2), inner),
    max_leaves=70,
)


def outcome(raw: bytes) -> object:
    try:
        return codec.read_json(raw)
    except Malformed as refusal:
        return refusal.code


@given(LOOSE)
def test_white_space_changes_nothing(value: Any) -> None:
    # With it, the text goes through the parser that knows every reason to refuse.
    raw = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
    assert outcome(raw) == outcome(raw + b" ")


@pytest.mark.parametrize(
    "raw",
    [
        b"", b"{", b"{}x", b"\xff", b"\xef\xbb\xbf{}", b"{'a':1}", b"{a:1}", b"[1,]", b"01", b"+1",
        b"1.0", b"1e2", b"1E400", b"NaN", b"Infinity", b"-Infinity", b"-1", b"-0", b'"\x01"',
        b'"\\ud800"', b'{"\\ud800":1}', b'{"a":1,"a":1}', b'{"a":1,"\\u0061":2}', b"1" * 5000,
        b'[{"a":[{"b":0,"b":0}]}]',
    ],
)  # fmt: skip  # - one spelling a line would hide that this is one list
def test_loose_json_is_malformed(raw: bytes) -> None:
    with pytest.raises(Malformed):
        codec.read_json(raw)


def nested(levels: int) -> bytes:
    return b"[" * levels + b"]" * levels


@pytest.mark.parametrize(
    ("fits", "is_over", "code"),
    [
        (nested(codec.JSON_DEPTH_MAX), nested(codec.JSON_DEPTH_MAX + 1), "json_too_deep"),
        (b"%d" % codec.JSON_INT_MAX, b"%d" % (codec.JSON_INT_MAX + 1), "json_integer_out_of_range"),
        (
            b'"%s"' % (b"x" * codec.JSON_STRING_MAX),
            b'"%s"' % (b"x" * (codec.JSON_STRING_MAX + 1)),
            "json_string_too_long",
        ),
        (
            b'{"%s":1}' % ("é" * (codec.JSON_STRING_MAX // 2)).encode(),
            b'{"%s":1}' % ("é" * (codec.JSON_STRING_MAX // 2 + 1)).encode(),
            "json_string_too_long",
        ),
        (
            codec.canonical([0] * codec.JSON_MEMBERS_MAX),
            codec.canonical([0] * (codec.JSON_MEMBERS_MAX + 1)),
            "json_too_many_members",
        ),
        (
            codec.canonical({str(n): 0 for n in range(codec.JSON_MEMBERS_MAX)}),
            codec.canonical({str(n): 0 for n in range(codec.JSON_MEMBERS_MAX + 1)}),
            "json_too_many_members",
        ),
    ],
)
def test_each_limit_holds_at_its_value_and_not_one_beyond(
    fits: bytes, is_over: bytes, code: str
) -> None:
    codec.read_json(fits)
    with pytest.raises(Malformed, match=code):
        codec.read_json(is_over)


@pytest.fixture
def deep() -> Iterator[None]:
    """As after a library has raised the recursion limit beyond what the stack holds."""
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(1_000_000)
    try:
        yield
    finally:
        sys.setrecursionlimit(limit)


@pytest.mark.usefixtures("deep")
def test_a_parser_bomb_is_only_malformed() -> None:
    for bomb in (nested(200_000), b'["' + nested(9) + b'",' + nested(200_000) + b"]"):
        with pytest.raises(Malformed, match="json_too_deep"):
            codec.read_json(bomb)


@pytest.mark.parametrize("tail", [b"", b"\\", b'"', b"]" * 501])
@pytest.mark.parametrize("piece", [b'\\"', b"[]", b'"\\"', b'"', b"\\", b'[{"a":"\\"}]'])
def test_no_text_takes_long_to_be_found_shallow(piece: bytes, tail: bytes) -> None:
    for head in (b"[" * 501, b"[" * 501 + b'"', b""):
        raw = head + piece * (100_000 // len(piece)) + tail
        began_s = time.thread_time()
        with suppress(Malformed):
            codec.require_shallow(raw)
        assert time.thread_time() - began_s < 1  # 5 ms; if quadratic, half a minute


def test_brackets_in_text_and_side_by_side_are_no_depth() -> None:
    codec.require_shallow(b'["' + b"[" * 5_000 + b'"]')
    codec.require_shallow(b"[" + b",".join([b"[{}]"] * 2_000) + b"]")
    codec.require_shallow(b'["\\"' + b"[" * 5_000 + b'"]')
    with pytest.raises(Malformed):
        codec.require_shallow(b'["\\\\"' + b"[" * 5_000)


class Piece(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True,
            omit_defaults=True):  # fmt: skip  # - the options are one thought
    name: str
    micro: int
    note: str = ""
    inner: Any = None


READER = codec.Reader(Piece)
PIECE = Piece(name="a", micro=7)


def test_a_reader_reads_what_encoders_write() -> None:
    assert READER.read(b'{"name":"a","micro":7}') == PIECE
    assert READER.read(b'{ "micro": 7,\n "name": "\\u0061" }') == PIECE
    assert READER.read(b'{"name":"a","micro":7,"note":""}') == PIECE
    assert READER.convert({"name": "a", "micro": 7}) == PIECE


@pytest.mark.parametrize(
    "raw",
    [
        b"", b"[]", b"null", b'{"name":"a"}', b'{"name":"a","micro":7,"more":0}',
        b'{"name":"a","micro":7.0}', b'{"name":"a","micro":7e0}', b'{"name":"a","micro":"7"}',
        b'{"name":"a","micro":true}', b'{"name":"a","micro":-0}', b'{"name":null,"micro":7}',
        b'{"name":"a","micro":7,"micro":7}', b'{"name":"a","micro":8,"micro":7}',
        b'{"name":"a","micro":7,"\\u006dicro":7}', b'{"name":"\\ud800","micro":7}',
        b'{"name":"a","micro":7} {}', b'{"name":"\xff","micro":7}', b'{"name":"a","micro":07}',
        b'{"name":"a","micro":7,"inner":1.5 }', b'{"name":"a","micro":7,"inner":{"b":1,"b":1} }',
    ],
)  # fmt: skip  # - one spelling a line would hide that this is one list
def test_a_reader_refuses_everything_else(raw: bytes) -> None:
    with pytest.raises(Malformed):
        READER.read(raw)


@given(st.data())
def test_a_repeated_key_is_found_wherever_it_stands(data: st.DataObject) -> None:
    pairs = [("name", data.draw(TEXT)), ("micro", data.draw(st.integers(0, 99)))]
    name, value = data.draw(st.sampled_from(pairs))
    pairs.insert(data.draw(st.integers(0, 2)), (name, value))
    members = ",".join(f'"{key}":{json.dumps(value)}' for key, value in pairs)
    with pytest.raises(Malformed, match="json_key_repeated"):
        READER.read(f"{{{members}}}".encode())


@pytest.mark.usefixtures("deep")
def test_a_reader_survives_a_parser_bomb() -> None:
    with pytest.raises(Malformed):
        READER.read(b'{"name":"a","micro":7,"inner":' + nested(200_000) + b"}")


def test_what_is_wrong_is_told_without_the_value() -> None:
    secret = base64.b64encode(b"TEST-CANARY").decode()
    with pytest.raises(Malformed) as caught:
        READER.convert({"name": "a", "micro": secret})
    assert secret not in str(caught.value)
    assert "micro" in str(caught.value)


class _Word(msgspec.Struct):
    word: str = ""


def test_a_lone_surrogate_in_a_value_is_malformed() -> None:
    class Named(msgspec.Struct, frozen=True):
        name: Literal["a", "b"]

    with pytest.raises(Malformed) as refused:
        codec.Reader(Named).convert({"name": "\ud800"})
    assert refused.value.code == "payload_malformed"


def test_a_message_of_another_party_may_say_more_but_not_nest_without_end() -> None:
    assert codec.read_open(b'{"word": "a", "more": [1.5]}', _Word) == _Word(word="a")
    assert codec.read_open(b'{"more": [[[]]]}', _Word) == _Word()
    deep = b'{"more": ' + b"[" * 5_000 + b"]" * 5_000 + b"}"
    for wrong in (b"", b"[]", b'{"word": 1}', b'{"word": "\xff"}', deep):
        with pytest.raises(Malformed):
            codec.read_open(wrong, _Word)
