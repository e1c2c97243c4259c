"""What a page takes when it is cleared before it goes out, at once after it, or in batches.

One payer buys pages of the demo's site one after the other, the first answer and the paid one
counted together. The moments take turns within one run.
"""

import io
import statistics
import tempfile
import time
from pathlib import Path

from bench.figures import Figure
from farthing import gazette
from farthing.cli.showroom import Showroom

MOMENTS = ("batch", "during", "before")
SCHEMES = ("millicent", "payword")
NOTICED_S = 1.5  # a gate looks at its prices each second
PRICES = """accept = ["millicent", "payword"]
[[route]]
path = "/**"
price = "200u"
clearing = "{moment}"
"""


def measure(seconds: float) -> list[Figure]:
    """Median milliseconds of a page, by scheme and moment."""
    took_ms: dict[tuple[str, str], list[float]] = {
        (scheme, moment): [] for scheme in SCHEMES for moment in MOMENTS
    }
    until_s = time.monotonic() + seconds
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        with Showroom(path, list(SCHEMES), "", quiet=True) as room:
            while True:
                for moment in MOMENTS:
                    _turn(room, path, moment, took_ms)
                if time.monotonic() >= until_s:
                    break
    return [
        Figure(
            part="moments",
            name=f"{scheme}, {moment}: p50 of a page",
            value=statistics.median(found),
            unit="ms",
        )
        for (scheme, moment), found in took_ms.items()
    ]


def _turn(
    room: Showroom, folder: Path, moment: str, took_ms: dict[tuple[str, str], list[float]]
) -> None:
    (folder / "vendor" / "prices.toml").write_text(PRICES.format(moment=moment))
    time.sleep(NOTICED_S)
    for scheme in SCHEMES:
        with room.open_wallet(folder / "wallet.db", scheme) as wallet:
            pages = [room.gate_url + page for page in gazette.ARTICLES]
            wallet.get(pages[0], io.BytesIO())  # buys scrip, or opens a chain
            for url in pages:
                began = time.perf_counter()
                wallet.get(url, io.BytesIO())
                took_ms[scheme, moment].append((time.perf_counter() - began) * 1000)
