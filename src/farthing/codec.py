"""Bytes in and out: canonical encodings that are injective, and decoders that are strict.

- `enc` joins fields for hashing, MACs and signatures: no two field lists give the same bytes.
- `b64u` / `b64` and their readers accept exactly one spelling of each value.
- `canonical` is RFC 8785 JSON of our value space (no floats, keys in the Basic Plane).
- `read_json` and `read_struct` refuse duplicates, floats, depth and size beyond the named limits.

Sources: RFC 4648, RFC 8785; `enc` is ours.
"""

import hashlib
import json
import re
from array import array
from collections.abc import Sequence
from itertools import accumulate
from typing import Any, Generic, TypeVar

import msgspec

from farthing.errors import Malformed

JSON_DEPTH_MAX = 8  # deeper nesting is a parser bomb: our deepest message has 5
JSON_MEMBERS_MAX = 64  # per object and list
JSON_STRING_MAX = 4096  # bytes of one string; our longest field is a sealed key of 1.5 kB
NESTING_SAFE = 500  # levels that fit the stack of any thread; what is deeper is not even parsed
JSON_INT_MAX = 2**53 - 1  # every JSON reader agrees up to here

T = TypeVar("T")
Json = None | bool | int | str | list[Any] | dict[str, Any]


_LENGTHS = [size_bytes.to_bytes(4, "big") for size_bytes in range(256)]  # of nearly all fields
_EIGHT = _LENGTHS[8]  # of every integer


def enc(*fields: bytes | str | int) -> bytes:
    """Fields, each after its length in 4 bytes; integers are 8 bytes big-endian, text is UTF-8.

    Injective for a fixed list of field types, which the leading domain tag fixes. Raises
    OverflowError for an integer outside 0 … 2^64 - 1: callers have checked ranges before.
    """
    parts: list[bytes] = []
    for field in fields:
        if isinstance(field, str):
            field = field.encode()
        elif isinstance(field, int):
            parts += (_EIGHT, field.to_bytes(8, "big"))
            continue
        size_bytes = len(field)
        parts += (
            _LENGTHS[size_bytes] if size_bytes < 256 else size_bytes.to_bytes(4, "big"),
            field,
        )
    return b"".join(parts)


def b64u(raw: bytes) -> str:
    """Base64url without padding."""
    return b64(raw).rstrip("=").replace("+", "-").replace("/", "_")


# The characters that may end a text whose last group has 2 or 3 of them: the spare bits are zero.
# No group has one.
_LAST = ("", "", "AQgw", "AEIMQUYcgkosw048")
_LETTERS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
# From base64url to base64; what is not of the one becomes what is not of the other.
_STANDARD = bytes(
    {ord("-"): ord("+"), ord("_"): ord("/")}.get(char, char if char in _LETTERS else ord("-"))
    for char in range(256)
)
_ENDS = (b'"', b'"', b'=="', b'="')
# Of a JSON string: `binascii` takes three times as long.
_READ_BASE64 = msgspec.json.Decoder(bytes).decode


def unb64u(text: str, size_bytes: int | None = None) -> bytes:
    """Read unpadded base64url; `Malformed` for any other spelling, or another size."""
    tail = len(text) % 4
    if tail and text[-1] not in _LAST[tail]:
        raise Malformed("base64url_not_canonical", "expected base64url without padding")
    try:
        raw = _READ_BASE64(b'"' + text.encode().translate(_STANDARD) + _ENDS[tail])
    except ValueError:
        raise Malformed("base64url_malformed", "expected base64url without padding") from None
    if size_bytes is not None and len(raw) != size_bytes:
        raise Malformed("field_size_wrong", f"expected {size_bytes} bytes")
    return raw


def b64(raw: bytes) -> str:
    """Standard base64 with padding, as x402 headers use it."""
    text: str = msgspec.to_builtins(raw)
    return text


def unb64(text: str) -> bytes:
    """Read padded standard base64; `Malformed` for any other spelling."""
    try:
        raw = _READ_BASE64(b'"' + text.encode() + b'"')
    except ValueError:
        raise Malformed("base64_malformed", "expected standard base64 with padding") from None
    if b64(raw) != text:
        raise Malformed("base64_not_canonical", "expected standard base64 with padding")
    return raw


def canonical(value: object) -> bytes:
    """RFC 8785 bytes of a JSON value, or of a struct as JSON.

    Our values hold no floats and no keys outside the Basic Plane, for which sorting by code point
    is sorting by UTF-16 unit.
    """
    return _ENCODE_SORTED(value)


def digest(value: object) -> bytes:
    """SHA-256 of `canonical(value)`, 32 bytes."""
    return hashlib.sha256(canonical(value)).digest()


def _no_float(text: str) -> None:
    raise Malformed("json_number_not_integer", f"{text[:20]} is not an integer")


def _integer(text: str) -> int:
    if text.startswith("-"):  # -0 would be a second spelling of 0
        raise Malformed("json_integer_out_of_range", "integers are 0 to 2^53 - 1")
    return int(text)


def _no_duplicates(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Malformed("json_key_repeated", "a key stands twice in one object")
    _require_few(found)
    return found


def _require_small(value: Any, depth: int = 1, *, is_short: bool = False) -> None:
    """`is_short`: the whole text is, so that no string in it is too long."""
    if depth > JSON_DEPTH_MAX:
        raise Malformed("json_too_deep", f"at most {JSON_DEPTH_MAX} levels")
    kind = type(value)  # parsers give no others than these, and this is asked of every value
    if kind is dict or kind is list:
        _require_few(value)
        if kind is dict:
            value = value.values() if is_short else [*value, *value.values()]
        passed = str if is_short and depth < JSON_DEPTH_MAX else None
        for item in value:
            if type(item) is not passed:
                _require_small(item, depth + 1, is_short=is_short)
    elif kind is int:
        if not 0 <= value <= JSON_INT_MAX:
            raise Malformed("json_integer_out_of_range", "integers are 0 to 2^53 - 1")
    elif kind is str and not is_short:
        _require_text(value)


def _require_few(members: list[Any] | dict[str, Any]) -> None:
    if len(members) > JSON_MEMBERS_MAX:
        raise Malformed("json_too_many_members", f"at most {JSON_MEMBERS_MAX} members")


def _require_text(text: str) -> None:
    try:
        size_bytes = len(text) if text.isascii() else len(text.encode())
    except UnicodeEncodeError:
        raise Malformed("json_surrogate", "a lone surrogate is not text") from None
    if size_bytes > JSON_STRING_MAX:
        raise Malformed("json_string_too_long", f"at most {JSON_STRING_MAX} bytes a string")


_DECODE = msgspec.json.Decoder(float_hook=_no_float).decode
_ENCODE = msgspec.json.Encoder().encode
_ENCODE_SORTED = msgspec.json.Encoder(order="sorted").encode
_PARSE = json.JSONDecoder(
    object_pairs_hook=_no_duplicates,
    parse_float=_no_float,
    parse_int=_integer,
    parse_constant=_no_float,
).decode

# Strings as a JSON reader sees them, as far as the text is JSON at all. One that never ends reaches
# to the end of the text, so that no part of it is looked at twice.
_STRINGS = re.compile(rb'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)', re.DOTALL)
_STEPS = bytes.maketrans(b"[{]}", b"\x01\x01\xff\xff")  # signed: one down, one up
_FLAT = bytes(sorted(set(range(256)) - set(b"[{]}")))


def require_shallow(raw: bytes) -> None:
    """`Malformed` for JSON text that nests deeper than any C stack likes.

    Parsers guard themselves by Python's recursion limit, which any library may have raised.
    """
    if raw.count(b"[") + raw.count(b"{") <= NESTING_SAFE:
        return
    steps = array("b", _STRINGS.sub(b"", raw).translate(_STEPS, _FLAT))
    if max(accumulate(steps), default=0) > NESTING_SAFE:
        raise Malformed("json_too_deep", f"at most {JSON_DEPTH_MAX} levels")


def read_json(raw: bytes) -> Json:
    """Parse JSON within the limits of this module; `Malformed` otherwise."""
    require_shallow(raw)
    try:
        # No value without floats can be written shorter than msgspec does: where the lengths
        # agree, no key was repeated. It is left to the parser below to say what is wrong.
        value: Json = _DECODE(raw)
        if len(_ENCODE(value)) == len(raw):
            _require_small(value, is_short=len(raw) <= JSON_STRING_MAX)
            return value
    except (Malformed, ValueError, RecursionError):
        pass  # likewise
    try:
        value = _PARSE(raw.decode())
    except (ValueError, RecursionError):
        raise Malformed("json_malformed", "expected JSON") from None
    _require_small(value)
    return value


def read_open(raw: bytes, kind: type[T]) -> T:
    """A message of another party in which fields may come that we do not know; `Malformed`."""
    require_shallow(raw)
    try:
        return msgspec.json.decode(raw, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise Malformed("json_malformed", f"expected a {kind.__name__.strip('_')}") from None


class Reader(Generic[T]):
    """A strict decoder for one struct type, fast on the spelling that every encoder writes.

    msgspec checks types and unknown keys but lets a repeated key pass. Written back without its
    default fields, a message is as short as it can be: where the lengths agree, nothing was
    repeated. Anything longer (white space, escapes, repeats) goes through `read_json` first.
    """

    def __init__(self, kind: type[T]) -> None:
        """`kind` must forbid unknown fields and omit defaults."""
        self._decode = msgspec.json.Decoder(kind, strict=True, float_hook=_no_float).decode
        self._encode = msgspec.json.Encoder().encode
        self._kind = kind

    def read(self, raw: bytes) -> T:
        """The message in `raw`; `Malformed` for anything else."""
        if len(raw) > NESTING_SAFE:  # else it cannot nest that deep
            require_shallow(raw)
        try:
            message = self._decode(raw)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as wrong:
            raise Malformed("payload_malformed", _public(wrong)) from None
        if len(self._encode(message)) != len(raw):
            read_json(raw)
        return message

    def convert(self, value: object) -> T:
        """The message in an already parsed JSON value; `Malformed` if it does not fit."""
        try:
            return msgspec.convert(value, self._kind, strict=True)
        except msgspec.ValidationError as wrong:
            raise Malformed("payload_malformed", _public(wrong)) from None
        except UnicodeEncodeError:
            raise Malformed("payload_malformed", "a lone surrogate is not text") from None


def _public(wrong: Exception) -> str:
    """msgspec's message names the path and the expected type, never the value."""
    return str(wrong)[:200]
