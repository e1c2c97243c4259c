"""A gate with ten million live marks beside one with ten thousand: memory, and rate.

The rows are written in bulk, as large as a gate writes them: for each payment its own row with the
outcome, its single-use mark and its claim. Keys of payments are spread as hashes are, so that a new
one falls anywhere among the old; serials rise, as serials do.
"""

import contextlib
import shutil
import statistics
from pathlib import Path
from tempfile import TemporaryDirectory

import apsw
import httpx

from bench.figures import Figure, median_ratio
from bench.offers import HEADERS
from bench.payments import at_now
from bench.paywall import Lane, race
from bench.processes import resident_mb
from bench.programs import Missing, ensure
from bench.shop import HELD, Shop

MANY, FEW = 10_000_000, 10_000
BATCH = 200_000  # rows in one transaction: the log stays small
KEPT_S = 60 * 86_400
BYTES_A_MARK = 1_800  # on the disk: what ten million took, and room for the log
MEMORY_MB_MAX, RATE_LEAST = 300, 0.7

_FILL = """
WITH RECURSIVE numbers(n) AS (
    SELECT :first UNION ALL SELECT n + 1 FROM numbers WHERE n + 1 < :end
)
INSERT INTO {table} SELECT {row} FROM numbers
"""
_SIGN = "substr(:signs, (n * 16777216 / :count >> {shift} & 63) + 1, 1)"
_SPREAD = " || ".join(_SIGN.format(shift=shift) for shift in (18, 12, 6, 0))
SIGNS = "-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz"  # base64url, in order

_PAYMENTS = _FILL.format(
    table="payments (k, digest, state, fence, lease_until_s, until_s, marks, kept, outcome)",
    row=_SPREAD + " || :k, :digest, 2, :fence, :lease, :until + n / 1000, :marks, :kept, :outcome",
)
_ID = "CAST('millicen' || printf('%09d', n) AS BLOB)"  # as long as a real one
_ONCES = _FILL.format(table="onces", row=_ID + ", n + 2, :until + n / 1000")
_OUTBOX = _FILL.format(
    table="outbox (scheme, key, ord, value_micro, body, moment, until_s)",
    row="'millicent', " + _ID + ", 1, 200, :body, 'batch', :until + n / 1000",
)


def fill(file: Path, count: int) -> None:
    """Copy the one payment in a gate's store `count` times, under other names."""
    connection = apsw.Connection(str(file))
    connection.pragma("synchronous", "OFF")  # of the filling alone; the gate sets its own
    connection.pragma("cache_size", -512 * 1024)
    found = connection.execute(
        "SELECT k, digest, fence, lease_until_s, marks, kept, outcome, body FROM payments, outbox"
    ).fetchone()
    assert found is not None, "the gate has taken a payment"
    names = ("k", "digest", "fence", "lease", "marks", "kept", "outcome", "body")
    model = dict(zip(names, found, strict=True))
    model |= {"k": found[0][4:], "count": count, "signs": SIGNS, "until": at_now().now_s + KEPT_S}
    for first in range(0, count, BATCH):
        bounds = {"first": first, "end": min(first + BATCH, count)}
        with connection:
            for statement in (_PAYMENTS, _ONCES, _OUTBOX):
                connection.execute(statement, model | bounds)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    connection.close()


def _stocked(folder: Path, count: int) -> Shop:
    """A shop whose gate remembers `count` payments and one that it has really taken."""
    shop = Shop(folder)
    with shop.serving("paid") as server:
        headers = {HEADERS["mpp"]: shop.payments(HELD, 1)[0]}
        answer = httpx.get(server.url + HELD, headers=headers, trust_env=False)
        assert answer.status_code == 200, answer.text
    fill(folder / "marks.db", count)
    return shop


def measure(seconds: float, *, many: int = MANY, few: int = FEW) -> list[Figure]:
    """Memory of the gate with many marks, and its rate beside the one with few."""
    ensure("wrk")
    with TemporaryDirectory(prefix="farthing-bench-") as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        free_bytes = shutil.disk_usage(folder).free
        if free_bytes < many * BYTES_A_MARK:
            raise Missing(f"{many:,} marks need {many * BYTES_A_MARK >> 30} GiB in {folder.parent}")
        shops = {count: _stocked(folder / str(count), count) for count in (few, many)}
        lanes: dict[int, Lane] = {}
        for count, shop in shops.items():
            server = stack.enter_context(shop.serving("paid"))
            name_of = f"Paywall with {count:,} marks"
            lanes[count] = Lane(name=name_of, server=server, path=HELD, pays=HELD)
        by_name = {lanes[count].name: shop for count, shop in shops.items()}
        race(lambda lane: by_name[lane.name], list(lanes.values()), seconds, folder)
        memory = {count: resident_mb(lane.server.process) for count, lane in lanes.items()}
    figures = [
        Figure(part="marks", name=lane.name, value=statistics.median(lane.rates), unit="/s")
        for lane in lanes.values()
    ]
    ratio = median_ratio(lanes[many].rates, lanes[few].rates)
    return [
        *figures,
        Figure(part="marks", name="many to few", value=ratio, unit="×", target=RATE_LEAST),
        *(_memory(count, found, many=many) for count, found in memory.items()),
    ]


def _memory(count: int, found_mb: float, *, many: int) -> Figure:
    return Figure(
        part="marks",
        name=f"resident memory with {count:,} marks",
        value=found_mb,
        unit="MB",
        target=MEMORY_MB_MAX if count == many else None,
        at_most=True,
    )
