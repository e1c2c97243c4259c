"""A broker that nobody hears of."""

import socket
import threading


class MuteBroker:
    """A broker's port: closed at first, then open to whoever calls, and silent."""

    def __init__(self) -> None:
        self._socket = socket.socket()
        self._socket.bind(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"

    def open(self) -> None:
        self._socket.listen()
        threading.Thread(target=self._hang_up, daemon=True).start()

    def _hang_up(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
                connection.recv(65_536)
                connection.close()
            except OSError:
                return

    def close(self) -> None:
        self._socket.close()
