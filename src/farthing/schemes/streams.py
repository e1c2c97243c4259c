"""What an offer's terms say of a stream, and how both sides count what has run.

In the terms `stream` is an object: a tick is `count` seconds, bytes or messages; the offer's price
buys `ticks` of them, one if it does not say; the vendor goes on for `grace` ticks that are not paid
yet, and a wallet pays at most `grace` ticks ahead of what has come, or one payment where that buys
more. Gate and wallet count alike, each what passes it:

- bytes: those of the body;
- messages: events with data of an event stream, whole ones;
- seconds: those between the first byte and the last. Of a silence at most `grace` ticks count, and
  of a pause nothing, so that nobody owes for time in which nothing came.

Source: Pedersen 1996 for ticks; the counting is ours.
"""

import re
from typing import Literal, Protocol

import msgspec

from farthing import codec
from farthing.errors import OutOfRange, TooLarge
from farthing.schemes.messages import Offer
from farthing.schemes.setting import Json

STREAM = "stream"
TICKS_MAX = 64  # of one voucher, and so of grace: bounds what a voucher costs to check
SECONDS_MAX = 3_600  # of a tick: longer ones are single payments
BYTES_MAX = 2**30  # of a tick
MESSAGES_MAX = 1_000  # of a tick
EVENT_BYTES_MAX = 1024 * 1024  # of one event: it waits until it is whole

Unit = Literal["seconds", "bytes", "messages"]
MOST: dict[Unit, int] = {"seconds": SECONDS_MAX, "bytes": BYTES_MAX, "messages": MESSAGES_MAX}


class Meter(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """What one tick buys, and how many may be open either way."""

    unit: Unit
    count: int
    """Seconds, bytes or messages of one tick."""
    grace: int
    """Ticks."""
    ticks: int = 1
    """That the price buys: the least that the scheme of the offer can express."""

    def __post_init__(self) -> None:
        """`OutOfRange`."""
        if not 1 <= self.count <= MOST[self.unit]:
            raise OutOfRange("tick_out_of_range", f"a tick is 1 to {MOST[self.unit]} {self.unit}")
        if not 1 <= self.grace <= TICKS_MAX:
            raise OutOfRange("grace_out_of_range", f"a grace is 1 to {TICKS_MAX} ticks")
        if not 1 <= self.ticks <= TICKS_MAX:
            raise OutOfRange("ticks_out_of_range", f"a price buys 1 to {TICKS_MAX} ticks")

    def counter(self) -> "Counter":
        """For one stream."""
        kinds: dict[Unit, type[Counter]] = {"bytes": Bytes, "seconds": Seconds, "messages": Events}
        return kinds[self.unit](self)


_METERS = codec.Reader(Meter)


def terms_of(meter: Meter) -> dict[str, Json]:
    """The terms."""
    return {STREAM: msgspec.to_builtins(meter)}


def is_metered(offer: Offer) -> bool:
    """Whether it opens a stream, or pays on in a `session`; a page's offer has no such terms."""
    return STREAM in offer.terms


def meter_in(offer: Offer) -> Meter:
    """What the terms of such an offer say; `Malformed`; `OutOfRange`, for a broken tick too."""
    meter = _METERS.convert(offer.terms.get(STREAM))
    if offer.price_micro % meter.ticks:
        raise OutOfRange("tick_price_broken", "the price is not that of whole ticks")
    return meter


def tick_micro(offer: Offer) -> int:
    """What one tick costs by an offer that is metered."""
    return offer.price_micro // meter_in(offer).ticks


class Counter(Protocol):
    """Counts one stream as it passes."""

    def __init__(self, meter: Meter) -> None:
        """Nothing has passed yet."""

    @property
    def ticks(self) -> int:
        """Those that have begun."""

    @property
    def whole(self) -> int:
        """Those that are over."""

    def fit(self, part: bytes, ticks_max: int, now_s: float) -> tuple[bytes, bytes]:
        """What of the next part may pass while at most so many ticks begin, and what must wait.

        What waits is the next part, after `resume` where time went by. `TooLarge`.
        """

    def resume(self, now_s: float) -> None:
        """A pause is over."""


class Bytes:
    """Every byte counts."""

    def __init__(self, meter: Meter) -> None:
        """None has passed."""
        self._per = meter.count
        self._passed = 0

    @property
    def ticks(self) -> int:
        """Begun."""
        return -(-self._passed // self._per)

    @property
    def whole(self) -> int:
        """Over."""
        return self._passed // self._per

    def fit(self, part: bytes, ticks_max: int, now_s: float) -> tuple[bytes, bytes]:
        """To the byte."""
        room = ticks_max * self._per - self._passed
        self._passed += min(room, len(part))
        return (part, b"") if room >= len(part) else (part[:room], part[room:])

    def resume(self, now_s: float) -> None:
        """Time is nothing to it."""


class Seconds:
    """The time between parts counts, up to the grace."""

    def __init__(self, meter: Meter) -> None:
        """The clock begins with the first part."""
        self._per = meter.count
        self._silence_s = meter.count * meter.grace
        self._last_s: float | None = None
        self._ran_s = 0.0

    @property
    def ticks(self) -> int:
        """Begun."""
        return 0 if self._last_s is None else int(self._ran_s // self._per) + 1

    @property
    def whole(self) -> int:
        """Over."""
        return int(self._ran_s // self._per)

    def fit(self, part: bytes, ticks_max: int, now_s: float) -> tuple[bytes, bytes]:
        """All of it or nothing."""
        if self._last_s is not None:
            self._ran_s += min(now_s - self._last_s, self._silence_s)
        self._last_s = now_s
        if self._ran_s >= ticks_max * self._per:
            self._ran_s = ticks_max * self._per  # what was not allowed did not run
            return b"", part
        return part, b""

    def resume(self, now_s: float) -> None:
        """The pause did not run."""
        self._last_s = now_s


class Events:
    """Events with data count; comments and what only names an event do not."""

    def __init__(self, meter: Meter) -> None:
        """None has passed."""
        self._per = meter.count
        self._passed = 0
        self._kept = b""

    @property
    def ticks(self) -> int:
        """Begun."""
        return -(-self._passed // self._per)

    @property
    def whole(self) -> int:
        """Over."""
        return self._passed // self._per

    def fit(self, part: bytes, ticks_max: int, now_s: float) -> tuple[bytes, bytes]:
        """Whole events; of one that is cut the beginning is kept until the rest comes."""
        looked = looked_through(self._kept)
        part, self._kept = self._kept + part, b""
        end = 0
        while True:
            after = end_of_event(part, max(end, looked))
            if after < 0:
                break
            if has_data(part[end:after]):
                if self._passed >= ticks_max * self._per:
                    return part[:end], part[end:]
                self._passed += 1
            end = after
        self._kept = part_of_event(part[end:])
        return part[:end], b""

    def resume(self, now_s: float) -> None:
        """Time is nothing to it."""


_ENDS = (b"\n\n", b"\r\n\r\n", b"\r\r")
_END = re.compile(b"|".join(_ENDS))  # looks no further than the first, however many there are


def end_of_event(text: bytes, start: int) -> int:
    """Where the event that begins at `start` ends, its blank line included; -1 if it is cut."""
    found = _END.search(text, start)
    return found.end() if found is not None else -1


def looked_through(kept: bytes) -> int:
    """How much of an event that was cut need not be looked through again: no blank line is there.

    One that comes in small parts would else be read whole for each of them.
    """
    return max(0, len(kept) - max(map(len, _ENDS)) + 1)


def part_of_event(kept: bytes) -> bytes:
    """The beginning of an event, to be kept until the rest comes; `TooLarge`."""
    if len(kept) > EVENT_BYTES_MAX:
        raise TooLarge("event_too_large", f"an event has at most {EVENT_BYTES_MAX} bytes")
    return kept


def has_data(event: bytes) -> bool:
    """Whether an event has a line of data, so that a reader hears of it."""
    return any(line.partition(b":")[0] == b"data" for line in event.splitlines())


def is_between_events(tail: bytes) -> bool:
    """Whether a stream that went out up to `tail` stands between two events."""
    return not tail or tail.endswith(_ENDS)
