"""JSON objects inside a credential, read strictly on the hot path of the gate.

A payload is handed to its scheme as canonical JSON (RFC 8785), so that it is the same bytes in
every dialect. Limits are those of `codec`, counted from the object itself.
"""

from typing import Any

import msgspec

from farthing import codec
from farthing.errors import Malformed

_ENCODE = msgspec.json.Encoder(order="sorted").encode
_ALIKE = bytes.maketrans(b"123456789[", b"000000000{")
_LONG_NUMBER = b"0" * len(str(codec.JSON_INT_MAX))


def _refuse_float(text: str) -> Any:
    raise Malformed("json_number_not_integer", f"{text[:20]} is not an integer")


_DECODE = msgspec.json.Decoder(float_hook=_refuse_float).decode


def read_object(raw: bytes | msgspec.Raw) -> tuple[dict[str, Any], bytes]:
    """The object in `raw`, and its canonical bytes; `Malformed` for anything else.

    Most are too short to break a limit, and written back as long as they came, so that no key
    stands twice; the others go through `codec.read_json`.
    """
    raw = bytes(raw)
    if len(raw) > codec.NESTING_SAFE:  # else it cannot nest that deep
        codec.require_shallow(raw)
    try:
        value = _DECODE(raw)
        written = _ENCODE(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Malformed("json_malformed", "expected JSON") from None
    if not isinstance(value, dict):
        raise Malformed("json_not_object", "expected a JSON object")
    if len(written) != len(raw) or not _is_small(raw):
        codec.read_json(raw)
    return value, written


def _is_small(raw: bytes) -> bool:
    """Too short, flat and sparse to break a limit; a false alarm costs time only."""
    alike = raw.translate(_ALIKE)  # every digit as 0, every bracket that opens as the other
    return (
        len(raw) <= codec.JSON_STRING_MAX
        and alike.count(b"{") <= codec.JSON_DEPTH_MAX
        and alike.count(b",") < codec.JSON_MEMBERS_MAX
        and alike.find(_LONG_NUMBER) < 0
    )
