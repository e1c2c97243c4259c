"""A gate with ten million live marks beside one with ten thousand: memory, and rate.

The rows are written in bulk, as large as a gate writes them: for each payment its own row with the
outcome, its single-use mark and its claim. Keys of payments are spread as hashes are, so that a new
one falls anywhere among the old; serials rise, as serials do.
"""

import contextlib
import statistics
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import apsw

from bench import wrk
from bench.figures import Figure, median_ratio
from bench.offers import HEADERS
from bench.paywall import Lane, race
from bench.payments import at_now
from bench.programs import ensure
from bench.shop import FREE, HELD, Shop
from bench.wrk import Load
from farthing.stores.sqlite import SqliteMarks

MANY, FEW = 10_000_000, 10_000
BATCH = 200_000  # rows in one transaction: the log stays small
KEPT_S = 60 * 86_400
MEMORY_MB_MAX, RATE_LEAST = 300, 0.7

_FILL = """
WITH RECURSIVE numbers(n) AS (
    SELECT :first UNION ALL SELECT n + 1 FROM numbers WHERE n + 1 < :end
)
INSERT INTO {table} SELECT {row} FROM numbers
"""
# The model is the one payment that the gate itself has taken: every row is a copy of its rows.
_PAYMENTS = _FILL.format(
    table="payments (k, digest, state, fence, lease_until_s, until_s, marks, kept, outcome)",
    row="""
    printf('%015x', CAST(n AS REAL) / :count * 0xffffffffffffff) || substr(:k, 16),
    :digest, 2, :fence, :lease, :until + n / 1000, :marks, :kept, :outcome""",
)
_ONCES = _FILL.format(
    table="onces (id, holder, until_s)",
    row="CAST(:prefix || printf('%012d', n) AS BLOB), n + 2, :until + n / 1000",
)
_OUTBOX = _FILL.format(
    table="outbox (scheme, key, ord, value_micro, body, moment, until_s)",
    row="""
    'millicent', CAST(:prefix || printf('%012d', n) AS BLOB), 1, 200, :body, 'batch',
    :until + n / 1000""",
)


def fill(file: Path, count: int) -> None:
    """Copy the newest payment in a gate's store `count` times, under other names."""
    connection = apsw.Connection(str(file))
    connection.pragma("synchronous", "OFF")  # of the filling alone; the gate sets its own
    connection.pragma("cache_size", -512 * 1024)
    row = connection.execute(
        "SELECT k, digest, fence, lease_until_s, marks, kept, outcome FROM payments LIMIT 1"
    ).fetchone()
    body = connection.execute("SELECT body FROM outbox LIMIT 1").get
    assert row is not None, "the gate has taken a payment"
    names = ("k", "digest", "fence", "lease", "marks", "kept", "outcome")
    model = dict(zip(names, row, strict=True)) | {
        "body": body,
        "count": count,
        "until": at_now().now_s + KEPT_S,
        "prefix": "milli",
    }
    for first in range(0, count, BATCH):
        bounds = {"first": first, "end": min(first + BATCH, count)}
        with connection:
            for statement in (_PAYMENTS, _ONCES, _OUTBOX):
                connection.execute(statement, model | bounds)
    connection.pragma("wal_checkpoint(TRUNCATE)")
    connection.close()
