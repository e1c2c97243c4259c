"""A paid request over HTTP: the same site plain, behind `Paywall`, and behind `vendor serve`.

Every contestant is sent the same bytes: the plain site gets the payment too and ignores it. On two
cores the load generator has one and the server the other.
"""

import contextlib
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec

from bench import wrk
from bench.figures import Figure, median_ratio
from bench.offers import HEADERS, Dialect
from bench.programs import ensure
from bench.shop import FREE, HELD, TAKEN, Shop
from bench.wrk import Load, Run, require_clean

ROUNDS = 3
WARM_PAYMENTS = 4_000  # for the run that finds out how many a round will need
REPEATED = 1_000  # where a payment is only so many bytes, these go round and round
MARGIN = 1.3  # payments made for a round, against what the first run did


class Lane(msgspec.Struct, kw_only=True):
    """One contestant and its runs."""

    name: str
    load: Load
    path: str
    """What the payments are for; the plain site serves it too."""
    dialect: Dialect = "mpp"
    spends: bool = True
    """Whether each payment works once only."""
    runs: list[Run] = msgspec.field(default_factory=list)

    @property
    def rates(self) -> list[float]:
        """Of each round."""
        return [run.rate for run in self.runs]


def race(shop: Callable[[Lane], Shop], lanes: Sequence[Lane], seconds: float, folder: Path) -> None:
    """Let the lanes take turns, `seconds` each in all; their runs are kept in them."""
    per_round_s = max(1.0, seconds / ROUNDS)
    warm = {lane.name: _run(lane, shop(lane), WARM_PAYMENTS, 1, folder) for lane in lanes}
    for _ in range(ROUNDS):
        for lane in lanes:
            count = int(warm[lane.name].rate * per_round_s * MARGIN) + WARM_PAYMENTS
            lane.runs.append(_run(lane, shop(lane), count, per_round_s, folder))


def _run(lane: Lane, shop: Shop, count: int, seconds: float, folder: Path) -> Run:
    if not lane.spends:
        requests = shop.payments(lane.path, REPEATED, lane.dialect)
        return require_clean(wrk.send(lane.load, requests, seconds, folder, wrap=True))

    def make(count: int) -> list[str]:
        return shop.payments(lane.path, count, lane.dialect)

    return wrk.send_fresh(lane.load, make, count, seconds, folder)


def _rates(lanes: Sequence[Lane]) -> list[Figure]:
    return [
        Figure(part="paywall", name=lane.name, value=statistics.median(lane.rates), unit="/s")
        for lane in lanes
    ]


def _to(name: str, lane: Lane, other: Lane, target: float | None) -> Figure:
    ratio = median_ratio(lane.rates, other.rates)
    return Figure(part="paywall", name=name, value=ratio, unit="×", target=target)


def _p99(lane: Lane) -> Figure:
    return Figure(
        part="paywall",
        name=f"{lane.name}: 99 of 100 answered within",
        value=statistics.median(run.p99_ms for run in lane.runs),
        unit="ms",
        target=30,
        at_most=True,
    )


def measure(seconds: float) -> list[Figure]:
    """Rates, ratios to the plain site, and the slowest of a hundred answers."""
    ensure("wrk")
    with TemporaryDirectory(prefix="farthing-bench-") as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        one, two = Shop(folder / "one"), Shop(folder / "two")
        plain_url = stack.enter_context(one.serving("plain"))
        paid_url = stack.enter_context(one.serving("paid"))
        proxy_url = stack.enter_context(two.proxying(plain_url))

        def lane(name: str, url: str, path: str, *, dialect: Dialect = "mpp") -> Lane:
            load = Load(url=url, path=path, header=HEADERS[dialect])
            return Lane(name=name, load=load, path=path, dialect=dialect)

        plain = lane("plain site", plain_url, HELD)
        plain.spends = False
        held = lane("Paywall, hold", paid_url, HELD)
        taken = lane("Paywall, hold = false", paid_url, TAKEN)
        of_x402 = lane("Paywall, hold, x402", paid_url, HELD, dialect="x402")
        proxied = lane("vendor serve, paid", proxy_url, HELD)
        free = Lane(
            name="vendor serve, free",
            load=Load(url=proxy_url, path=FREE),
            path=HELD,
            spends=False,
        )
        lanes = [plain, held, taken, of_x402, free, proxied]
        race(lambda of: two if of in (proxied, free) else one, lanes, seconds, folder)
        return [
            *_rates(lanes),
            _to("Paywall, hold, to plain", held, plain, 0.25),
            _to("Paywall, hold = false, to plain", taken, plain, 0.35),
            _to("Paywall, hold, x402, to plain", of_x402, plain, None),
            _to("vendor serve, paid to free", proxied, free, 0.6),
            _p99(held),
            _p99(taken),
        ]
