"""Messages between ASGI applications: carried, lost, repeated, refused, cut off."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from farthing.lab.loop import Process, VirtualLoop
from farthing.lab.network import Message, Network, NoAnswer, NotReached, Site, Transport
from farthing.lab.trace import Trace

WAITING = 50
ASKED = Message(method="POST", url="https://shop.example/a%20b?c=d", body=b"hello")


class Sky:
    def __init__(self) -> None:
        self.travels: list[float | None] = []
        self.repeats = False

    def travel_s(self, source: str, target: str) -> float | None:
        return self.travels.pop(0) if self.travels else 1.0

    def is_repeated(self) -> bool:
        return self.repeats


class Town:
    def __init__(self) -> None:
        self.loop = VirtualLoop()
        self.sky = Sky()
        self.network = Network(self.loop, self.sky, Trace(self.loop.time))
        self.site, self.process = Site("shop"), Process("shop")
        self.network.add("shop.example", self.site)
        self.site.listen(self.process, self.answer)
        self.heard: list[tuple[str, bytes, bytes]] = []
        self.works_s = 0.0

    async def answer(self, scope: Any, receive: Any, send: Any) -> None:
        message = await receive()
        self.heard.append((scope["path"], scope["query_string"], message["body"]))
        await asyncio.sleep(self.works_s)
        await send({"type": "http.response.start", "status": 201, "headers": [(b"A", b"b")]})
        await send({"type": "http.response.body", "body": b"to ", "more_body": True})
        await send({"type": "http.response.body", "body": b"you"})

    def run(self, work: Callable[[], Awaitable[Any]]) -> Any:
        async def run() -> Any:
            return await work()

        return self.loop.run(self.loop.create_task(run()))

    async def ask(self, url: str = ASKED.url) -> Any:
        message = Message(method="POST", url=url, body=ASKED.body)
        return await self.network.ask("me", message, 30.0)


def test_a_request_and_its_answer_take_their_time() -> None:
    town = Town()
    reply = town.run(town.ask)
    assert (reply.status, reply.headers, reply.body) == (201, ((b"a", b"b"),), b"to you")
    assert town.heard == [("/a b", b"c=d", b"hello")]
    assert town.loop.time() == 2.0


@pytest.mark.parametrize(("travels", "heard"), [([None], 0), ([1.0, None], 1)])
def test_a_message_that_is_lost_is_an_answer_that_never_comes(
    travels: list[float | None], heard: int
) -> None:
    town = Town()
    town.sky.travels = travels
    with pytest.raises(NoAnswer):
        town.run(town.ask)
    assert town.loop.time() == 30.0
    assert len(town.heard) == heard


def test_a_request_may_arrive_twice_and_is_answered_once() -> None:
    town = Town()
    town.sky.repeats = True
    assert town.run(town.ask).status == 201
    assert len(town.heard) == 2


def test_nobody_there_is_told_apart_from_nobody_answering() -> None:
    town = Town()
    with pytest.raises(NotReached):
        town.run(lambda: town.ask("https://other.example/"))
    town.site.hang_up()
    with pytest.raises(NotReached):
        town.run(town.ask)


def test_a_server_that_dies_breaks_the_connection() -> None:
    town = Town()
    town.works_s = 10

    async def work() -> None:
        asked = asyncio.ensure_future(town.ask())
        await asyncio.sleep(3)
        town.process.kill()
        town.site.hang_up()
        with pytest.raises(NoAnswer, match="broke"):
            await asked
        town.process.bury()

    town.run(work)
    assert town.loop.time() == 3


def test_who_waits_for_a_server_that_dies_hears_of_it_in_the_order_of_asking() -> None:
    town, heard = Town(), list[int]()
    town.works_s = 10.0

    async def ask(number: int) -> None:
        with pytest.raises(NoAnswer):
            await town.ask()
        heard.append(number)

    async def die() -> None:
        asked = [asyncio.ensure_future(ask(number)) for number in range(WAITING)]
        await asyncio.sleep(5.0)
        town.site.hang_up()
        await asyncio.gather(*asked)

    town.run(die)
    assert heard == list(range(WAITING)), "the same in every process that repeats the seed"


def test_httpx_goes_the_same_way() -> None:
    town = Town()

    async def work() -> None:
        client = httpx.AsyncClient(transport=Transport(town.network, "me"), timeout=5)
        answer = await client.post(ASKED.url, content=b"hello")
        assert (answer.status_code, answer.content) == (201, b"to you")
        town.sky.travels = [None]
        with pytest.raises(httpx.ReadTimeout):
            await client.post(ASKED.url, content=b"hello")
        town.site.hang_up()
        with pytest.raises(httpx.ConnectError):
            await client.post(ASKED.url, content=b"hello")

    town.run(work)
