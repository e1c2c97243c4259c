"""A stream that is paid per 16 kB beside the same one unpaid: both through one gate, to one wallet.

The site, the gate and the broker are processes of their own on loopback; the wallet reads in this
one, and pays vouchers of up to 64 ticks in a thread beside it. Each voucher is a commit of the
wallet's file and one of the gate's, one after the other: on a slow disk that is what is measured.
"""

import io
import tempfile
import time
from pathlib import Path

from bench.figures import Figure, median_ratio
from bench.shop import PYTHON_PATH
from farthing.cli import servers
from farthing.cli.showroom import Showroom
from farthing.wallet.app import Wallet
from farthing.wallet.policy import Limits

SIZE_BYTES = 32 * 10**6  # of one download: two thousand ticks
ROUNDS = 5
LOOK_S = 1.5  # a gate looks at its prices once a second
RICH = Limits(per_payment_micro=10**6, per_site_day_micro=10**6, per_day_micro=10**6)
PRICES = """accept = ["tick"]
[tick]
unit_micro = 1

[[route]]
path = "/download"
price = "1u"
per = "16kB"
grace = 64
"""


def measure(size_bytes: int = SIZE_BYTES, rounds: int = ROUNDS) -> list[Figure]:
    """Megabytes a second, unpaid and paid, their ratio, and how many vouchers it took."""
    with tempfile.TemporaryDirectory(prefix="farthing-bench-") as name:
        folder, port = Path(name), servers.free_port()
        url = f"http://127.0.0.1:{port}"
        command = servers.python("-m", "bench.sites", "download", str(port))
        env = {"PYTHONPATH": PYTHON_PATH}
        log = folder / "site.log"
        with (
            servers.running(command, url=f"{url}/free", log=log, env=env),
            Showroom(folder, ["tick"], url, quiet=True) as room,
            room.open_wallet(folder / "wallet.db", "tick") as wallet,
        ):
            (folder / "vendor" / "prices.toml").write_text(PRICES)
            time.sleep(LOOK_S)
            query = f"?{size_bytes}"
            took_s: dict[str, list[float]] = {"/free": [], "/download": []}
            vouchers = 0
            for path, times_s in [*took_s.items()] * (rounds + 1):
                passed_s, vouchers = _read(wallet, room.gate_url + path + query, size_bytes)
                times_s.append(passed_s)
    free, paid = ([size_bytes / 10**6 / s for s in times[1:]] for times in took_s.values())
    return [
        _figure("unpaid", sorted(free)[rounds // 2]),
        _figure("paid per 16 kB", sorted(paid)[rounds // 2]),
        Figure(
            part="streams",
            name="paid to unpaid",
            value=median_ratio(paid, free),
            unit="×",
            target=0.5,
        ),
        Figure(
            part="streams", name="ticks a voucher", value=_ticks(size_bytes) / vouchers, unit="×"
        ),
    ]


def _ticks(size_bytes: int) -> int:
    return -(-size_bytes // 16_000)


def _figure(name: str, value: float) -> Figure:
    return Figure(part="streams", name=name, value=value, unit="MB/s")


def _read(wallet: Wallet, url: str, size_bytes: int) -> tuple[float, int]:
    """Seconds, and vouchers, of one download."""
    began_s = time.perf_counter()
    heard = wallet.listen(url, io.BytesIO(), limits=RICH)
    passed_s = time.perf_counter() - began_s
    assert (heard.ended, heard.received_bytes) == ("whole", size_bytes), heard
    return passed_s, heard.vouchers
