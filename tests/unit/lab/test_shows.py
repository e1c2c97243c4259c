"""What vendors sell by the tick is what their price file says, and what their sites send."""

import random
from typing import Any

import pytest

from farthing.lab.goods import options_of, prices_of
from farthing.lab.loop import VirtualLoop
from farthing.lab.shows import UNITS, Show, file_of, is_streamed, send_show, shows_of
from farthing.schemes import registry
from farthing.vendor import prices

TICKS = [one for one in registry.all_schemes() if is_streamed(one)]


def sent(show: Show, path: str, *headers: tuple[bytes, bytes]) -> list[dict[str, Any]]:
    loop, events = VirtualLoop(), []

    async def send(event: dict[str, Any]) -> None:
        events.append(event)

    scope = {"path": path, "headers": headers}
    loop.run(loop.create_task(send_show(show, scope, send, random.Random(1))))
    assert (loop.time() > 0) is (len(events) > 2), "the clock moves between parts"
    return events


def body(events: list[dict[str, Any]]) -> bytes:
    return b"".join(event.get("body", b"") for event in events)


def test_some_scheme_is_streamed_and_all_others_sell_nothing_by_the_tick() -> None:
    assert TICKS
    others = [one for one in registry.all_schemes() if one not in TICKS]
    assert shows_of(others, 0) == ()


@pytest.mark.parametrize("number", range(3))
def test_the_price_file_sells_them_as_they_are(number: int) -> None:
    shows = shows_of(TICKS, number)
    names = [one.traits.name for one in TICKS]
    read = prices.read(prices_of(shows, options_of(TICKS, number)), currency="eur", known=names)
    assert {show.meter.unit for show in shows} == set(UNITS)
    for show in shows:
        priced = read.find("GET", f"{show.path}/1")
        assert priced is not None
        assert (priced.price_micro, priced.meter) == (show.price_micro, show.meter)
        assert priced.route.pause_s == show.pause_s


def test_a_file_goes_on_where_it_broke_off() -> None:
    show = next(show for show in shows_of(TICKS, 0) if show.meter.unit == "bytes")
    path = f"{show.path}/1"
    whole = body(sent(show, path))
    assert whole == file_of(path, show.meter)
    assert body(sent(show, path, (b"range", b"bytes=7-"))) == whole[7:]
    late = sent(show, path, (b"range", b"bytes=%d-" % len(whole)))
    assert (late[0]["status"], body(late)) == (416, b"")


def test_a_ticker_has_numbered_events_and_a_radio_runs_for_a_while() -> None:
    by_unit = {show.meter.unit: show for show in shows_of(TICKS, 0)}
    events = body(sent(by_unit["messages"], "/x/1")).split(b"\n\n")
    data = [event for event in events if event.startswith(b"data:")]
    assert data == [b"data: %d" % number for number in range(len(data))]
    assert len(sent(by_unit["seconds"], "/x/1")) > 2
