"""A gate's figures in the text format of Prometheus, for whoever shows the token.

Answers are counted in plain integers as they go out, each process for itself; what was earned and
what waits is read from the store when somebody asks, and is the same in every process.
"""

import hashlib
import hmac
import os
from collections.abc import Iterator
from pathlib import Path

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from farthing.errors import Denied
from farthing.marks import Tally, Total
from farthing.vendor.commands import Answer, Headers, Request
from farthing.vendor.driver import MarkStore
from farthing.vendor.gate import require_private
from farthing.wire import published

PATH = published.WELL_KNOWN + "-metrics"
HASH_FILE = "metrics-token.sha256"  # in the vendor's folder; without it there is no such door
_HEADERS: Headers = (
    (b"content-type", b"text/plain; version=0.0.4; charset=utf-8"),
    (b"cache-control", b"no-store"),
)


def hash_of(token: str) -> str:
    """What is kept of a token, hex."""
    return hashlib.sha256(token.encode()).hexdigest()


def authorize(folder: Path, request: Request) -> bool:
    """Whether there is such a door here; `Denied` unless the request has its token."""
    try:
        expected = (folder / HASH_FILE).read_text().strip()
    except FileNotFoundError:
        return False
    sent = next((value for name, value in request.headers if name == b"authorization"), b"")
    kind, _, token = sent.decode("latin-1").partition(" ")
    if kind.lower() != "bearer" or not hmac.compare_digest(hash_of(token), expected):
        raise Denied("token_unknown", "send the token that `farthing vendor metrics` made")
    return True


async def door(
    folder: Path,
    request: Request,
    store: MarkStore,
    answers: dict[int, int],
    *,
    prices_refused: bool,
) -> Answer | None:
    """The gate's figures; None where the vendor has made no token for them. `Denied`."""
    if not authorize(folder, request):
        return None
    require_private(request)
    totals: tuple[Total, ...] = await store.do(Tally())
    return page(answers, totals, prices_refused=prices_refused)


class _Gate:
    """The collector of one scrape."""

    def __init__(
        self, answers: dict[int, int], totals: tuple[Total, ...], *, prices_refused: bool
    ) -> None:
        self._answers = answers
        self._totals = totals
        self._prices_refused = prices_refused

    def collect(self) -> Iterator[Metric]:
        """Every figure."""
        answers = CounterMetricFamily(
            "farthing_gate_answers",
            "Answers to requests for priced pages since this process began.",
            labels=("process", "status"),
        )
        for status, count in sorted(self._answers.items()):
            answers.add_metric((str(os.getpid()), str(status)), count)
        yield answers
        for name, text in (
            ("claims", "Claims that are kept: payments, or chains of them."),
            ("earned_micro", "What they are worth, less what the broker has refused for good."),
            ("pending_micro", "Of that, what the broker has not acknowledged."),
        ):
            family = GaugeMetricFamily(f"farthing_gate_{name}", text, labels=("scheme",))
            for total in self._totals:
                family.add_metric((total.scheme,), getattr(total, name))
            yield family
        yield GaugeMetricFamily(
            "farthing_gate_prices_refused",
            "1 while a changed prices.toml is wrong and the old prices go on.",
            value=float(self._prices_refused),
        )


def page(answers: dict[int, int], totals: tuple[Total, ...], *, prices_refused: bool) -> Answer:
    """What a scrape gets."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Gate(answers, totals, prices_refused=prices_refused))
    return Answer(status=200, headers=_HEADERS, body=generate_latest(registry))
