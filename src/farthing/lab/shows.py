"""What vendors of a world sell by the tick, and how their sites send it.

Each vendor sells files by the byte, which go on where they broke off, tickers by the message, and
radio by the second; each with a grace of its own. Parts are cut anywhere, and the clock moves
between them.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import msgspec

from farthing.schemes.contract import Scheme
from farthing.schemes.streams import MOST, Meter, Unit

UNITS: tuple[Unit, ...] = tuple(MOST)
NAMES: dict[Unit, str] = {"bytes": "B", "messages": " messages", "seconds": "s"}
COUNTS: dict[Unit, tuple[int, ...]] = {"bytes": (16, 10), "messages": (1, 2), "seconds": (1, 2)}
GRACES = (3, 1, 16)
PRICE_MICRO = 200  # of a tick, in the units of every scheme
PAUSE_S = (2, 5)
FILE_TICKS_MAX = 80  # of a file, so that some take more than one large voucher
EVENTS_MAX = 30
SECONDS_MAX = 12.0  # that a radio runs
PART_S = 0.4  # between two parts of a radio, on average
SHORT_S = 0.02  # between two parts of anything else
PART_BYTES_MAX = 120
TAG = b'"1"'
Send = Callable[[dict[str, Any]], Awaitable[None]]


class Show(msgspec.Struct, frozen=True, kw_only=True):
    """One route of a vendor that is sold by the tick."""

    scheme: str
    meter: Meter
    pause_s: int
    price_micro: int = PRICE_MICRO

    @property
    def path(self) -> str:
        """Without a number at the end."""
        return f"/{self.scheme}/{self.meter.unit}"

    @property
    def route(self) -> str:
        """As `prices.toml` has it."""
        meter = self.meter
        return (
            f'[[route]]\npath = "{self.path}/*"\nprice = "{self.price_micro}u"\n'
            f'accept = ["{self.scheme}"]\nper = "{meter.count}{NAMES[meter.unit]}"\n'
            f"grace = {meter.grace}\npause_s = {self.pause_s}\n"
        )


def is_streamed(scheme: Scheme) -> bool:
    """Whether streams can be paid with it."""
    return scheme.till.streams


def shows_of(schemes: Sequence[Scheme], number: int) -> tuple[Show, ...]:
    """What the vendor with this number sells by the tick."""
    return tuple(
        Show(
            scheme=scheme.traits.name,
            meter=Meter(
                unit=unit,
                count=COUNTS[unit][number % len(COUNTS[unit])],
                grace=GRACES[(number + place) % len(GRACES)],
            ),
            pause_s=PAUSE_S[number % len(PAUSE_S)],
        )
        for scheme in schemes
        if is_streamed(scheme)
        for place, unit in enumerate(UNITS)
    )


def file_of(path: str, meter: Meter) -> bytes:
    """The file at an address: the same each time."""
    luck = random.Random(f"file {path}")
    return luck.randbytes(luck.randint(1, FILE_TICKS_MAX * meter.count))


async def send_show(show: Show, scope: Any, send: Send, luck: random.Random) -> None:
    """The site's answer to one request."""
    asked = dict(scope["headers"]).get(b"range", b"")
    match show.meter.unit:
        case "bytes":
            await _send_file(show, scope["path"], asked, send, luck)
        case "messages":
            text = _events(luck)
            kind = b"text/event-stream"
            await _send(send, 200, [(b"content-type", kind)], _cut(text, luck), luck, SHORT_S)
        case "seconds":
            parts = [luck.randbytes(8) for _ in range(luck.randint(1, int(SECONDS_MAX / PART_S)))]
            await _send(send, 200, [(b"content-type", b"audio/ogg")], parts, luck, PART_S)


async def _send_file(show: Show, path: str, asked: bytes, send: Send, luck: random.Random) -> None:
    whole = file_of(path, show.meter)
    first = int(asked[len(b"bytes=") : -1]) if asked else 0
    headers = [(b"etag", TAG), (b"accept-ranges", b"bytes")]
    if first >= len(whole) and asked:
        await _send(send, 416, headers, [], luck, SHORT_S)
        return
    rest, status = whole[first:], 206 if asked else 200
    headers.append((b"content-length", b"%d" % len(rest)))
    if asked:
        span = b"bytes %d-%d/%d" % (first, len(whole) - 1, len(whole))
        headers.append((b"content-range", span))
    await _send(send, status, headers, _cut(rest, luck), luck, SHORT_S)


def _events(luck: random.Random) -> bytes:
    """Numbered ones, with comments in between."""
    text = b""
    for number in range(luck.randint(1, EVENTS_MAX)):
        text += b": still here\n\n" if luck.random() < 0.1 else b""
        text += b"data: %d\n\n" % number
    return text


def _cut(text: bytes, luck: random.Random) -> list[bytes]:
    """The same in parts, anywhere."""
    parts = []
    while text:
        size = luck.randint(1, PART_BYTES_MAX)
        parts.append(text[:size])
        text = text[size:]
    return parts


async def _send(
    send: Send,
    status: int,
    headers: list[tuple[bytes, bytes]],
    parts: Sequence[bytes],
    luck: random.Random,
    every_s: float,
) -> None:
    await send({"type": "http.response.start", "status": status, "headers": headers})
    for part in parts:
        await asyncio.sleep(luck.expovariate(1 / every_s))
        await send({"type": "http.response.body", "body": part, "more_body": True})
    await send({"type": "http.response.body", "body": b""})
