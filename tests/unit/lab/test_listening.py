"""A payer of a world listens: to the end, for a while, after a break, as long as money lasts."""

import asyncio
import random
from collections.abc import Callable
from typing import Any

import pytest

from farthing.errors import Overlimit
from farthing.lab import listening
from farthing.lab.faults import HARD
from farthing.lab.listening import Listener, Wanted
from farthing.lab.liveness import finish
from farthing.lab.shows import Show
from farthing.lab.world import World
from farthing.schemes.streams import MOST, Unit
from farthing.wallet.dues import Dues
from farthing.wallet.listening import Heard

A_LOT = 2**40
UNITS: tuple[Unit, ...] = tuple(MOST)


class Scene:
    """One payer and one stream of a world."""

    def __init__(self, world: World, unit: Unit, number: int = 1) -> None:
        self.world, self.payer, self.vendor = world, world.payers[0], world.vendors[0]
        self.show: Show = next(one for one in self.vendor.shows if one.meter.unit == unit)
        self.url = f"{self.vendor.url}{self.show.path}/{number}"

    def listen(self, **wanted: Any) -> Heard:
        wanted_ = Wanted(url=self.url, show=self.show, **wanted)
        return self.world.run(Listener(self.payer, wanted_).run())

    def finish(self) -> None:
        self.world.run(finish(self.world))
        assert self.world.ground.checks.findings == []
        assert self.world.ground.loop.faults == []


@pytest.fixture
def scene() -> Any:
    def make(unit: Unit) -> Scene:
        world = World(1, ["tick"])
        world.__enter__()
        worlds.append(world)
        return Scene(world, unit)

    worlds: list[World] = []
    yield make
    for world in worlds:
        world.__exit__(None, None, None)


@pytest.mark.parametrize("unit", UNITS)
def test_who_listens_to_the_end_pays_for_what_came(
    scene: Callable[[Unit], Scene], unit: Unit
) -> None:
    heard = (at := scene(unit)).listen()
    assert (heard.ended, heard.openings, heard.refused) == ("whole", 1, "")
    (stream,) = at.world.ground.checks.streams.by_name.values()
    assert stream.paid_micro == heard.paid_micro == heard.ticks * at.show.price_micro
    assert stream.came.ticks() <= heard.ticks + at.show.meter.grace
    at.finish()


def test_a_limit_ends_it_and_a_tick_above_it_is_refused(scene: Callable[[Unit], Scene]) -> None:
    at = scene("bytes")
    heard = at.listen(ticks_max=3, each_max=1)
    assert (heard.ended, heard.ticks, heard.refused) == ("unpaid", 3, "above_most")
    with pytest.raises(Overlimit):
        at.listen(ticks_max=0)
    at.finish()


def test_who_has_heard_enough_leaves_and_opens_it_no_more(
    scene: Callable[[Unit], Scene],
) -> None:
    at = scene("seconds")
    heard = at.listen(stops_s=1.0)
    assert (heard.ended, heard.openings) == ("broken", 1)
    assert at.world.ground.loop.time() < 8.0
    at.finish()


def test_a_file_goes_on_where_its_connection_broke(scene: Callable[[Unit], Scene]) -> None:
    at = scene("bytes")

    def break_off() -> None:
        for connection in at.vendor.site.connections:
            connection.end("by this test")

    at.world.ground.loop.outside(0.1, break_off)
    heard = at.listen()
    assert (heard.ended, heard.openings, heard.status) == ("whole", 2, 206)
    at.finish()


def test_what_a_dead_gate_was_paid_is_kept(scene: Callable[[Unit], Scene]) -> None:
    at = scene("bytes")
    at.world.ground.loop.outside(0.15, at.vendor.kill, "by this test")
    at.world.ground.loop.outside(1.0, lambda: at.vendor.is_up or at.vendor.start())
    assert at.listen().ended == "broken"
    at.finish()


def test_who_dies_while_it_listens_settles_its_voucher_and_the_gate_ends_the_stream(
    scene: Callable[[Unit], Scene],
) -> None:
    at = scene("seconds")
    loop, wanted = at.world.ground.loop, Wanted(url=at.url, show=at.show)
    for _ in range(3):
        at.world.begin(at.payer, "listen", Listener(at.payer, wanted).run())
        loop.outside(1.5, at.payer.kill, "by this test")
        at.world.run(at.world.settle())
        loop.outside(0.0, lambda: at.payer.is_up or at.payer.start())
        at.world.run(asyncio.sleep(1.0))
    at.finish()
    streams = at.world.ground.checks.streams
    assert len(streams.by_name) == 3
    assert not at.vendor.site.connections, "both ends of each are gone"
    assert all(one.is_within for one in streams.losses())


def test_in_any_weather_nobody_loses_more_than_the_grace() -> None:
    with World(3, ["tick"]) as world:
        world.payments_max = 60
        world.run(world.act(range(10_000), HARD, {listening.listen: 1}))
        world.run(finish(world))
        checks = world.ground.checks
        assert checks.findings == []
        found = checks.streams.losses()
        assert {one.role for one in found if one.worst_micro} == {"payer", "vendor"}
        assert all(one.is_within for one in found)


def test_who_sells_nothing_by_the_tick_is_not_listened_to() -> None:
    with World(1, ["tick"]) as world:
        for vendor in world.vendors:
            vendor.shows = ()
        listening.listen(world, random.Random(1))
        assert world.payments == 0


def test_more_than_its_payer_allows_is_found(
    scene: Callable[[Unit], Scene], monkeypatch: pytest.MonkeyPatch
) -> None:
    at = scene("bytes")
    count = Dues._count

    def unlimited(dues: Dues) -> int:
        dues._ticks_max = A_LOT
        return count(dues)

    monkeypatch.setattr(Dues, "_count", unlimited)
    at.listen(ticks_max=3)
    assert any("at most 600" in found for found in at.world.ground.checks.findings)


def test_another_file_than_the_sites_is_found(
    scene: Callable[[Unit], Scene], monkeypatch: pytest.MonkeyPatch
) -> None:
    at = scene("bytes")
    monkeypatch.setattr(listening, "file_of", lambda *_: b"another")
    at.listen()
    (found,) = at.world.ground.checks.findings
    assert "got another file" in found
