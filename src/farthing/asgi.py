"""`Paywall`: one line before any ASGI application.

::

    app = farthing.asgi.Paywall(app, data="vendor")

The folder is made by `farthing vendor init`. What no route of its `prices.toml` matches is free.
"""

import asyncio
import os
from pathlib import Path

from farthing.vendor.app import Vendor
from farthing.vendor.asgi import App, Receive, Scope, Send


class Paywall:
    """An ASGI application that sells another one."""

    def __init__(self, app: App, data: str | Path | None = None) -> None:
        """`data`: the vendor's folder, else `FARTHING_DATA`; `Misconfigured` if it is not one."""
        self._app = app
        self.vendor = Vendor(Path(data or os.environ.get("FARTHING_DATA", "vendor")))
        self._clearing: asyncio.Task[None] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] == "http":
            if self._clearing is None:
                self._clearing = asyncio.create_task(self.vendor.keep_clearing())
            await self.vendor.serve(self._app, scope, receive, send)
        elif scope["type"] == "websocket" and self.vendor.sells(scope["path"]):
            await send({"type": "websocket.close", "code": 1008, "reason": "not sold here"})
        else:
            await self._app(scope, receive, send)
