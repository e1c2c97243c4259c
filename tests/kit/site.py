"""A vendor's process without a server: its ASGI side, asked by an HTTP client in memory."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx

from farthing.vendor.app import Vendor
from farthing.vendor.asgi import Receive, Scope, Send
from tests.kit.folder import Folder
from tests.kit.page import answer_with

SITE = "https://news.example"
FAR = ("203.0.113.9", 4711)


class Site:
    """A vendor opened from a folder, before an application that remembers its scopes."""

    def __init__(self, folder: Folder) -> None:
        self.folder, self.vendor = folder, Vendor(folder.path)
        self.seen: list[Scope] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.vendor.serve(self._app, scope, receive, send)

    async def _app(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.seen.append(scope)
        await answer_with(b"the page")(scope, receive, send)

    @contextlib.asynccontextmanager
    async def client(
        self, url: str = SITE, client: tuple[str, int] = FAR
    ) -> AsyncIterator[httpx.AsyncClient]:
        transport: Any = httpx.ASGITransport(app=self, client=client)
        async with httpx.AsyncClient(transport=transport, base_url=url) as opened:
            yield opened

    async def buy(self, opened: httpx.AsyncClient, path: str = "/sold/page") -> httpx.Response:
        asked = await opened.get(path)
        header = self.folder.pay(asked.headers["www-authenticate"], path)
        return await opened.get(path, headers=[header])


def with_site(folder: Folder, talk: Callable[[Site], Awaitable[None]]) -> None:
    async def run() -> None:
        site = Site(folder)
        try:
            await talk(site)
        finally:
            await site.vendor.close()

    asyncio.run(run())
