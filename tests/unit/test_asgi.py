"""The one line before any ASGI application: requests, sockets, and the life of the process."""

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from farthing import faults
from farthing.asgi import Paywall
from farthing.errors import Broken, Misconfigured
from farthing.vendor.asgi import Message, Receive, Scope, Send
from tests.kit.folder import Folder
from tests.kit.page import answer_with


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path / "vendor")


class Conversation:
    """What a server says to an application, and hears."""

    def __init__(self, *messages: str) -> None:
        self._messages = [{"type": name} for name in messages]
        self.heard: list[Message] = []

    async def receive(self) -> Message:
        return self._messages.pop(0)

    async def send(self, message: Message) -> None:
        self.heard.append(message)

    @property
    def names(self) -> list[str]:
        return [message["type"] for message in self.heard]


async def page(scope: Scope, receive: Receive, send: Send) -> None:
    """An application with a life of its own."""
    if scope["type"] == "http":
        await answer_with(b"the page")(scope, receive, send)
        return
    if scope["type"] == "websocket":
        await send({"type": "websocket.accept"})
        return
    while True:
        message = await receive()
        await send({"type": message["type"] + ".complete"})
        if message["type"] == "lifespan.shutdown":
            return


async def lifeless(scope: Scope, receive: Receive, send: Send) -> None:
    assert scope["type"] == "http", "this application knows no lifespan"
    await answer_with(b"the page")(scope, receive, send)


async def get(paywall: Paywall, path: str) -> httpx.Response:
    transport: Any = httpx.ASGITransport(app=paywall)
    async with httpx.AsyncClient(transport=transport, base_url="https://news.example") as client:
        return await client.get(path)


def test_one_line_sells_an_application(folder: Folder) -> None:
    async def run() -> None:
        paywall = Paywall(page, folder.path)
        assert (await get(paywall, "/free")).text == "the page"
        asked = await get(paywall, "/sold/page")
        assert asked.status_code == 402
        await paywall.close()

    asyncio.run(run())


def test_the_folder_may_be_named_by_the_environment(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FARTHING_DATA", str(folder.path))
    paywall = Paywall(page)
    assert paywall.vendor.data == folder.path
    asyncio.run(paywall.close())


def test_a_folder_that_is_none_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured):
        Paywall(page, tmp_path)


def test_a_socket_to_what_is_sold_is_refused_and_others_pass(folder: Folder) -> None:
    seen: list[object] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope["headers"])
        await page(scope, receive, send)

    async def run() -> None:
        paywall = Paywall(app, folder.path)
        for path, answer in (("/sold/page", "websocket.close"), ("/free", "websocket.accept")):
            server = Conversation("websocket.connect")
            headers = [(b"x-pay-payer", b"eve"), (b"cookie", b"a")]
            scope = {"type": "websocket", "path": path, "headers": headers}
            await paywall(scope, server.receive, server.send)
            assert server.names == [answer]
        assert seen == [[(b"cookie", b"a")]], "what only we may say is ours here too"
        await paywall.close()

    asyncio.run(run())


def test_a_socket_is_refused_in_words_where_the_server_passes_them_on(folder: Folder) -> None:
    async def run() -> list[Message]:
        paywall, server = Paywall(page, folder.path), Conversation("websocket.connect")
        extensions: Scope = {"websocket.http.response": {}}
        scope = {"type": "websocket", "path": "/sold/page", "headers": [], "extensions": extensions}
        await paywall(scope, server.receive, server.send)
        await paywall.close()
        return server.heard

    start, body = asyncio.run(run())
    assert (start["type"], start["status"]) == ("websocket.http.response.start", 400)
    assert (b"content-type", b"application/problem+json") in start["headers"]
    assert body["type"] == "websocket.http.response.body"
    assert json.loads(body["body"])["code"] == "websocket_unsupported"


def test_a_server_that_stops_closes_the_store(folder: Folder) -> None:
    async def run() -> Paywall:
        paywall = Paywall(page, folder.path)
        server = Conversation("lifespan.startup", "lifespan.shutdown")
        await paywall({"type": "lifespan"}, server.receive, server.send)
        assert server.names == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
        return paywall

    paywall = asyncio.run(run())
    with pytest.raises(Broken, match="store_closed"):
        asyncio.run(paywall.vendor.forget(0))


def test_an_application_without_a_lifespan_is_served_all_the_same(folder: Folder) -> None:
    async def run() -> None:
        paywall = Paywall(lifeless, folder.path)
        server = Conversation("lifespan.startup")
        with pytest.raises(AssertionError):
            await paywall({"type": "lifespan"}, server.receive, server.send)
        assert (await get(paywall, "/free")).text == "the page"
        assert (await get(paywall, "/sold/page")).status_code == 402
        await paywall.close()

    asyncio.run(run())


def test_housework_that_fails_goes_on_and_keeps_no_other_from_its_turn(
    folder: Folder, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    done: list[str] = []
    monkeypatch.setattr(faults, "AGAIN_S", 0)

    async def breaks() -> None:
        done.append("broke")
        raise RuntimeError("a secret")

    async def works() -> None:
        done.append("worked")
        await asyncio.sleep(3_600)

    async def run() -> None:
        paywall = Paywall(page, folder.path)
        monkeypatch.setattr(paywall.vendor, "_keep_clearing", breaks)
        monkeypatch.setattr(paywall.vendor, "_keep_forgetting", works)
        await get(paywall, "/free")
        while done.count("broke") < 3:
            await asyncio.sleep(0)
        await paywall.close()

    asyncio.run(run())
    assert done.count("worked") == 1
    assert "breaks: RuntimeError at " in caplog.messages[0]
    assert "secret" not in caplog.text


def test_closing_ends_the_housework(folder: Folder) -> None:
    async def run() -> None:
        paywall = Paywall(page, folder.path)
        await get(paywall, "/free")
        assert len(asyncio.all_tasks()) > 1
        await paywall.close()
        assert len(asyncio.all_tasks()) == 1

    asyncio.run(run())
