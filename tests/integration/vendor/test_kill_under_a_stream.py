"""kill -9 of a gate under a running stream: either side loses at most `grace` ticks, each time."""

import io
import os
import random
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from farthing import marks
from farthing.cli.showroom import Showroom
from farthing.schemes import registry
from farthing.stores.sqlite import SqliteMarks
from farthing.vendor import metering
from farthing.wallet.app import Wallet, open_wallet
from farthing.wallet.listening import Heard
from farthing.wallet.policy import Limits
from farthing.wallet.settling import ABSENT_FINAL_S
from tests.kit.turns import marks_of

KILLS = 2
TICK_BYTES, GRACE = 1000, 8
PART = b"x" * 700  # no part ends where a tick does
RICH = Limits(per_payment_micro=10**6, per_site_day_micro=10**7, per_day_micro=10**7)
WAIT_S = 20
PAUSE_S = 0.0005  # between two parts: the payer is slower than the site, and the gate pauses
TICKS = '[tick]\nunit_micro = 1\nopening = "OPENING"\n'
PRICES = f"""
[[route]]
path = "/radio"
price = "1u"
per = "1kB"
grace = {GRACE}
"""


WAYS = {
    "credit": ("tick", TICKS.replace("OPENING", "credit")),
    "scrip": ("millicent", ""),
    "prepaid": ("tick", TICKS.replace("OPENING", "prepaid")),
    "coins": ("ecash", ""),
}
"""Schemes, and their options."""


class Radio(BaseHTTPRequestHandler):
    """Sends until nobody listens; has nothing else to say."""

    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/radio" else 204)
        self.end_headers()
        if self.path != "/radio":
            return
        with suppress(OSError):
            while True:
                self.wfile.write(PART)
                time.sleep(PAUSE_S)

    def log_message(self, *_: object) -> None:
        return None


@pytest.fixture
def radio() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Radio) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def listen(
    wallet: Wallet, url: str, heards: list[Heard], wanted: int, far: threading.Event
) -> None:
    """Read a stream until it ends; `far` is set when so many bytes are there."""

    def look(heard: Heard) -> None:
        if heard.received_bytes >= wanted:
            far.set()

    heards.append(wallet.listen(url, io.BytesIO(), limits=RICH, progress=look))


def ticks_in(data: Path) -> int:
    """What the gate has taken on all streams, as its file says."""
    store = SqliteMarks(data / "marks.db")
    try:
        read = marks.Read(keys=marks.Keys(prefixes=(metering.PREFIX,)))
        memory: marks.Memory = store.do_now(read)
        return sum(int(value) for value in memory.records.values())
    finally:
        store.close()


@pytest.mark.parametrize(
    ("scheme", "options"),
    [
        pytest.param(*way, marks=marks_of(number, of=2), id=name)
        for number, (name, way) in enumerate(WAYS.items())
    ],
)
def test_a_gate_killed_under_a_stream_costs_either_side_the_grace_at_most(
    tmp_path: Path, radio: str, scheme: str, options: str
) -> None:
    seed = random.randrange(2**32)
    dice = random.Random(seed)
    data = tmp_path / "vendor"
    with (
        Showroom(tmp_path, [scheme], radio, quiet=True) as room,
        room.open_wallet(tmp_path / "wallet.db", scheme) as wallet,
    ):
        (data / "prices.toml").write_text(f'accept = ["{scheme}"]\n{options}{PRICES}')
        restart(room)  # a running gate would look at its prices in a second
        for number in range(KILLS):
            paid_before = ticks_in(data)
            wanted, far = dice.randint(1, 60) * TICK_BYTES, threading.Event()

            heards: list[Heard] = []
            work = partial(listen, wallet, room.gate_url + "/radio", heards, wanted, far)
            reader = threading.Thread(target=work)
            reader.start()
            assert far.wait(WAIT_S), f"kill {number}, seed {seed}"
            restart(room)
            reader.join(WAIT_S)
            assert not reader.is_alive(), seed
            heard, taken = heards[0], ticks_in(data) - paid_before
            begun = -(-heard.received_bytes // TICK_BYTES)
            assert heard.ticks <= taken, f"a payment that was acknowledged is lost, seed {seed}"
            assert taken - heard.received_bytes // TICK_BYTES <= GRACE + 1, seed
            assert begun - taken <= GRACE, seed
        wallet.close()
        chosen = {scheme: registry.by_name(scheme)}
        late = partial(open_wallet, clock=lambda: int(time.time()) + ABSENT_FINAL_S)
        with late(tmp_path / "wallet.db", room.passphrase, schemes=chosen) as after:
            assert after.recover().undecided == 0, seed
            done = [entry for entry in after.history(10_000) if entry.state == "done"]
        assert sum(entry.price_micro for entry in done) == ticks_in(data), seed


def restart(room: Showroom) -> None:
    """The gate and its worker are gone at once; another comes up."""
    child = room.processes["vendor"]
    os.killpg(child.pid, signal.SIGKILL)
    child.wait()
    room.start_gate()
