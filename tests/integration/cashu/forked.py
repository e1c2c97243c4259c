"""A broker's mint in a child that is forked, not started: it is up, and can be killed, in no time.

What it serves is the broker's own application over its own file, with real commits; only the HTTP
server between is left out. A message is `lengths of path and body (4 + 4) ‖ path ‖ body`, an answer
`length (4) ‖ status (2) ‖ body`.
"""

import asyncio
import contextlib
import os
import signal
import socket
import struct
import time
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any, Self

from farthing.broker.app import Broker
from farthing.broker.cashu.routes import PREFIX, Routes

UP_S = 20.0  # a child that does not answer by then will not
_ASKED, _ANSWERED = struct.Struct(">II"), struct.Struct(">IH")


class Answer:
    """Status and body."""

    def __init__(self, status: int, body: bytes) -> None:
        self.status = status
        self.body = body


class Line:
    """One connection to the child."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        try:
            self._socket.connect(str(path))
        except OSError:
            self._socket.close()
            raise

    def post(self, path: str, body: bytes) -> Answer:
        """`ConnectionError` where the child is gone."""
        name = path.encode()
        self._socket.sendall(_ASKED.pack(len(name), len(body)) + name + body)
        size, status = _ANSWERED.unpack(self._read(_ANSWERED.size))
        return Answer(status, self._read(size))

    def _read(self, size: int) -> bytes:
        found = b""
        while len(found) < size:
            part = self._socket.recv(size - len(found))
            if not part:
                raise ConnectionResetError
            found += part
        return found

    def close(self) -> None:
        self._socket.close()


class Forked:
    """The child, and where it is reached. Whoever makes it has no thread and no open file of it."""

    def __init__(self, folder: Path, unit: str) -> None:
        self._folder = folder
        self._prefix = f"{PREFIX}{unit}/v1/"
        self._place = folder / "mint.socket"
        self._process = 0

    def __enter__(self) -> Self:
        self._place.unlink(missing_ok=True)
        self._process = os.fork()
        if not self._process:
            try:
                asyncio.run(self._serve())
            finally:
                os._exit(1)
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def line(self) -> Line:
        """A connection, once it is up."""
        end_s = time.monotonic() + UP_S
        while time.monotonic() < end_s:
            with contextlib.suppress(FileNotFoundError, ConnectionRefusedError):
                return Line(self._place)
            time.sleep(0.001)
        raise TimeoutError("the mint does not come up")

    def kill(self) -> None:
        """As the kernel does it: nothing of the child's own runs any more."""
        if self._process:
            os.kill(self._process, signal.SIGKILL)
            os.waitpid(self._process, 0)
            self._process = 0

    async def _serve(self) -> None:
        routes = Routes(Broker.open(self._folder).engine)

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while True:
                sizes = _ASKED.unpack(await reader.readexactly(_ASKED.size))
                path = (await reader.readexactly(sizes[0])).decode()
                body = await reader.readexactly(sizes[1])
                status, answer = await _answered(routes, self._prefix + path, body)
                writer.write(_ANSWERED.pack(len(answer), status) + answer)

        server = await asyncio.start_unix_server(serve, self._place)
        await server.serve_forever()


async def _answered(routes: Routes, path: str, body: bytes) -> tuple[int, bytes]:
    sent: list[MutableMapping[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": path, "headers": []}
    await routes(scope, receive, send)
    return sent[0]["status"], b"".join(message.get("body", b"") for message in sent[1:])
