"""A file sold by the kilobyte, paid with scrip, coins and chains, by ours and by stock clients."""

import asyncio
import io
import random
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from mpp.client import Mpp  # type: ignore[attr-defined]  # the package leaves its exports unmarked
from x402 import x402Client
from x402.http.clients.httpx import x402HttpxClient

from farthing import marks
from farthing.cli import servers
from farthing.cli.showroom import Showroom
from farthing.plugins.mpp import FarthingMethods
from farthing.plugins.x402 import AsyncFarthingScheme
from farthing.stores.sqlite import SqliteMarks
from farthing.vendor import metering
from farthing.wallet.app import Wallet
from farthing.wallet.policy import Limits
from tests.integration.plugins.clients import CONTROLS
from tests.kit.turns import marks_of

SCHEMES = ["millicent", "ecash", "payword", "tick"]
FILE_BYTES, TICK_BYTES, GRACE, PRICE_MICRO = 40_500, 1_000, 8, 100
TICKS = -(-FILE_BYTES // TICK_BYTES)
FILE = random.Random(1).randbytes(FILE_BYTES)
RICH = Limits(per_payment_micro=10**6, per_site_day_micro=10**7, per_day_micro=10**7)
PRICES = f"""accept = {SCHEMES}

[[route]]
path = "/file"
price = "{PRICE_MICRO}u"
per = "1kB"
grace = {GRACE}
"""


class Site(BaseHTTPRequestHandler):
    """Sends one file, as fast as it is read."""

    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/file" else 204)
        if self.path == "/file":
            self.send_header("content-length", str(FILE_BYTES))
        self.end_headers()
        if self.path == "/file":
            self.wfile.write(FILE)

    def log_message(self, *_: object) -> None:
        return None


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Showroom, Path]]:
    folder = tmp_path_factory.mktemp("streams")
    with ThreadingHTTPServer(("127.0.0.1", 0), Site) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        url = f"http://127.0.0.1:{server.server_address[1]}"
        with Showroom(folder, SCHEMES, url, quiet=True) as opened:
            (folder / "vendor" / "prices.toml").write_text(PRICES)
            servers.stop(opened.processes["vendor"])  # it would look at its prices in a second
            opened.start_gate()
            yield opened, folder
        server.shutdown()
        thread.join()


def ticks_in(folder: Path) -> int:
    """What the gate has taken on all streams, as its file says."""
    store = SqliteMarks(folder / "vendor" / "marks.db")
    try:
        read = marks.Read(keys=marks.Keys(prefixes=(metering.PREFIX,)))
        memory: marks.Memory = store.do_now(read)
        total_micro = sum(int(value) for value in memory.records.values())
        assert total_micro % PRICE_MICRO == 0
        return total_micro // PRICE_MICRO
    finally:
        store.close()


@pytest.mark.parametrize(
    "scheme",
    [pytest.param(name, marks=marks_of(number, of=2)) for number, name in enumerate(SCHEMES)],
)
def test_every_kind_of_money_pays_a_file_to_its_end(
    room: tuple[Showroom, Path], tmp_path: Path, scheme: str
) -> None:
    opened, folder = room
    before, out = ticks_in(folder), io.BytesIO()
    with opened.open_wallet(folder / "wallet.db", scheme) as wallet:
        known = len(wallet.history(10_000))
        heard = wallet.listen(opened.gate_url + "/file", out, limits=RICH)
        done = wallet.history(10_000)[: len(wallet.history(10_000)) - known]
    assert out.getvalue() == FILE
    assert (heard.ended, heard.scheme, heard.refused) == ("whole", scheme, "")
    assert heard.ticks + GRACE >= TICKS, "it went on with what was paid, and the grace at the end"
    assert heard.vouchers >= 2, "the gate has paused, and went on with the next payment"
    assert heard.paid_micro == heard.ticks * PRICE_MICRO
    assert ticks_in(folder) - before == heard.ticks
    assert {(entry.scheme, entry.state) for entry in done} == {(scheme, "done")}
    assert sum(entry.price_micro for entry in done) == heard.paid_micro


def test_a_payer_who_pays_no_more_has_what_was_paid_and_the_grace_at_most(
    room: tuple[Showroom, Path],
) -> None:
    opened, folder = room
    before, out = ticks_in(folder), io.BytesIO()
    with opened.open_wallet(folder / "wallet.db", "millicent") as wallet:
        heard = wallet.listen(opened.gate_url + "/file", out, limits=RICH, most="1000u")
    assert (heard.ended, heard.refused) == ("unpaid", "above_most")
    assert heard.ticks == 10 == ticks_in(folder) - before
    assert 10 * TICK_BYTES <= heard.received_bytes <= (10 + GRACE) * TICK_BYTES
    assert out.getvalue() == FILE[: heard.received_bytes]


async def topped_up(http: Any, url: str, site: str) -> bytes:
    """A stream that a stock client opens, and pays on where its answer says."""
    came = b""
    async with http.stream("GET", url) as answer:
        assert answer.status_code == 200
        found = re.fullmatch(r'<(/[^>]+)>; rel="payment"', answer.headers["link"])
        assert found is not None
        parts = answer.aiter_raw()
        while len(came) < (1 + GRACE) * TICK_BYTES:
            came += await anext(parts)
        assert len(came) == (1 + GRACE) * TICK_BYTES, "it waits there"
        paid = await http.post(f"{site}{found[1]}?ticks={TICKS - 1 - GRACE}")
        assert (paid.status_code, paid.content) == (200, b"")
        async for part in parts:
            came += part
    return came


async def with_x402(wallet: Wallet, url: str, site: str) -> bytes:
    async with AsyncFarthingScheme(wallet) as scheme:
        client = x402Client()
        client.register("farthing:*", scheme)
        client.register_policy(scheme.policy)
        controls: Any = {
            "allowed_assets": [
                CONTROLS["allowed_assets"][0] | {"max_amount_per_payment": str(10**6)}
            ]
        }
        client.set_spend_controls(controls)
        async with x402HttpxClient(client) as http:
            return await topped_up(http, url, site)


async def with_pympp(wallet: Wallet, url: str, site: str) -> bytes:
    async with (
        FarthingMethods(wallet) as farthing,
        Mpp(methods=farthing.methods) as mpp,
        httpx.AsyncClient(transport=mpp.payment_transport) as http,
    ):
        return await topped_up(http, url, site)


@pytest.mark.parametrize("client", [with_x402, with_pympp])
def test_stock_clients_open_a_stream_and_top_it_up(
    room: tuple[Showroom, Path], client: Any
) -> None:
    opened, folder = room
    before = ticks_in(folder)
    with opened.open_wallet(folder / "wallet.db", "millicent") as wallet:
        wallet.set_limits(RICH)
        came = asyncio.run(client(wallet, opened.gate_url + "/file", opened.gate_url))
        states = {entry.state for entry in wallet.history(2)}
    assert came == FILE
    assert states == {"done"}
    assert ticks_in(folder) - before == TICKS - GRACE
