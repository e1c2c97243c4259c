"""CBOR in and out, as far as tokens need it: integers from 0 on, bytes, text, lists, maps, truth.

One spelling of each value: definite lengths, the shortest heads, no key twice; nesting and items
are bounded before anything is built. A member that is `undefined` is left out, since JavaScript's
wallets write such. Source: RFC 8949, section 4.2.1, but keys keep their order.
"""

from typing import Any

from farthing.errors import Malformed

CBOR_DEPTH_MAX = 8  # deeper nesting is a parser bomb: a token has 5
CBOR_ITEMS_MAX = 4096  # in all: more than the proofs of any token have members

Cbor = Any  # None, bool, int, bytes, str, a list, or a map with such keys

_INT, _BYTES, _TEXT, _LIST, _MAP, _SIMPLE = 0, 2, 3, 4, 5, 7
_SIMPLE_VALUES: dict[int, bool | None] = {20: False, 21: True, 22: None}
_UNDEFINED = b"\xf7"
_SIMPLE_HEADS = {value: head for head, value in _SIMPLE_VALUES.items()}


def write(value: Cbor) -> bytes:
    """The one spelling of a value; AssertionError for a kind that is not ours."""
    parts: list[bytes] = []
    _write(value, parts)
    return b"".join(parts)


def _write(value: Cbor, parts: list[bytes]) -> None:
    match value:
        case None | bool():
            parts.append(_head(_SIMPLE, _SIMPLE_HEADS[value]))
        case int():
            parts.append(_head(_INT, value))
        case bytes():
            parts += (_head(_BYTES, len(value)), value)
        case str():
            raw = value.encode()
            parts += (_head(_TEXT, len(raw)), raw)
        case list() | tuple():
            parts.append(_head(_LIST, len(value)))
            for item in value:
                _write(item, parts)
        case dict():
            parts.append(_head(_MAP, len(value)))
            for key, item in value.items():
                _write(key, parts)
                _write(item, parts)
        case _:
            raise AssertionError(f"no CBOR for {type(value).__name__}")


def _head(major: int, argument: int) -> bytes:
    if argument < 24:
        return bytes([major << 5 | argument])
    size = next(power for power in range(4) if argument < 1 << (8 << power))
    return bytes([major << 5 | 24 + size]) + argument.to_bytes(1 << size, "big")


def read(raw: bytes) -> Cbor:
    """The one value in `raw`; `Malformed` for anything that `write` would not write."""
    reader = _Reader(raw)
    value = reader.value(1)
    if reader.at != len(raw):
        raise Malformed("cbor_malformed", "there is something after the value")
    return value


class _Reader:
    def __init__(self, raw: bytes) -> None:
        self.at = 0
        self._raw = raw
        self._items = 0

    def value(self, depth: int) -> Cbor:
        self._items += 1
        if self._items > CBOR_ITEMS_MAX:
            raise Malformed("cbor_too_many_items", f"at most {CBOR_ITEMS_MAX} items")
        if depth > CBOR_DEPTH_MAX:
            raise Malformed("cbor_too_deep", f"at most {CBOR_DEPTH_MAX} levels")
        major, argument = self._head()
        match major:
            case 0:
                return argument
            case 2:
                return self._take(argument)
            case 3:
                return self._text(argument)
            case 4:
                return [self.value(depth + 1) for _ in range(self._few(argument))]
            case 5:
                return self._map(self._few(argument), depth)
            case 7 if argument in _SIMPLE_VALUES:
                return _SIMPLE_VALUES[argument]
        raise Malformed("cbor_unsupported", "integers from 0 on, bytes, text, lists, maps, truth")

    def _map(self, count: int, depth: int) -> dict[Cbor, Cbor]:
        found: dict[Cbor, Cbor] = {}
        for _ in range(count):
            key = self.value(depth + 1)
            if not isinstance(key, str):
                raise Malformed("cbor_key_no_text", "the keys of a map are text")
            if key in found:
                raise Malformed("cbor_key_repeated", "a key stands twice in one map")
            if self._raw[self.at : self.at + 1] == _UNDEFINED:
                self.at += 1
            else:
                found[key] = self.value(depth + 1)
        return found

    def _few(self, count: int) -> int:
        """A count that the rest can hold: each item takes a byte."""
        if count > len(self._raw) - self.at:
            raise Malformed("cbor_cut_short", "the value ends too early")
        return count

    def _text(self, size_bytes: int) -> str:
        try:
            return self._take(size_bytes).decode()
        except UnicodeDecodeError:
            raise Malformed("cbor_text_no_utf8", "text is UTF-8") from None

    def _head(self) -> tuple[int, int]:
        first = self._take(1)[0]
        major, short = first >> 5, first & 31
        if short < 24:
            return major, short
        if short > 27:
            raise Malformed("cbor_indefinite", "lengths are definite")
        size = short - 24
        argument = int.from_bytes(self._take(1 << size), "big")
        shortest = 24 if size == 0 else 1 << (8 << size - 1)
        if argument < shortest or major == _SIMPLE:
            raise Malformed("cbor_not_shortest", "a number has one spelling, the shortest")
        return major, argument

    def _take(self, size_bytes: int) -> bytes:
        found = self._raw[self.at : self.at + size_bytes]
        if len(found) != size_bytes:
            raise Malformed("cbor_cut_short", "the value ends too early")
        self.at += size_bytes
        return found
