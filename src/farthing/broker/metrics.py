"""Figures for the operator, in the text format of Prometheus; no account is named in them.

Requests are counted in plain integers where they are answered; everything else is read from the
books when somebody asks.
"""

from collections import Counter
from collections.abc import Iterator

import apsw
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from farthing.broker import publishing
from farthing.broker.books import Books

HEADERS = (
    (b"content-type", b"text/plain; version=0.0.4; charset=utf-8"),
    (b"cache-control", b"no-store"),
)


class Counts:
    """Answers of this process, by route and status."""

    def __init__(self) -> None:
        """None yet."""
        self.answers: Counter[tuple[str, int]] = Counter()


class _Books:
    """The collector of one scrape."""

    def __init__(self, connection: apsw.Connection, counts: Counts, now_s: int) -> None:
        self._connection = connection
        self._counts = counts
        self._now_s = now_s

    def collect(self) -> Iterator[Metric]:
        """Every figure."""
        answers = CounterMetricFamily(
            "farthing_broker_answers",
            "Answers since this process began.",
            labels=("route", "status"),
        )
        for (route, status), count in sorted(self._counts.answers.items()):
            answers.add_metric((route, str(status)), count)
        yield answers
        yield from self._balances()
        yield self._one("entries", "Entries of the journal.", "SELECT max(seq) FROM entries")
        yield self._one(
            "reservations_open",
            "Payments that are reserved, and neither captured nor void.",
            "SELECT count(*) FROM reservations WHERE state = 'reserved'",
        )
        yield self._one(
            "errands_open",
            "Messages that other brokers have not answered.",
            "SELECT count(*) FROM errands",
        )
        yield self._one(
            "overdue_seconds",
            "How long the oldest thing that time does has been due.",
            f"SELECT max(0, {self._now_s:d} - min(at_s)) FROM due",  # noqa: S608 - a number
        )
        yield self._one(
            "payouts_waiting",
            "Payouts that the bank has not confirmed.",
            "SELECT count(*) FROM payouts WHERE state IN ('planned', 'exported')",
        )
        yield self._published()

    def _balances(self) -> Iterator[Metric]:
        balances = GaugeMetricFamily(
            "farthing_broker_balance_micro",
            "Sum of the balances of one kind of account, as people read them.",
            labels=("kind",),
        )
        outstanding = GaugeMetricFamily(
            "farthing_broker_outstanding_micro",
            "Spending power that is out with payers.",
            labels=("scheme",),
        )
        kinds: Counter[str] = Counter()
        schemes: Counter[str] = Counter()
        for name, micro in self._connection.execute("SELECT name, balance FROM accounts"):
            side, kind, *rest = str(name).split("/")
            shown_micro = micro if side in {"asset", "expense"} else -micro
            kinds[f"{side}/{kind}"] += shown_micro
            if kind == "outstanding":
                schemes[rest[0]] += shown_micro
        for name, micro in sorted(kinds.items()):
            balances.add_metric((name,), micro)
        for name, micro in sorted(schemes.items()):
            outstanding.add_metric((name,), micro)
        yield balances
        yield outstanding

    def _one(self, name: str, text: str, statement: str) -> Metric:
        row = self._connection.execute(statement).fetchone()
        value = row[0] if row is not None and row[0] is not None else 0
        return GaugeMetricFamily(f"farthing_broker_{name}", text, value=float(value))

    def _published(self) -> Metric:
        last_s = publishing.last_s(self._connection)
        return GaugeMetricFamily(
            "farthing_broker_published_seconds",
            "When the books' head was last published, unix seconds; 0 for never.",
            value=float(last_s),
        )


def page(books: Books, counts: Counts) -> bytes:
    """What a scrape gets. Reads every account: call it in a thread."""

    def work(connection: apsw.Connection) -> bytes:
        registry = CollectorRegistry(auto_describe=False)
        registry.register(_Books(connection, counts, books.now_s()))
        return generate_latest(registry)

    return books.committer.read(work)
