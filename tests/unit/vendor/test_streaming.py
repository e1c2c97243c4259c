"""A stream on its way out: as far as it is paid for, to the byte, and on with the next payment."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from farthing import marks
from farthing.schemes.streams import Meter
from farthing.vendor.metering import Stream
from farthing.vendor.streaming import (
    LOOK_S_HEARD,
    LOOK_S_MIN,
    Bells,
    Pacing,
    Unpaid,
    event,
    is_events,
)

PRICE_MICRO = 10
PAUSE_S = 5
BYTES = Meter(unit="bytes", count=4, grace=2)


class Silent(Bells):
    """Every voucher is taken by another process."""

    def __init__(self) -> None:
        super().__init__()
        self.waited_s: list[float] = []

    async def wait(self, key: bytes, longest_s: float) -> None:
        self.waited_s.append(longest_s)
        await asyncio.sleep(longest_s)


class Line:
    """What a payer has of one stream, and what the store has of its payments."""

    def __init__(self, meter: Meter = BYTES, *, tells: bool = False) -> None:
        self.stream = Stream(
            name="s",
            meter=meter,
            price_micro=PRICE_MICRO,
            pause_s=PAUSE_S,
            closing=lambda micro: b'{"amount":"%d"}' % micro,
        )
        self.ticks = 1
        self.sent: list[bytes] = []
        self.reads = 0
        self.pays_at: dict[int, int] = {}
        """By number of the read: how many ticks are paid by then."""
        self.bells = Silent()
        self.pacing = Pacing(
            self.stream,
            PRICE_MICRO,
            tells=tells,
            read=self._read,
            put=self._put,
            bells=self.bells,
        )

    async def _read(self, keys: marks.Keys) -> marks.Memory:
        self.reads += 1
        self.ticks = self.pays_at.get(self.reads, self.ticks)
        value = str(self.ticks * PRICE_MICRO).encode()
        return marks.Memory(records=dict.fromkeys(keys.records, value))

    async def _put(self, part: bytes) -> None:
        self.sent.append(part)

    @property
    def out(self) -> bytes:
        return b"".join(self.sent)


def run(work: Callable[[], Awaitable[Any]], *, ends: bool = True) -> None:
    """In virtual time: what sleeps is over at once."""

    async def quick() -> None:
        loop = asyncio.get_running_loop()
        real, passed = loop.time, [0.0]
        loop.time = lambda: real() + passed[0]  # type: ignore[method-assign] # - its clock is ours
        sleep = asyncio.sleep

        async def skip(delay_s: float) -> None:
            passed[0] += delay_s
            await sleep(0)

        asyncio.sleep = skip  # type: ignore[assignment] # - given back below
        try:
            await work()
        finally:
            asyncio.sleep = sleep

    if ends:
        asyncio.run(quick())
        return
    with pytest.raises(Unpaid):
        asyncio.run(quick())


def test_exactly_the_grace_goes_out_unpaid() -> None:
    line = Line()
    run(lambda: line.pacing.pass_on(b"x" * 100), ends=False)
    assert len(line.out) == (1 + BYTES.grace) * BYTES.count


def test_a_stream_goes_on_with_the_next_payment() -> None:
    line = Line()
    line.pays_at = {3: 2, 5: 10}
    run(lambda: line.pacing.pass_on(b"x" * 40))
    assert len(line.out) == 40
    assert [len(part) for part in line.sent] == [12, 4, 24]


def test_what_is_paid_ahead_is_read_once() -> None:
    line = Line()
    line.pays_at = {1: 100}

    async def work() -> None:
        for _ in range(50):
            await line.pacing.pass_on(b"x" * 8)

    run(work)
    assert (len(line.out), line.reads) == (400, 1)


def test_a_payer_of_events_hears_of_a_pause_and_of_the_sum() -> None:
    line = Line(Meter(unit="messages", count=1, grace=1), tells=True)
    line.pays_at = {4: 3}
    events = [b"data: %d\n\n" % number for number in range(4)]

    async def work() -> None:
        await line.pacing.pass_on(b"".join(events[:3]))
        await line.pacing.pass_on(events[3])
        await line.pacing.end()

    run(work)
    need = event("payment-need-voucher", b'{"paidTicks":1,"stream":"s"}')
    receipt = event("payment-receipt", b'{"amount":"30"}')
    assert line.out == b"".join([*events[:2], need, *events[2:], receipt])


def test_nothing_is_put_into_the_middle_of_an_event() -> None:
    line = Line(Meter(unit="seconds", count=1, grace=1), tells=True)

    async def work() -> None:
        await line.pacing.pass_on(b"data: half")
        await line.pacing.end()

    run(work)
    assert line.out == b"data: half"


def test_bytes_are_counted_without_a_word_in_between() -> None:
    line = Line(tells=True)
    line.pays_at = {3: 9}
    run(lambda: line.pacing.pass_on(b"data: 0123\n\n" * 2))
    assert line.out == b"data: 0123\n\n" * 2


def test_an_event_stream_that_is_compressed_is_not_touched() -> None:
    kind = (b"content-type", b"text/event-stream; charset=utf-8")
    assert is_events([kind])
    assert not is_events([kind, (b"content-encoding", b"gzip")])
    assert not is_events([(b"content-type", b"text/html")])


def test_who_waits_for_a_voucher_hears_of_the_one_for_its_own_stream() -> None:
    async def work() -> list[str]:
        bells, woken = Bells(), list[str]()

        async def wait(name: str, longest_s: float) -> None:
            await bells.wait(name.encode(), longest_s)
            woken.append(name)

        bells.ring(b"a", 1)  # nobody waits for it yet
        waiting = [asyncio.create_task(wait(*each)) for each in (("a", 60), ("b", 60), ("c", 0))]
        await waiting[2]
        for name in ("b", "c", "a"):
            bells.ring(name.encode(), 1)
            await asyncio.sleep(0)
        await asyncio.gather(*waiting)
        return woken

    assert asyncio.run(work()) == ["c", "b", "a"]


def test_what_this_process_has_taken_is_known_without_a_look_at_the_store() -> None:
    line = Line()

    async def work() -> None:
        await line.pacing.pass_on(b"x" * 12)
        for ticks in (4, 7, 100):
            line.bells.ring(line.stream.key, ticks * PRICE_MICRO)
            await line.pacing.pass_on(b"x" * 12)
        line.bells.ring(line.stream.key, 9 * PRICE_MICRO)  # another process was quicker
        await line.pacing.pass_on(b"x" * 300)

    run(work)
    assert (len(line.out), line.reads) == (348, 0)


def test_a_voucher_that_another_process_takes_next_is_found_in_the_store() -> None:
    line = Line()
    line.pays_at = {1: 3}

    async def work() -> None:
        line.bells.ring(line.stream.key, 2 * PRICE_MICRO)
        await line.pacing.pass_on(b"x" * 20)

    run(work)
    assert (len(line.out), line.reads) == (20, 1)


def test_who_was_told_of_the_last_voucher_waits_longer_before_it_looks_for_another() -> None:
    line = Line()
    line.pays_at = {1: 3, 2: 3, 3: 4}

    async def work() -> None:
        line.bells.ring(line.stream.key, 2 * PRICE_MICRO)
        await line.pacing.pass_on(b"x" * 20)
        await line.pacing.pass_on(b"x" * 4)

    run(work)
    assert line.bells.waited_s == [LOOK_S_HEARD, LOOK_S_MIN]


def test_a_bell_that_rings_as_its_time_is_over_rings_once() -> None:
    async def work() -> list[Any]:
        loop, bells, wrong = asyncio.get_running_loop(), Bells(), list[Any]()
        loop.set_exception_handler(lambda _, what: wrong.append(what))
        waiting = asyncio.create_task(bells.wait(b"a", 0))
        loop.call_soon(lambda: loop.call_later(0, bells.ring, b"a", 1))  # in the turn of the timer
        await waiting
        return wrong

    assert asyncio.run(work()) == []


def test_nobody_hears_of_a_stream_that_is_over() -> None:
    line = Line()
    line.pacing.close()
    line.bells.ring(line.stream.key, 100 * PRICE_MICRO)
    assert line.bells.heard_micro(line.stream.key) == 0
