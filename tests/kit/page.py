"""One request through the gate's ASGI side, and everything that went out."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from farthing import marks
from farthing.vendor.asgi import App, Message, Receive, Scope, Send, Serving, request_of
from farthing.vendor.commands import Headers
from farthing.vendor.driver import Exchange, Serials
from farthing.vendor.private_asgi import inner_scope
from farthing.vendor.streaming import Bells
from farthing.wire.sealed import Headers as Pairs
from tests.kit.shop import ENVELOPE, HOST, PATH, Payment, Shop

PAYER = (b"authorization", b"Basic cGF5ZXI6c2VjcmV0")


class SlowStore:
    """Marks that answer a few turns of the event loop later, as a file does."""

    def __init__(self, store: marks.Marks) -> None:
        self._store = store

    async def do(self, command: marks.Command) -> Any:
        await asyncio.sleep(0)
        found = self._store.do_now(command)
        await asyncio.sleep(0)
        return found


class NoBroker:
    async def facilitate(self, call: str, message: Any) -> Any:
        raise AssertionError(call)


def scope_of(*headers: tuple[bytes, bytes], method: str = "GET", path: str = PATH) -> Scope:
    return {
        "type": "http",
        "method": method,
        "scheme": "https",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "client": ("203.0.113.9", 4711),
        "headers": [(b"host", HOST.encode()), *headers],
        "extensions": {"http.response.pathsend": {}},
    }


class Page:
    """One request through `Serving`, and everything that went out."""

    def __init__(self, shop: Shop, app: App, payment: Payment, method: str = "GET") -> None:
        name, value = payment.header
        self.scope = scope_of((name.lower().encode(), value.encode()), PAYER, method=method)
        self.sent: list[Message] = []
        self.shop, self.app = shop, app
        self._envelope = shop.envelopes[value] if name == ENVELOPE else None

    def run(self) -> Coroutine[Any, Any, None]:
        store = SlowStore(self.shop.store)
        if self._envelope is None:
            walk, scope = self.shop.walk(request_of(self.scope)), self.scope
        else:
            walk = self.shop.sealed(self._envelope.value, request_of(self.scope))
            scope = inner_scope(self.scope, self.shop.private.open(self._envelope.raw).asked)
        exchange = Exchange(walk, store, Serials(store), NoBroker(), lambda: None)
        whole = self._envelope is not None
        serving = Serving(self.app, scope, self._receive, self._send, bells=Bells(), whole=whole)
        return serving.run(exchange)

    async def _receive(self) -> Message:
        raise AssertionError("the gate does not read bodies")

    async def _send(self, message: Message) -> None:
        await asyncio.sleep(0)
        self.sent.append(message)

    @property
    def status(self) -> int:
        if self._envelope is not None:
            return self._opened[0] if self.sent else 0
        return int(self.sent[0]["status"]) if self.sent else 0

    @property
    def headers(self) -> dict[bytes, bytes]:
        if self._envelope is not None:
            return {name.encode(): value.encode() for name, value in self._opened[1]}
        return dict(self.sent[0]["headers"])

    @property
    def body(self) -> bytes:
        return self._opened[2] if self._envelope is not None else self._bytes

    @property
    def _bytes(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.sent[1:])

    @property
    def _opened(self) -> tuple[int, Pairs, bytes]:
        """A sealed answer, as its payer reads it."""
        assert self._envelope is not None
        assert self.sent[0]["status"] == 200
        return self._envelope.read(self._bytes)

    @property
    def is_whole(self) -> bool:
        return bool(self.sent) and not self.sent[-1].get("more_body", False)

    @property
    def is_released(self) -> bool:
        return self.headers.get(b"payment-outcome") == b"released"


def answer_with(*parts: bytes, status: int = 200, headers: Headers = (), pause: int = 0) -> App:
    """An application that sends these parts, with so many turns before each."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": status, "headers": headers})
        for number, part in enumerate(parts, start=1):
            for _ in range(pause):
                await asyncio.sleep(0)
            more = number < len(parts)
            await send({"type": "http.response.body", "body": part, "more_body": more})

    return app


def length(size_bytes: int) -> Headers:
    return ((b"content-length", str(size_bytes).encode()),)
