"""A stream that a WSGI application sends, paid for by a wallet while it runs."""

import io
import socketserver
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from farthing.cli.showroom import Showroom
from farthing.wsgi import Environ, Paywall

TICK_BYTES, TICKS, GRACE = 1000, 12, 2
PART = b"x" * 700  # no part ends where a tick does
PRICES = f"""accept = ["tick"]
[tick]
unit_micro = 1

[[route]]
path = "/radio"
price = "1u"
per = "1kB"
grace = {GRACE}
"""


class Server(socketserver.ThreadingMixIn, WSGIServer):
    daemon_threads = True


class Quiet(WSGIRequestHandler):
    def log_message(self, *_: object) -> None:
        return None


def radio(environ: Environ, start_response: Callable[..., Any]) -> Iterator[bytes]:
    start_response("200 OK", [("Content-Type", "audio/ogg")])
    for at in range(0, TICKS * TICK_BYTES, len(PART)):
        yield PART[: TICKS * TICK_BYTES - at]


def test_every_tick_of_it_is_paid_and_the_wallet_gets_it_whole(tmp_path: Path) -> None:
    out = io.BytesIO()
    with Showroom(tmp_path, ["tick"], "", quiet=True) as room:
        (tmp_path / "vendor" / "prices.toml").write_text(PRICES)
        paywall = Paywall(radio, tmp_path / "vendor")
        with make_server("127.0.0.1", 0, paywall, Server, Quiet) as server:
            thread = threading.Thread(target=server.serve_forever, args=(0.01,))
            thread.start()
            with room.open_wallet(tmp_path / "wallet.db", "tick") as wallet:
                url = f"http://127.0.0.1:{server.server_port}/radio"
                heard = wallet.listen(url, out, most="1c")
            server.shutdown()
            thread.join()
        paywall.close()
    assert (heard.status, heard.ended) == (200, "whole")
    assert TICKS <= heard.ticks <= TICKS + GRACE, "nobody knew before how long it is"
    assert out.getvalue() == b"x" * TICKS * TICK_BYTES
