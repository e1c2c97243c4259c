"""A man in the middle of payer and gate, on raw sockets: counts payments, and spoils some."""

import contextlib
import socket
import struct
import threading
from collections.abc import Iterator

PAID = (b"\r\npayment-signature: ", b"\r\nauthorization: payment ")
NO_LINGER = struct.pack("ii", 1, 0)  # close() sends a reset: the connection is cut
WAIT_S = 10.0


class Middle:
    """One request a connection. `faults` are of the paid requests that come next."""

    def __init__(self, gate_url: str) -> None:
        self._gate = ("127.0.0.1", int(gate_url.rpartition(":")[2]))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.faults: list[str] = []
        """`cut` (after the gate has answered), or a status that the gate never hears of."""
        self.seen: list[str] = []
        """`unpaid`, `paid`, `outcome` or `keys`, as requests came."""
        self.credentials: list[str] = []
        """Header values of the paid ones."""

    def run(self) -> None:
        with contextlib.suppress(OSError):  # the listener is closed
            while True:
                payer, _ = self._listener.accept()
                payer.settimeout(WAIT_S)
                threading.Thread(target=self._serve, args=(payer,), daemon=True).start()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _serve(self, payer: socket.socket) -> None:
        with payer, contextlib.suppress(OSError):
            request = _read_request(payer)
            kind = _kind(request)
            self.seen.append(kind)
            fault = ""
            if kind == "paid":
                self.credentials.append(_credential(request))
                fault = self.faults.pop(0) if self.faults else ""
            if fault in {"", "cut"}:
                answer = self._ask_gate(request)
            elif fault == "402":
                answer = self._ask_gate(_without_credential(request))
            else:
                answer = _canned(fault)
            if fault == "cut":
                payer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
            else:
                payer.sendall(answer)

    def _ask_gate(self, request: bytes) -> bytes:
        with socket.create_connection(self._gate, timeout=WAIT_S) as gate:
            gate.sendall(_closing(request))
            answer = b""
            while part := gate.recv(65_536):
                answer += part
            return answer


def _read_request(payer: socket.socket) -> bytes:
    raw = b""
    while b"\r\n\r\n" not in raw:
        raw += _part(payer)
    head = raw.partition(b"\r\n\r\n")[0].lower()
    length = next(
        (int(line[15:]) for line in head.split(b"\r\n") if line.startswith(b"content-length:")), 0
    )
    while len(raw) < len(head) + 4 + length:
        raw += _part(payer)
    return raw


def _part(payer: socket.socket) -> bytes:
    part = payer.recv(65_536)
    if not part:
        raise ConnectionResetError
    return part


def _lines(request: bytes) -> tuple[list[bytes], bytes]:
    head, _, body = request.partition(b"\r\n\r\n")
    return head.split(b"\r\n"), body


def _kind(request: bytes) -> str:
    line = request.partition(b"\r\n")[0]
    if b"/.well-known/farthing" in line:
        return "outcome" if b"outcome" in line else "keys"
    return "paid" if any(name in request.lower() for name in PAID) else "unpaid"


def _credential(request: bytes) -> str:
    lines, _ = _lines(request)
    return next(line.decode() for line in lines if (b"\r\n" + line.lower()).startswith(PAID))


def _without_credential(request: bytes) -> bytes:
    lines, body = _lines(request)
    kept = [line for line in lines if not (b"\r\n" + line.lower()).startswith(PAID)]
    return b"\r\n".join(kept) + b"\r\n\r\n" + body


def _closing(request: bytes) -> bytes:
    lines, body = _lines(request)
    kept = [line for line in lines if not line.lower().startswith(b"connection:")]
    return b"\r\n".join([*kept, b"Connection: close"]) + b"\r\n\r\n" + body


def _canned(status: str) -> bytes:
    body = b'{"code":"made_up"}'
    return (
        f"HTTP/1.1 {status} Spoiled\r\nContent-Type: application/problem+json\r\n"
        f"Content-Length: {len(body)}\r\nRetry-After: 1\r\nConnection: close\r\n\r\n"
    ).encode() + body


@contextlib.contextmanager
def between(gate_url: str) -> Iterator[Middle]:
    """A man in the middle, until the block ends."""
    middle = Middle(gate_url)
    thread = threading.Thread(target=middle.run, daemon=True)
    thread.start()
    try:
        yield middle
    finally:
        middle.close()
        thread.join(WAIT_S)
