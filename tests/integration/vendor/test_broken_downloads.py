"""A file that is paid for by the kilobyte, from a site that breaks off on the way."""

import io
import random
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from farthing.cli import servers
from farthing.cli.showroom import Showroom
from farthing.wallet.policy import Limits
from tests.kit.turns import marks_of

FILE_BYTES, BREAKS_AFTER, TICK_BYTES, GRACE = 60_000, 25_000, 1_000, 3
RICH = Limits(per_payment_micro=10**6, per_site_day_micro=10**7, per_day_micro=10**7)
PRICES = f"""accept = ["tick"]
[tick]
unit_micro = 1

[[route]]
path = "/file"
price = "1u"
per = "1kB"
grace = {GRACE}
"""


class Site(BaseHTTPRequestHandler):
    """Sends a file, or the part that is asked for; the first time it breaks off."""

    versions: ClassVar[list[bytes]] = []
    """One for each answer, the last for all that follow."""
    asked: ClassVar[list[str]] = []
    """The ranges."""

    def do_GET(self) -> None:
        if self.path != "/file":
            self.send_response(204)
            self.end_headers()
            return
        number = min(len(self.asked), len(self.versions) - 1)
        file, tag, wanted = self.versions[number], f'"{number}"', self.headers.get("range", "")
        self.asked.append(wanted)
        has_part = bool(wanted) and self.headers.get("if-range", tag) == tag
        start = int(wanted.removeprefix("bytes=").removesuffix("-")) if has_part else 0
        self.send_response(206 if has_part else 200)
        if has_part:
            self.send_header("content-range", f"bytes {start}-{len(file) - 1}/{len(file)}")
        self.send_header("content-length", str(len(file) - start))
        self.send_header("accept-ranges", "bytes")
        self.send_header("etag", tag)
        self.end_headers()
        self.wfile.write(
            file[start : start + BREAKS_AFTER] if len(self.asked) == 1 else file[start:]
        )

    def log_message(self, *_: object) -> None:
        return None


@pytest.fixture
def site() -> Iterator[str]:
    Site.versions, Site.asked = [], []
    with ThreadingHTTPServer(("127.0.0.1", 0), Site) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    "then",
    [
        pytest.param(name, marks=marks_of(number, of=2))
        for number, name in enumerate(("same", "changed"))
    ],
)
def test_a_file_goes_on_where_it_broke_off_unless_it_has_changed(
    tmp_path: Path, site: str, then: str
) -> None:
    file, another = (random.Random(seed).randbytes(FILE_BYTES) for seed in (1, 2))
    changes = then == "changed"
    with (
        Showroom(tmp_path, ["tick"], site, quiet=True) as room,
        room.open_wallet(tmp_path / "wallet.db", "tick") as wallet,
    ):
        (tmp_path / "vendor" / "prices.toml").write_text(PRICES)
        servers.stop(room.processes["vendor"])  # it would look at its prices in a second
        room.start_gate()
        Site.versions = [file, another] if changes else [file]
        out = io.BytesIO()
        heard = wallet.listen(room.gate_url + "/file", out, limits=RICH)
    came = out.getvalue()
    assert came == (file[: len(came)] if changes else file), "never a piece of each"
    assert heard.ended == ("broken" if changes else "whole")
    assert Site.asked == ["", f"bytes={BREAKS_AFTER}-"]
    begun = -(-heard.received_bytes // TICK_BYTES)
    assert begun <= heard.paid_micro <= begun + 2 * (GRACE + 1), "of two connections"
