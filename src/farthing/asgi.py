"""`Paywall`: one line before any ASGI application.

::

    app = farthing.asgi.Paywall(app, data="vendor")

The folder is made by `farthing vendor init`. What no route of its `prices.toml` matches is free.
"""

import asyncio
import logging
import os
from pathlib import Path

from farthing.vendor.app import Vendor
from farthing.vendor.asgi import App, Message, Receive, Scope, Send, origin_scope, refuse_socket

_log = logging.getLogger("farthing.gate")


class Paywall:
    """An ASGI application that sells another one."""

    def __init__(self, app: App, data: str | Path | None = None) -> None:
        """`data`: the vendor's folder, else `FARTHING_DATA`; `Misconfigured` if it is not one."""
        self._app = app
        self.vendor = Vendor(Path(data or os.environ.get("FARTHING_DATA", "vendor")))
        self._housework: asyncio.Task[None] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] == "http":
            self._keep_house()
            await self.vendor.serve(self._app, scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._live(scope, receive, send)
        elif scope["type"] == "websocket" and self.vendor.sells(scope["path"]):
            await refuse_socket(scope, receive, send, "this is not sold over WebSockets")
        else:
            await self._app(origin_scope(scope), receive, send)

    def _keep_house(self) -> None:
        """Clear and forget beside the requests."""
        if self._housework is None or self._housework.done():
            self._housework = asyncio.create_task(self.vendor.keep_house())

    async def _live(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Start and stop with the application; one that knows no lifespan says so itself."""
        is_over = False

        async def tapped() -> Message:
            nonlocal is_over
            message = await receive()
            is_over = message["type"] == "lifespan.shutdown"
            return message

        try:
            await self._app(scope, tapped, send)
        finally:
            if is_over:
                await self.close()

    async def close(self) -> None:
        """End the housework, close the store."""
        if self._housework is not None:
            self._housework.cancel()
            await asyncio.gather(self._housework, return_exceptions=True)
        await self.vendor.close()
