"""The head of an application's answer, as far as the gate reads it."""

from collections.abc import Mapping
from typing import Any

import msgspec

from farthing.vendor.commands import Headers
from farthing.vendor.metering import EVENT_STREAM

LENGTH_DIGITS_MAX = 18  # of a content-length: more bytes than any disk holds


class Head(msgspec.Struct, frozen=True, gc=False):
    """What the application's answer begins with."""

    status: int
    headers: Headers
    """Names in lower case."""
    length: int | None
    """What it says of the body's length; None where it says nothing that can be read."""
    is_event_stream: bool
    """Its first event may be long in coming."""


def read_head(message: Mapping[str, Any]) -> Head:
    """Of an ASGI message `http.response.start`."""
    headers: list[tuple[bytes, bytes]] = []
    length: int | None = None
    is_event_stream = False
    for raw_name, raw_value in message.get("headers", ()):
        name, value = bytes(raw_name).lower(), bytes(raw_value)
        headers.append((name, value))
        if name == b"content-length":
            readable = value.isdigit() and len(value) <= LENGTH_DIGITS_MAX
            length = int(value) if readable else None
        elif name == b"content-type":
            is_event_stream = value.startswith(EVENT_STREAM)
    return Head(message["status"], tuple(headers), length, is_event_stream)
