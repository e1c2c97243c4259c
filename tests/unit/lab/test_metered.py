"""Streams as the world counts them: what passes, what is paid, and who lost more than the grace."""

import asyncio
from typing import Any

import pytest

from farthing import marks
from farthing.lab.metered import SERVING, Serving, Streams, Tally
from farthing.lab.network import SOURCE
from farthing.lab.shows import Show
from farthing.schemes.streams import Meter, Unit

GRACE, PRICE_MICRO = 3, 200
NAME = "tick:a:1"


def show(unit: Unit = "bytes", count: int = 10) -> Show:
    return Show(scheme="tick", meter=Meter(unit=unit, count=count, grace=GRACE), pause_s=5)


class Watch:
    """One stream that was opened."""

    def __init__(self, unit: Unit = "bytes") -> None:
        self.found: list[str] = []
        self.now_s = 0.0
        self.streams = Streams(self.found.append, lambda: self.now_s)
        self.streams.opens(NAME, show(unit), "vendor0", "payer0")
        self.is_open = False
        self.pay(1)

    def pay(self, ticks: int, written: int = 0) -> None:
        key, amount = b"stream/" + NAME.encode(), written or ticks * PRICE_MICRO
        fact: marks.Fact = marks.Add(key=key, amount=amount, until_s=1)
        if not self.is_open:
            fact = marks.Put(key=key, value=b"%d" % amount, until_s=1)
        self.is_open = True
        self.streams.paid("vendor0", "k", ticks * PRICE_MICRO, [fact])


def test_bytes_and_events_are_counted_however_they_are_cut_and_the_gates_own_are_not() -> None:
    text = b"data: 1\n\n: still here\n\ndata: 2\n\ndata: 3\n\n"
    for size in (1, 5, 100):
        events = Tally(Meter(unit="messages", count=2, grace=1))
        bytes_ = Tally(Meter(unit="bytes", count=10, grace=1))
        for at in range(0, len(text), size):
            events.add(text[at : at + size], 0.0)
            bytes_.add(text[at : at + size], 0.0)
        events.add(b"event: payment-need-voucher\ndata: {}\n\n", 0.0)
        assert (events.ticks(), bytes_.ticks()) == (2, -(-len(text) // 10))


def test_seconds_run_between_parts_and_the_longest_silences_may_have_been_pauses() -> None:
    tally = Tally(Meter(unit="seconds", count=1, grace=GRACE))
    assert tally.ticks() == 0
    for now_s in (0.0, 0.5, 1.5, 9.0):
        tally.add(b"x", now_s)
    assert tally.ticks() == 5, "half a second, one, and no more than the grace of a silence"
    assert [tally.ticks(count) for count in (1, 2, 9)] == [2, 1, 1]


def test_what_passes_beyond_the_grace_is_found_once_it_does() -> None:
    watch = Watch()
    watch.streams.passed(NAME, bytes(10 * (1 + GRACE)), "vendor0")
    assert watch.found == []
    watch.streams.passed(NAME, b"x", "vendor0")
    assert watch.found == [f"vendor0 passed on 800 unpaid of {NAME}, its grace is 600"]
    (payer, vendor) = watch.streams.losses()
    assert (payer.role, vendor.role, vendor.of) == ("payer", "vendor", "grace")
    assert (vendor.worst_micro, vendor.is_within) == (800, False)


def test_what_is_paid_beyond_the_grace_is_found_once_it_is_written() -> None:
    watch = Watch()
    watch.streams.wrote(NAME, PRICE_MICRO)
    watch.streams.came(NAME, bytes(25))
    watch.streams.wrote(NAME, 5 * PRICE_MICRO)
    assert watch.found == []
    watch.streams.wrote(NAME, PRICE_MICRO)
    assert watch.found == [f"payer0 paid 800 ahead on {NAME}, its grace is 600"]


def test_a_gate_that_writes_another_sum_than_it_was_paid_is_found() -> None:
    watch = Watch()
    watch.pay(2)
    assert watch.found == []
    watch.pay(1, written=7 * PRICE_MICRO)
    assert watch.found == [f"vendor0 wrote 2000 as paid on {NAME}, and was paid 800"]


def test_a_payment_for_a_stream_that_nobody_opened_there_is_found() -> None:
    watch = Watch()
    put = marks.Put(key=b"stream/other", value=b"200", until_s=1)
    watch.streams.paid("vendor0", "k", 200, [put])
    watch.streams.wrote("other", 200)
    assert len(watch.found) == 2


@pytest.mark.parametrize("crook", ["payer0", "vendor0", ""])
def test_losses_are_those_of_who_is_honest(crook: str) -> None:
    found = {(one.role, one.by) for one in Watch().streams.losses({crook})}
    assert (
        found
        == {
            "payer0": {("vendor", "payer")},
            "vendor0": {("payer", "vendor")},
            "": {("payer", "nobody"), ("vendor", "nobody")},
        }[crook]
    )


def test_a_request_is_named_after_the_payment_that_opens_it_and_not_after_a_voucher() -> None:
    watch, sent = Watch(), []
    serving = Serving(watch.streams, show(), "vendor0", {SOURCE: "payer1"})
    serving.begin()
    assert SERVING.get() is serving

    async def send(event: Any) -> None:
        sent.append(event)

    for k, name in (("tick:b:2", NAME), ("tick:b:1", "tick:b:1")):
        key = b"stream/" + name.encode()
        fact: marks.Fact = marks.Put(key=key, value=b"200", until_s=1)
        if k != name:
            fact = marks.Add(key=key, amount=200, until_s=1)
        serving.writes(marks.Confirm(k=k, fence=1, outcome=b"", records=(fact,)))
    assert list(watch.streams.by_name) == [NAME, "tick:b:1"]
    events: list[dict[str, Any]] = [
        {"type": "http.response.start", "status": 200, "headers": []},
        {"type": "http.response.body", "body": b"abc"},
    ]

    async def tap(serving: Serving) -> None:
        tapped = serving.tap(send)
        for event in events:
            await tapped(event)

    asyncio.run(tap(serving))
    assert sent == events
    assert watch.streams.by_name["tick:b:1"].out.ticks() == 1
    assert watch.found == []
    asyncio.run(tap(Serving(watch.streams, show(), "vendor0", {SOURCE: "payer1"})))
    assert watch.found == ["vendor0 passed on 3 bytes of a stream that was not paid for"]
