"""A man in the middle of TCP connections who hears every answer to its end and cuts it short.

When the answer is here it is committed there; what the other side gets of it is scripted.
"""

import contextlib
import socket
import socketserver
import threading
from collections import deque
from enum import Enum
from functools import partial
from typing import Any, BinaryIO, NamedTuple, Self, cast

TIMEOUT_S = 10.0  # of one read: an answer that takes longer will not come


class Cut(Enum):
    """How much of an answer gets through."""

    NOTHING = "before the first byte"
    HEAD = "after half the head"
    BODY = "after half the body"


class Message(NamedTuple):
    """A request or an answer, as it was sent."""

    head: bytes
    body: bytes

    @property
    def raw(self) -> bytes:
        return self.head + self.body

    @property
    def status(self) -> int:
        return int(self.head.split(b" ", 2)[1])

    @property
    def headers(self) -> dict[str, str]:
        lines = self.head.decode("latin-1").split("\r\n")[1:]
        pairs = (line.partition(":") for line in lines if line)
        return {name.lower(): value.strip() for name, _, value in pairs}

    @property
    def lasting(self) -> tuple[bytes, list[bytes], bytes]:
        """What must be the same when it is sent again: everything but the date."""
        first, *lines = self.head.split(b"\r\n")
        kept = [line for line in lines if not line.lower().startswith(b"date:")]
        return first, kept, self.body

    def until(self, cut: Cut) -> bytes:
        """What gets through."""
        match cut:
            case Cut.NOTHING:
                return b""
            case Cut.HEAD:
                return self.head[: len(self.head) // 2]
            case Cut.BODY:
                return self.head + self.body[: len(self.body) // 2]


def hear(stream: BinaryIO, *, bodiless: bool = False) -> Message | None:
    """One message of known length; None where the connection is over before it is complete."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        line = stream.readline()
        if not line:
            return None
        head += line
    message = Message(head, b"")
    assert "transfer-encoding" not in message.headers, "every answer here has a length"
    length = 0 if bodiless else int(message.headers.get("content-length", "0"))
    body = stream.read(length)
    return Message(head, body) if len(body) == length else None


class Middle:
    """Passes messages on to one port; the next answers are cut as scripted."""

    def __init__(self, behind: int) -> None:
        """`behind`: the port that answers."""
        self.script: deque[Cut | None] = deque()
        """One for each answer to come; None, and after its end, lets it through."""
        self.cut: list[Message] = []
        """The requests whose answers were cut."""
        self.heard: list[tuple[Message, Message]] = []
        """Every request with its whole answer, as somebody on the way sees them."""
        self._behind = behind
        self._server = _Server(("127.0.0.1", 0), partial(_Handler, self))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    @property
    def port(self) -> int:
        """Where to connect to."""
        port: int = self._server.server_address[1]
        return port

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(timeout=TIMEOUT_S)

    def serve(self, asking: BinaryIO, answering: socket.socket) -> None:
        """One connection, until somebody closes it or an answer is cut."""
        with socket.create_connection(("127.0.0.1", self._behind), TIMEOUT_S) as far:
            stream = far.makefile("rb")
            while (request := hear(asking)) is not None:
                far.sendall(request.raw)
                answer = hear(stream, bodiless=request.head.startswith(b"HEAD "))
                if answer is None:
                    return
                self.heard.append((request, answer))
                cut = self.script.popleft() if self.script else None
                if cut is not None:
                    self.cut.append(request)
                    answering.sendall(answer.until(cut))
                    return
                answering.sendall(answer.raw)


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True


class _Handler(socketserver.StreamRequestHandler):
    timeout = TIMEOUT_S

    def __init__(self, middle: Middle, *arguments: Any) -> None:
        self._middle = middle
        super().__init__(*arguments)

    def handle(self) -> None:
        with contextlib.suppress(OSError):
            self._middle.serve(cast(BinaryIO, self.rfile), self.connection)


def ask(port: int, request: bytes, count: int = 1) -> list[Message]:
    """The answers to the same request, sent `count` times on one new connection."""
    found: list[Message] = []
    with socket.create_connection(("127.0.0.1", port), TIMEOUT_S) as line:
        stream = line.makefile("rb")
        for _ in range(count):
            line.sendall(request)
            answer = hear(stream, bodiless=request.startswith(b"HEAD "))
            assert answer is not None, "the connection ended before the answer"
            found.append(answer)
    return found


def ask_in_vain(port: int, request: bytes) -> bytes:
    """What comes of an answer that is cut."""
    with socket.create_connection(("127.0.0.1", port), TIMEOUT_S) as line:
        line.sendall(request)
        got = b""
        while part := line.recv(65_536):
            got += part
    return got
