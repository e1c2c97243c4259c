"""How both sides count what runs: to the byte, by whole events, and seconds without pauses."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from farthing.errors import Malformed, OutOfRange, TooLarge
from farthing.schemes import streams
from farthing.schemes.streams import Meter, meter_in, terms_of
from tests.unit.wire.examples import OFFER

BYTES = Meter(unit="bytes", count=10, grace=2)
SECONDS = Meter(unit="seconds", count=2, grace=3)
MESSAGES = Meter(unit="messages", count=1, grace=1)


def test_the_terms_say_what_the_meter_is() -> None:
    offer = msgspec.structs.replace(OFFER, terms=terms_of(BYTES))
    assert meter_in(offer) == BYTES
    with pytest.raises(Malformed):
        meter_in(OFFER)


def test_a_price_may_buy_several_ticks_and_only_whole_ones() -> None:
    meter = msgspec.structs.replace(BYTES, ticks=4)
    assert terms_of(meter)["stream"] == terms_of(BYTES)["stream"] | {"ticks": 4}
    offer = msgspec.structs.replace(OFFER, terms=terms_of(meter), price_micro=400)
    assert (streams.is_metered(offer), streams.tick_micro(offer)) == (True, 100)
    assert not streams.is_metered(OFFER)
    with pytest.raises(OutOfRange, match="tick_price_broken"):
        meter_in(msgspec.structs.replace(offer, price_micro=401))


@pytest.mark.parametrize(
    "changes",
    [
        {"count": 0},
        {"count": 2**30 + 1},
        {"grace": 0},
        {"grace": 65},
        {"ticks": 0},
        {"ticks": 65},
    ],
)
def test_a_meter_has_limits(changes: dict[str, int]) -> None:
    with pytest.raises(OutOfRange):
        msgspec.structs.replace(BYTES, **changes)
    with pytest.raises(OutOfRange):
        meter_in(
            msgspec.structs.replace(OFFER, terms={"stream": terms_of(BYTES)["stream"] | changes})
        )


@pytest.mark.parametrize(
    ("unit", "most"),
    [
        ("seconds", streams.SECONDS_MAX),
        ("bytes", streams.BYTES_MAX),
        ("messages", streams.MESSAGES_MAX),
    ],
)
def test_a_tick_is_so_much_of_its_unit_and_no_more(unit: streams.Unit, most: int) -> None:
    assert Meter(unit=unit, count=most, grace=streams.TICKS_MAX).count == most
    with pytest.raises(OutOfRange, match="tick_out_of_range"):
        Meter(unit=unit, count=most + 1, grace=1)
    with pytest.raises(OutOfRange, match="grace_out_of_range"):
        Meter(unit=unit, count=1, grace=streams.TICKS_MAX + 1)


@given(st.lists(st.binary(max_size=40), max_size=12), st.integers(0, 20))
def test_bytes_pass_up_to_the_last_of_what_is_allowed(parts: list[bytes], ticks_max: int) -> None:
    counter, passed, waiting = BYTES.counter(), b"", b""
    for part in parts:
        piece, rest = counter.fit(part if not waiting else b"", ticks_max, 0)
        passed, waiting = passed + piece, waiting + rest
        if waiting:
            break
    whole = b"".join(parts)
    assert whole.startswith(passed)
    assert len(passed) == min(len(whole), ticks_max * 10)
    assert counter.ticks == -(-len(passed) // 10)
    assert counter.fit(waiting, 1000, 0) == (waiting, b"")


def test_events_pass_whole_and_only_those_with_data_count() -> None:
    counter = MESSAGES.counter()
    first = b": hello\n\ndata: 1\n\nevent: end\n\n"
    assert counter.fit(first + b"data: 2\n\ndat", 1, 0) == (first, b"data: 2\n\ndat")
    assert counter.ticks == 1
    assert counter.fit(b"data: 2\n\ndat", 2, 0) == (b"data: 2\n\n", b"")
    assert counter.fit(b"a: 3\r\n\r\n", 2, 0) == (b"", b"data: 3\r\n\r\n")
    assert counter.fit(b"data: 3\r\n\r\n", 3, 0) == (b"data: 3\r\n\r\n", b"")
    assert counter.ticks == 3
    with pytest.raises(TooLarge, match="event_too_large"):
        counter.fit(b"x" * (streams.EVENT_BYTES_MAX + 1), 9, 0)


def test_seconds_run_from_the_first_part_on() -> None:
    counter = SECONDS.counter()
    assert counter.ticks == 0
    for at_s, ticks in ((100.0, 1), (101.9, 1), (102.0, 2), (105.0, 3)):
        assert counter.fit(b"x", 9, at_s) == (b"x", b"")
        assert counter.ticks == ticks


def test_of_a_silence_the_grace_counts_and_of_a_pause_nothing() -> None:
    counter = SECONDS.counter()
    counter.fit(b"x", 9, 0.0)
    counter.fit(b"x", 9, 1000.0)
    assert counter.ticks == 1 + SECONDS.grace
    assert counter.fit(b"y", 4, 1002.0) == (b"", b"y")
    counter.resume(9000.0)
    assert counter.fit(b"y", 5, 9000.0) == (b"y", b"")
    assert counter.ticks == 5


def test_an_event_ends_with_its_blank_line() -> None:
    assert streams.end_of_event(b"a\n\nb\r\n\r\n", 0) == 3
    assert streams.end_of_event(b"a\n\nb\r\n\r\n", 3) == 8
    assert streams.end_of_event(b"a\n", 0) == -1
    assert streams.is_between_events(b"")
    assert streams.is_between_events(b"a\n\n")
    assert not streams.is_between_events(b"a\n")
    assert streams.has_data(b"event: a\ndata: 1\n\n")
    assert not streams.has_data(b"event: data\n\n")
