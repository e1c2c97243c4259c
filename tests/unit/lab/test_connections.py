"""Answers in parts: in order, each after a while, and broken between any two of them."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from farthing.lab.connections import BROKEN_S, Connection
from farthing.lab.loop import Process, VirtualLoop
from farthing.lab.network import Message, Network, NoAnswer, Reply, Site
from farthing.lab.trace import Trace
from farthing.lab.traces import tell
from tests.unit.lab.test_network import Sky

ASKED = Message(method="GET", url="https://shop.example/radio")
SILENCE_S = 30.0
PARTS = (b"one", b"two", b"three")


class Town:
    def __init__(self) -> None:
        self.loop, self.sky = VirtualLoop(), Sky()
        self.trace = Trace(self.loop.time)
        self.network = Network(self.loop, self.sky, self.trace)
        self.shop, self.me, self.process = Site("shop"), Site("me"), Process("shop")
        self.network.add("shop.example", self.shop)
        self.shop.listen(self.process, self.answer)
        self.answered = 0
        self.ends = True
        self.heard: list[str] = []
        self.connection = Connection(self.loop)

    async def answer(self, scope: Any, receive: Any, send: Any) -> None:
        self.answered += 1
        await receive()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"A", b"b")]})
        for part in PARTS:
            await asyncio.sleep(1.0)
            await send({"type": "http.response.body", "body": part, "more_body": True})
        if self.ends:
            await send({"type": "http.response.body", "body": b""})
        self.heard.append((await receive())["type"])

    def run(self, work: Callable[[], Awaitable[Any]]) -> Any:
        async def run() -> Any:
            return await work()

        return self.loop.run(self.loop.create_task(run()))

    async def ask(self) -> Reply:
        self.network.connect(self.me, ASKED, self.connection)
        return await self.connection.head

    async def take(self) -> bytes | None:
        return await self.connection.next_part(SILENCE_S)

    async def read(self) -> tuple[list[bytes], list[float]]:
        await self.ask()
        parts, times = [], []
        while (part := await self.take()) is not None:
            parts.append(part)
            times.append(self.loop.time())
        return parts, times


@pytest.mark.parametrize("number", range(20))
def test_of_parts_that_arrive_at_one_time_none_overtakes_another(number: int) -> None:
    """A time that is reckoned from here and from there is not the same to the last bit."""
    luck = random.Random(f"overtaking {number}")
    loop = VirtualLoop()
    connection = Connection(loop)

    async def carry() -> list[bytes | None]:
        for part in PARTS:
            await asyncio.sleep(luck.random() / 4)
            connection.carry(1.2 if part is PARTS[0] else 0.0, part)
        return [await connection.next_part(SILENCE_S) for _ in PARTS]

    assert loop.run(loop.create_task(carry())) == list(PARTS)


def test_parts_arrive_in_their_order_and_after_those_before_them() -> None:
    town = Town()
    town.sky.travels = [1.0, 1.0, 1.0, 5.0, 1.0]
    assert town.run(town.read) == ([*PARTS], [3.0, 8.0, 8.0])
    assert any("shop sends me a part" in tell(line) for line in town.trace.lines)


def test_a_part_that_is_lost_breaks_the_connection_and_who_sends_hears_of_it() -> None:
    town = Town()
    town.sky.travels = [1.0, 1.0, 1.0, None]
    with pytest.raises(NoAnswer, match="the connection broke"):
        town.run(town.read)
    assert town.loop.time() == 3.0 + BROKEN_S
    town.run(lambda: asyncio.sleep(5.0))
    assert town.heard == ["http.disconnect"]


def test_who_dies_or_hangs_up_breaks_it_for_the_other() -> None:
    for dies in ("shop", "me"):
        town = Town()
        town.run(town.ask)
        town.run(town.take)
        (town.shop if dies == "shop" else town.me).hang_up()
        with pytest.raises(NoAnswer, match="the connection broke"):
            town.run(town.take)
    town = Town()
    town.run(town.ask)
    town.connection.hang_up()
    assert not town.connection.is_open
    town.run(lambda: asyncio.sleep(5.0))
    assert town.heard == ["http.disconnect"]


def test_a_silence_that_is_too_long_breaks_it() -> None:
    town = Town()
    town.run(town.ask)
    with pytest.raises(NoAnswer, match="nothing came in time"):
        town.run(lambda: town.connection.next_part(0.5))


def test_what_ends_without_its_end_has_broken_off() -> None:
    town = Town()
    town.ends = False

    async def short(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"one", "more_body": True})

    town.shop.listen(town.process, short)
    with pytest.raises(NoAnswer):
        town.run(town.read)


def test_a_request_that_arrives_twice_is_answered_once_in_parts() -> None:
    town = Town()
    town.sky.repeats = True
    parts, _ = town.run(town.read)
    assert (parts, town.answered) == ([*PARTS], 2)


def test_nobody_listens() -> None:
    town = Town()
    town.shop.hang_up()
    with pytest.raises(NoAnswer, match="nobody listens"):
        town.run(town.ask)
