"""Inputs like the honest ones, with something wrong in them.

Whatever is in an input is taken apart as a parser would: base64 in a header, JSON in the base64,
texts in the JSON; then a member is lost, doubled, or becomes one of the values that parsers trip
over, and all of it is put together again. Half of the time it is only bytes that change.
"""

import base64
import binascii
import json
import random
import re
from collections.abc import Sequence
from typing import Any

INPUT_BYTES_MAX = 64 * 1024  # longer ones are the limits' business: see test_limits.py
CHANGES_MAX = 4  # in one input: more of them are refused for the first
NESTED_MAX = 6  # base64 in JSON in base64: ours has three
ENCODED = re.compile(rb"[A-Za-z0-9+/_-]{16,}={0,2}")

NUMBERS = (0, 1, -1, 7, 2**31, 2**53 - 1, 2**53, 2**63, 2**64, 2**70, -(2**63) - 1, 0.5, 1e300)
TEXTS = (
    "", " ", "0", "-0", "00", "+1", "1e5", "1_0", "\u0661", "\u0130", "null", "NaN", "\0", "\x7f",
    "a" * 300, "9" * 20, "9" * 5000, "\ud83d", "\udc80x", "\u202e", "\u00e9", "\u2028", "a\nb", "A",
    "=", "==", "-_", "+/", ":", "|", "%", "*", "**/**", "a=1;a=1", "sha-256=:", "ed25519:", "mac:",
    "0x10", "//", "http://[", "http://a:99999/", "2026-02-30T00:00:00Z", "9999-12-31T23:59:60Z",
)  # fmt: skip  # - one a line would hide how they are alike
OTHERS: tuple[Any, ...] = (None, True, False, [], {}, [[]], [{}], {"": ""}, float("inf"))
BYTES = (
    b"\0", b"\n", b"\r\n", b'"', b"\\", b"=", b",", b";", b":", b"{", b"}", b"[", b"]", b" ", b"\t",
    b"\xff", b"\x80", b"\xed\xa0\x80", b"\xc0\xaf", b"\xef\xbb\xbf", b"\xf0\x9f\x98\x80",
    b"\xd9\xa3", b"\\ud800", b"\\u0000", b"e9", b"-", b"1e999", b"NaN", b"null", b"'", b"#", b"%",
    b"9" * 400, b"[" * 600, b"[]" * 600 + b'"' + b'\\"' * 4000, b'{"":' * 20,
)  # fmt: skip  # - likewise


def mutated(luck: random.Random, honest: Sequence[bytes], more: Sequence[bytes] = ()) -> bytes:
    """One of the inputs, changed; `more` are inputs to take pieces of."""
    pool = [*honest, *more]
    raw = luck.choice(pool) if pool else b""
    for _ in range(luck.choice((1, 1, 1, 2, 3, CHANGES_MAX))):
        raw = changed(luck, raw)
    if pool and luck.random() < 0.05:
        raw = _spliced(luck, raw, luck.choice(pool))
    return raw[:INPUT_BYTES_MAX]


def changed(luck: random.Random, raw: bytes, nested: int = 0) -> bytes:
    """The input with one thing changed, somewhere in it."""
    if nested < NESTED_MAX and luck.random() < 0.9:
        inner = _in_json(luck, raw, nested) or _in_base64(luck, raw, nested)
        if inner is not None:
            return inner
    return _in_bytes(luck, raw)


# --- JSON ---------------------------------------------------------------------------------------


def _in_json(luck: random.Random, raw: bytes, nested: int) -> bytes | None:
    if raw[:1] not in (b"{", b"["):
        return None
    try:
        value = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    return _spelled(luck, _other(luck, value, nested))


def _spelled(luck: random.Random, value: Any) -> bytes:
    """Mostly as our encoders do: other spellings are refused before anything is looked at."""
    how = luck.random()
    if how < 0.85:
        told = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    elif how < 0.9:
        told = json.dumps(value)
    elif how < 0.95:
        told = json.dumps(value, separators=(",", ":"))
        first = re.search(r'"[^"\\]*":[^,{}\[\]]*', told)
        if first is not None:  # a member that stands twice
            told = told[: first.end()] + "," + told[first.start() :]
    else:
        told = json.dumps(value, indent=1, sort_keys=True)
    return told.encode("utf-8", "surrogatepass")


def _other(luck: random.Random, value: Any, nested: int) -> Any:
    """The value with one thing in it changed, the deeper ones first."""
    if isinstance(value, dict) and value and luck.random() < 0.8:
        return _other_object(luck, value, nested)
    if isinstance(value, list) and value and luck.random() < 0.8:
        where, how = luck.randrange(len(value)), luck.random()
        if how < 0.1:
            return value[:where] + value[where + 1 :]
        if how < 0.2:
            return value * luck.choice((2, 2, 40))
        return [*value[:where], _other(luck, value[where], nested), *value[where + 1 :]]
    if isinstance(value, str) and value and luck.random() < 0.5:
        told = changed(luck, value.encode("utf-8", "surrogatepass"), nested + 1)
        return told.decode("utf-8", "replace")
    if type(value) is int and abs(value) < 2**64 and luck.random() < 0.4:
        return luck.choice((value + 1, value - 1, -value, value * 1000, str(value), value / 2))
    return _nasty(luck)


def _other_object(luck: random.Random, value: dict[str, Any], nested: int) -> dict[str, Any]:
    name, how = luck.choice(sorted(value)), luck.random()
    if how < 0.1:
        return {each: value[each] for each in value if each != name}
    if how < 0.15:
        return {**value, luck.choice(("unknown", "", "\ud800", "sig", "x" * 100)): _nasty(luck)}
    if how < 0.2:  # two that change their places
        other = luck.choice(sorted(value))
        return {**value, name: value[other], other: value[name]}
    return {**value, name: _other(luck, value[name], nested)}


def _nasty(luck: random.Random) -> Any:
    return luck.choice(luck.choice((NUMBERS, TEXTS, TEXTS, OTHERS)))


# --- base64 -------------------------------------------------------------------------------------


def _in_base64(luck: random.Random, raw: bytes, nested: int) -> bytes | None:
    found = list(ENCODED.finditer(raw))
    if not found:
        return None
    part = luck.choice(found)
    plain = part.group().rstrip(b"=").translate(bytes.maketrans(b"-_", b"+/"))
    try:
        inner = binascii.a2b_base64(plain + b"=" * (-len(plain) % 4))
    except binascii.Error:
        return None
    inner = changed(luck, inner, nested + 1)
    again = base64.b64encode(inner)
    if not _is_standard(luck, part.group()):
        again = base64.urlsafe_b64encode(inner).rstrip(b"=")
    return raw[: part.start()] + again + raw[part.end() :]


def _is_standard(luck: random.Random, part: bytes) -> bool:
    """Whether it was spelled with padding, as far as it can be seen."""
    if any(sign in part for sign in b"=+/"):
        return True
    is_open = len(part) % 4 == 0 and not any(sign in part for sign in b"-_")
    return is_open and luck.random() < 0.5


# --- bytes --------------------------------------------------------------------------------------


def _in_bytes(luck: random.Random, raw: bytes) -> bytes:
    at, how = luck.randrange(len(raw) + 1), luck.random()
    size = luck.choice((1, 1, 2, 8, 32))
    if how < 0.2 and at < len(raw):
        return raw[:at] + bytes((raw[at] ^ (1 << luck.randrange(8)),)) + raw[at + 1 :]
    if how < 0.4:
        return raw[:at] + luck.choice(BYTES) + raw[at:]
    if how < 0.5:
        return raw[:at] + luck.choice(TEXTS).encode("utf-8", "surrogatepass") + raw[at + size :]
    if how < 0.7:
        return raw[:at] + raw[at + size :]
    if how < 0.8:
        return raw[:at] + raw[max(0, at - size) : at] * luck.randint(1, 60) + raw[at:]
    if how < 0.9:
        return raw[:at]
    return raw[:at] + luck.randbytes(size) + raw[at + size :]


def _spliced(luck: random.Random, one: bytes, other: bytes) -> bytes:
    return one[: luck.randrange(len(one) + 1)] + other[luck.randrange(len(other) + 1) :]
