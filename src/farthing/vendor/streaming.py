"""A stream on its way out: passed on as far as it is paid for, then held back until it is.

What was paid is read in the store only when what is known is used up, so whichever process of the
gate takes the vouchers, this one learns of them; those that it takes itself say how much is paid by
them, once they are durable (`Bells`), and then nothing is read. In
a stream of events the payer is told: the event `payment-need-voucher` when a pause begins,
`payment-receipt` at the end. Other streams just wait.
A pause that lasts too long ends the stream; so does a payer who has gone.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable

from farthing import codec, marks
from farthing.schemes.streams import is_between_events
from farthing.vendor.metering import EVENT_STREAM, Stream

NEED_VOUCHER = "payment-need-voucher"
RECEIPT = "payment-receipt"
LOOK_S_MIN = 0.004  # a voucher that another process takes is on its way, as a rule
LOOK_S_HEARD = 0.032  # of one that comes to this process, like the last one, it is told
LOOK_S_MAX = 0.1  # ten reads a second for each stream that waits
TAIL_BYTES = 4  # of what went out: whether it ended an event

Read = Callable[[marks.Keys], Awaitable[marks.Memory]]
Put = Callable[[bytes], Awaitable[None]]


class Unpaid(Exception):  # noqa: N818 - a signal to the application, not an error
    """Nobody pays for this stream any more."""


class Bells:
    """The streams that one process passes on, and what it hears of their vouchers."""

    def __init__(self) -> None:
        """None is under way."""
        self._heard: dict[bytes, int] = {}
        self._waiting: dict[bytes, asyncio.Future[None]] = {}

    def hang(self, key: bytes) -> None:
        """A stream begins."""
        self._heard[key] = 0

    def take_down(self, key: bytes) -> None:
        """It is over."""
        self._heard.pop(key, None)

    def ring(self, key: bytes, paid_micro: int) -> None:
        """A voucher is in the store, and with it so much is paid on its stream."""
        if key in self._heard:
            self._heard[key] = max(self._heard[key], paid_micro)
        bell = self._waiting.pop(key, None)
        if bell is not None:
            _strike(bell)

    def heard_micro(self, key: bytes) -> int:
        """The most that this process has heard of, without a look into the store."""
        return self._heard.get(key, 0)

    async def wait(self, key: bytes, longest_s: float) -> None:
        """Until this process has taken a voucher for a stream, or so long."""
        loop = asyncio.get_running_loop()
        bell = self._waiting[key] = loop.create_future()
        timer = loop.call_later(longest_s, _strike, bell)
        try:
            await bell
        finally:
            timer.cancel()
            self._waiting.pop(key, None)


def _strike(bell: asyncio.Future[None]) -> None:
    if not bell.done():
        bell.set_result(None)


class Pacing:
    """One stream that is under way."""

    def __init__(
        self,
        stream: Stream,
        paid_micro: int,
        *,
        tells: bool,
        read: Read,
        put: Put,
        bells: Bells,
    ) -> None:
        """`paid_micro` by its opening; `tells`: whether events may be put in between.

        `read` asks the store, `put` sends.
        """
        self._bells = bells
        bells.hang(stream.key)
        self._is_heard = False
        """Whether the last voucher was one that this process has taken."""
        self._stream = stream
        self._paid_ticks = paid_micro // stream.price_micro
        self._counter = stream.meter.counter()
        self.tells = tells and stream.meter.unit != "bytes"  # each byte counts, ours would too
        self._read = read
        self._put = put
        self._tail = b""

    async def pass_on(self, part: bytes) -> None:
        """Send the next part, in pieces where it takes pauses; `Unpaid`."""
        clock = asyncio.get_running_loop()
        while True:
            ticks_max = self._paid_ticks + self._stream.meter.grace
            piece, part = self._counter.fit(part, ticks_max, clock.time())
            if piece:
                self._tail = piece[-TAIL_BYTES:]
                await self._put(piece)
            if not part:
                return
            await self._wait()
            self._counter.resume(clock.time())

    async def end(self) -> None:
        """The last event, where there are events: what was paid in all."""
        if self.tells and is_between_events(self._tail):
            assert self._stream.closing is not None, "it was opened by a payment"
            await self._look()
            total_micro = self._paid_ticks * self._stream.price_micro
            await self._put(event(RECEIPT, self._stream.closing(total_micro)))

    def close(self) -> tuple[Stream, int]:
        """Nobody passes it on any more: the stream, and how many ticks of it have gone out."""
        self._bells.take_down(self._stream.key)
        return self._stream, self._counter.ticks

    def _hear(self) -> bool:
        """Whether what was paid has grown by vouchers that this process has taken."""
        ticks = self._bells.heard_micro(self._stream.key) // self._stream.price_micro
        grown, self._paid_ticks = ticks > self._paid_ticks, max(self._paid_ticks, ticks)
        self._is_heard |= grown
        return grown

    async def _look(self) -> bool:
        """Read what was paid; whether it has grown."""
        ticks = self._stream.ticks_paid(await self._read(self._stream.keys))
        known, self._paid_ticks = self._paid_ticks, max(self._paid_ticks, ticks)
        return ticks > known

    async def _wait(self) -> None:
        """Until more is paid; `Unpaid` where the pause lasts too long."""
        if self._hear():
            return
        # Whose vouchers come to this process is heard of at once; who reads events is told first.
        if (self.tells or not self._is_heard) and await self._look():
            return
        if self.tells and is_between_events(self._tail):
            said = {"stream": self._stream.name, "paidTicks": self._paid_ticks}
            await self._put(event(NEED_VOUCHER, codec.canonical(said)))
        clock = asyncio.get_running_loop()
        look_s = LOOK_S_HEARD if self._is_heard else LOOK_S_MIN
        until_s = clock.time() + self._stream.pause_s
        while not self._hear():
            await self._bells.wait(self._stream.key, look_s)
            if self._hear():
                return
            if await self._look():
                self._is_heard = False
                return
            if clock.time() >= until_s:
                raise Unpaid
            look_s = min(2 * look_s, LOOK_S_MAX)


def event(name: str, data: bytes) -> bytes:
    """One event of an event stream."""
    return b"event: %s\ndata: %s\n\n" % (name.encode(), data)


def is_events(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Whether an answer is a stream of events that can be read, and so have some put in."""
    found = dict(headers)
    if b"content-encoding" in found:
        return False
    return found.get(b"content-type", b"").startswith(EVENT_STREAM)
