"""A paid request over HTTP: the same site plain, behind `Paywall`, and behind `vendor serve`.

Every contestant is sent the same bytes: the plain site gets the payment too and ignores it. On two
cores the load generator has one and the server the other. The plain site is a function that sends
two kilobytes, the least that a site can be; beside it stands the same page out of a framework.
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
from bench.processes import cpu_s
from bench.programs import ensure
from bench.shop import FREE, HELD, TAKEN, Server, Shop
from bench.wrk import Load, Run, require_clean

ROUNDS = 3
FIRST_GUESS = 3_000  # paid requests a second: what the first round is made for
REPEATED = 1_000  # where a payment is only so many bytes, these go round and round
MARGIN = 1.3  # payments made for a round, against what the one before needed


class Lane(msgspec.Struct, kw_only=True):
    """One contestant and its runs."""

    name: str
    server: Server
    path: str
    """What is asked for."""
    pays: str
    """The path that the payments are for, whether or not anybody wants them."""
    dialect: Dialect = "mpp"
    spends: bool = True
    """Whether each payment works once only."""
    runs: list[Run] = msgspec.field(default_factory=list)
    cpu_us: list[float] = msgspec.field(default_factory=list)
    """Of the server, for one request, in each round."""

    @property
    def rates(self) -> list[float]:
        """Of each round."""
        return [run.rate for run in self.runs]


def race(shop: Callable[[Lane], Shop], lanes: Sequence[Lane], seconds: float, folder: Path) -> None:
    """Let the lanes take turns, `seconds` each in all; their runs are kept in them."""
    per_round_s = max(1.0, seconds / ROUNDS)
    for _ in range(ROUNDS):
        for lane in lanes:
            rate = lane.runs[-1].rate if lane.runs else FIRST_GUESS
            count = int(rate * per_round_s * MARGIN)
            _run(lane, shop(lane), count, per_round_s, folder)


def _run(lane: Lane, shop: Shop, count: int, seconds: float, folder: Path) -> None:
    load = Load(url=lane.server.url, path=lane.path, header=HEADERS[lane.dialect])
    before_s = 0.0

    def make(count: int) -> list[str]:
        nonlocal before_s
        payments = shop.payments(lane.pays, count, lane.dialect)
        before_s = cpu_s(lane.server.process)
        return payments

    if lane.spends:
        run = wrk.send_fresh(load, make, count, seconds, folder)
    else:
        run = require_clean(wrk.send(load, make(REPEATED), seconds, folder, wrap=True))
    lane.runs.append(run)
    lane.cpu_us.append((cpu_s(lane.server.process) - before_s) / run.requests * 1e6)


def _each(lanes: Sequence[Lane]) -> list[Figure]:
    figures: list[Figure] = []
    for lane in lanes:
        rate, cpu_us = statistics.median(lane.rates), statistics.median(lane.cpu_us)
        figures += [
            Figure(part="paywall", name=lane.name, value=rate, unit="/s"),
            Figure(part="paywall", name=f"{lane.name}: server CPU", value=cpu_us, unit="µs"),
        ]
    return figures


def _to(name: str, lane: Lane, other: Lane, target: float | None) -> list[Figure]:
    ratio = median_ratio(lane.rates, other.rates)
    of_cpu = median_ratio(other.cpu_us, lane.cpu_us)
    return [
        Figure(part="paywall", name=name, value=ratio, unit="×", target=target),
        Figure(part="paywall", name=f"{name}, by CPU", value=of_cpu, unit="×"),
    ]


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
        site = stack.enter_context(one.serving("plain"))
        gate = stack.enter_context(one.serving("paid"))
        proxy = stack.enter_context(two.proxying(site.url))
        framework = stack.enter_context(one.serving("framed"))
        its_gate = stack.enter_context(one.serving("framed_paid"))
        plain = Lane(name="plain site", server=site, path=HELD, pays=HELD, spends=False)
        held = Lane(name="Paywall, hold", server=gate, path=HELD, pays=HELD)
        taken = Lane(name="Paywall, hold = false", server=gate, path=TAKEN, pays=TAKEN)
        of_x402 = Lane(
            name="Paywall, hold, x402", server=gate, path=HELD, pays=HELD, dialect="x402"
        )
        free = Lane(name="vendor serve, free", server=proxy, path=FREE, pays=HELD, spends=False)
        proxied = Lane(name="vendor serve, paid", server=proxy, path=HELD, pays=HELD)
        framed = Lane(name="site in Litestar", server=framework, path=HELD, pays=HELD, spends=False)
        framed_held = Lane(
            name="Paywall before Litestar, hold", server=its_gate, path=HELD, pays=HELD
        )
        lanes = [plain, held, taken, of_x402, framed, framed_held, free, proxied]
        race(lambda of: two if of in (proxied, free) else one, lanes, seconds, folder)
        return [
            *_each(lanes),
            *_to("Paywall, hold, to plain", held, plain, 0.25),
            *_to("Paywall, hold = false, to plain", taken, plain, 0.35),
            *_to("Paywall, hold, x402, to plain", of_x402, plain, None),
            *_to("Paywall before Litestar, hold, to without", framed_held, framed, None),
            *_to("vendor serve, paid to free", proxied, free, 0.6),
            _p99(held),
            _p99(taken),
        ]
