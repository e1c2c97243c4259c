"""A small web server that misbehaves to order: the path says how. Raw sockets, one thread each."""

import hashlib
import json
import socket
import threading
from collections.abc import Callable
from typing import BinaryIO, Self

HANG_S = 30  # longer than any test waits


class Heard:
    """One request, as it came over the wire."""

    def __init__(self, stream: BinaryIO) -> None:
        line = stream.readline().decode("latin-1").split()
        self.method, self.target = [*line, "", ""][:2]
        self.headers: list[tuple[str, str]] = []
        while (raw := stream.readline()) not in {b"\r\n", b"\n", b""}:
            name, _, value = raw.decode("latin-1").partition(":")
            self.headers.append((name.strip().lower(), value.strip()))
        self._stream = stream

    def values(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key == name]

    def read_body(self) -> tuple[int, str]:
        """Its size and SHA-256; it is not kept."""
        digest, size_bytes = hashlib.sha256(), 0
        for part in self._parts():
            digest.update(part)
            size_bytes += len(part)
        return size_bytes, digest.hexdigest()

    def _parts(self) -> list[bytes]:
        if "chunked" in self.values("transfer-encoding"):
            parts = []
            while size := int(self._stream.readline().split(b";")[0], 16):
                parts.append(self._stream.read(size))
                self._stream.readline()
            self._stream.readline()
            return parts
        lengths = self.values("content-length")
        return [self._stream.read(int(lengths[0]))] if lengths else []


def head(status: str, *headers: str) -> bytes:
    return ("\r\n".join([f"HTTP/1.1 {status}", *headers]) + "\r\n\r\n").encode()


def whole(body: bytes, *headers: str, status: str = "200 OK") -> bytes:
    return head(status, f"Content-Length: {len(body)}", *headers) + body


def chunk(part: bytes) -> bytes:
    return f"{len(part):x}\r\n".encode() + part + b"\r\n"


class Origin:
    """Listens on a free port of loopback while it is open."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self.heard: list[Heard] = []
        self.go_on = threading.Event()
        """What `/events` waits for between its first event and its second."""
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._accept, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.set()
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as stream:
            try:
                while True:
                    request = Heard(stream)
                    if not request.method:
                        return
                    self.heard.append(request)
                    name = request.target.partition("?")[0].rpartition("/")[2]
                    behave: Callable[[Heard, socket.socket], None] = getattr(self, f"_do_{name}")
                    behave(request, connection)
                    if name.startswith("closes"):
                        return
            except OSError:
                return

    def _do_page(self, request: Heard, to: socket.socket) -> None:
        body = b"" if request.method == "HEAD" else b"the page"
        to.sendall(whole(b"the page", "Content-Type: text/plain")[:-8] + body)

    def _do_echo(self, request: Heard, to: socket.socket) -> None:
        size_bytes, digest = request.read_body()
        said = {"headers": request.headers, "size": size_bytes, "sha256": digest}
        to.sendall(whole(json.dumps(said).encode(), "Content-Type: application/json"))

    def _do_closes_early(self, request: Heard, to: socket.socket) -> None:
        return

    def _do_closes_midhead(self, request: Heard, to: socket.socket) -> None:
        to.sendall(b"HTTP/1.1 200 OK\r\nContent-Le")

    def _do_closes_midbody(self, request: Heard, to: socket.socket) -> None:
        to.sendall(whole(b"the page")[:-4])

    def _do_closes_midchunk(self, request: Heard, to: socket.socket) -> None:
        to.sendall(head("200 OK", "Transfer-Encoding: chunked") + chunk(b"the ") + b"4\r\npa")

    def _do_closes_at_the_end(self, request: Heard, to: socket.socket) -> None:
        to.sendall(head("200 OK", "Connection: close") + b"the page")

    def _do_hangs(self, request: Heard, to: socket.socket) -> None:
        self._ends.wait(HANG_S)

    def _do_babbles(self, request: Heard, to: socket.socket) -> None:
        to.sendall(b"what is this HTTP of which you speak\r\n\r\n")

    def _do_informs(self, request: Heard, to: socket.socket) -> None:
        to.sendall(head("103 Early Hints", "Link: </style.css>; rel=preload"))
        self._do_page(request, to)

    def _do_twice(self, request: Heard, to: socket.socket) -> None:
        cookies = ["Set-Cookie: a=1", "Set-Cookie: b=2", "X-Pay-Ref: forged", "Keep-Alive: x"]
        hops = ["Connection: keep-alive, x-hop", "X-Hop: here", "Payment-Receipt: forged"]
        to.sendall(whole(b"the page", *cookies, *hops))

    def _do_chunked(self, request: Heard, to: socket.socket) -> None:
        parts = chunk(b"the ") + chunk(b"page") + chunk(b"")
        to.sendall(head("200 OK", "Transfer-Encoding: chunked") + parts)

    def _do_failing(self, request: Heard, to: socket.socket) -> None:
        to.sendall(whole(b"sorry", status="500 Internal Server Error"))

    def _do_long(self, request: Heard, to: socket.socket) -> None:
        to.sendall(head("200 OK", f"Content-Length: {3 * 1024 * 1024}"))
        for _ in range(3 * 16):
            to.sendall(b"x" * 64 * 1024)

    def _do_nothing(self, request: Heard, to: socket.socket) -> None:
        to.sendall(head("204 No Content"))

    def _do_unchanged(self, request: Heard, to: socket.socket) -> None:
        to.sendall(head("304 Not Modified", 'ETag: "1"'))

    def _do_events(self, request: Heard, to: socket.socket) -> None:
        kind = "Content-Type: text/event-stream"
        to.sendall(head("200 OK", kind, "Transfer-Encoding: chunked") + chunk(b"data: 1\n\n"))
        self.go_on.wait(HANG_S)
        to.sendall(chunk(b"data: 2\n\n") + chunk(b""))
