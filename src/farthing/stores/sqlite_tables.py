"""The tables of SQLite marks, and every statement over them.

States are 1 held, 2 confirmed, 3 released; an absent payment has no row. Times are unix seconds.
"""

import msgspec

APPLICATION_ID = 0x46746D6B  # "Ftmk"
VERSION = 1  # of the tables below

SCHEMA = """
CREATE TABLE payments (
    row INTEGER PRIMARY KEY AUTOINCREMENT,
    k TEXT NOT NULL UNIQUE,
    digest BLOB NOT NULL,
    state INTEGER NOT NULL,
    fence INTEGER NOT NULL,
    lease_until_s INTEGER NOT NULL,
    until_s INTEGER NOT NULL,
    marks BLOB NOT NULL,
    kept BLOB NOT NULL,
    outcome BLOB NOT NULL
) STRICT;
CREATE INDEX payments_until ON payments (until_s);
CREATE TABLE onces (
    id BLOB PRIMARY KEY,
    holder INTEGER NOT NULL,
    until_s INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX onces_until ON onces (until_s);
CREATE TABLE counters (
    id BLOB PRIMARY KEY,
    place INTEGER,  -- NULL until the first confirm
    link BLOB NOT NULL,
    until_s INTEGER NOT NULL,
    holder INTEGER  -- the payment that holds the next place
) STRICT, WITHOUT ROWID;
CREATE INDEX counters_until ON counters (until_s);
CREATE TABLE records (
    key BLOB PRIMARY KEY,
    value BLOB NOT NULL,
    until_s INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX records_until ON records (until_s);
CREATE TABLE outbox (
    row INTEGER PRIMARY KEY,
    scheme TEXT NOT NULL,
    key BLOB NOT NULL,
    ord INTEGER NOT NULL,
    acked_ord INTEGER NOT NULL DEFAULT 0,
    value_micro INTEGER NOT NULL,
    body BLOB NOT NULL,
    moment TEXT NOT NULL,
    until_s INTEGER NOT NULL,
    UNIQUE (scheme, key)
) STRICT;
CREATE INDEX outbox_pending ON outbox (scheme, row) WHERE ord > acked_ord;
CREATE INDEX outbox_done ON outbox (until_s) WHERE ord <= acked_ord;
CREATE TABLE serials (
    series TEXT PRIMARY KEY,
    next INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
"""


class Taken(msgspec.Struct, array_like=True):
    """What a payment's row keeps of its marks."""

    onces: list[bytes]
    advances: list[tuple[bytes, int, bytes, int]]
    """Id, place, link, until_s."""


write_taken = msgspec.msgpack.Encoder().encode
read_taken = msgspec.msgpack.Decoder(Taken).decode


FIND = """
SELECT row, k, digest, state, fence, lease_until_s, until_s, kept, outcome FROM payments
WHERE k = ?"""
FIND_ROW = """
SELECT row, k, digest, state, fence, lease_until_s, until_s, kept, outcome FROM payments
WHERE row = ?"""
SEARCH = """
SELECT row, k, digest, state, fence, lease_until_s, until_s, kept, outcome FROM payments
WHERE state = 2 AND instr(outcome, ?) > 0 ORDER BY row LIMIT ?"""
INSERT = """
INSERT OR IGNORE INTO payments
    (k, digest, state, fence, lease_until_s, until_s, marks, kept, outcome)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"""
HOLD_AGAIN = """
UPDATE payments SET state = 1, fence = ?, lease_until_s = ?, until_s = max(until_s, ?),
    marks = ?, kept = ?, outcome = ? WHERE row = ?"""
RESUME = """
UPDATE payments SET fence = ?, lease_until_s = ?, until_s = max(until_s, ?) WHERE row = ?"""
HELD = "SELECT row, marks, until_s FROM payments WHERE k = ? AND fence = ? AND state = 1"
CONFIRM = "UPDATE payments SET state = 2, outcome = ? WHERE row = ?"
RELEASE = """
UPDATE payments SET state = 3, until_s = min(until_s, lease_until_s + ?) WHERE row = ?
RETURNING marks
"""
ONCE = "SELECT holder FROM onces WHERE id = ?"
INSERT_ONCE = "INSERT OR IGNORE INTO onces (id, holder, until_s) VALUES (?, ?, ?)"
DELETE_ONCE = "DELETE FROM onces WHERE id = ?"
COUNTER = "SELECT place, link, holder FROM counters WHERE id = ?"
SEIZE_COUNTER = "UPDATE counters SET holder = ? WHERE id = ? AND place = ? AND holder IS NULL"
MOVE_COUNTER = """
UPDATE counters SET place = ?, link = ?
WHERE id = ? AND place = ? AND holder IS NULL AND until_s >= ?"""
HOLD_COUNTER = """
INSERT INTO counters (id, place, link, until_s, holder) VALUES (?, NULL, x'', ?, ?)
ON CONFLICT (id) DO UPDATE SET holder = excluded.holder"""
ADVANCE = """
UPDATE counters SET place = ?, link = ?, until_s = max(until_s, ?), holder = NULL WHERE id = ?"""
FREE_COUNTER = "UPDATE counters SET holder = NULL WHERE id = ?"
DELETE_UNUSED = "DELETE FROM counters WHERE id = ? AND place IS NULL"
PUT = """
INSERT INTO records (key, value, until_s) VALUES (?, ?, ?)
ON CONFLICT (key) DO UPDATE SET value = excluded.value, until_s = max(until_s, excluded.until_s)"""
ADD = PUT.replace(
    "value = excluded.value",
    "value = CAST(CAST(value AS INTEGER) + CAST(excluded.value AS INTEGER) AS BLOB)",
)
CLAIM = """
INSERT INTO outbox (scheme, key, ord, value_micro, body, moment, until_s, acked_ord)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, CASE ?6 WHEN 'before' THEN ?3 ELSE 0 END)
ON CONFLICT (scheme, key) DO UPDATE SET ord = excluded.ord, value_micro = excluded.value_micro,
    body = excluded.body, moment = excluded.moment, until_s = max(until_s, excluded.until_s),
    acked_ord = max(acked_ord, excluded.acked_ord)
WHERE excluded.ord > ord"""
PENDING = """
SELECT row, scheme, key, ord, value_micro, body, moment FROM outbox
WHERE scheme = ? AND row > ? AND ord > acked_ord ORDER BY row LIMIT ?"""
KEPT_CLAIMS = PENDING.replace(" AND ord > acked_ord", "")
TALLY = """
SELECT scheme, count(*), sum(value_micro), sum(value_micro - value_micro * acked_ord / ord)
FROM outbox GROUP BY scheme ORDER BY scheme"""
ACKNOWLEDGE = """
UPDATE outbox SET acked_ord = ?3 WHERE scheme = ?1 AND key = ?2 AND acked_ord < ?3"""
REFUSE = """
UPDATE outbox SET value_micro = value_micro * acked_ord / ord
WHERE scheme = ?1 AND key = ?2 AND ord = ?3 AND acked_ord < ?3"""
LEASE = """
INSERT INTO serials (series, next) VALUES (?, ?)
ON CONFLICT (series) DO UPDATE SET next = next + excluded.next RETURNING next"""
PAST_PAYMENTS = """
SELECT row, state FROM payments WHERE until_s < ?1 AND (state <> 1 OR lease_until_s <= ?1)
LIMIT ?2"""
FORGET = (
    """DELETE FROM onces WHERE id IN (
        SELECT id FROM onces o WHERE o.until_s < ?1 AND NOT EXISTS (
            SELECT 1 FROM payments p WHERE p.row = o.holder AND p.state = 1) LIMIT ?2)""",
    """DELETE FROM counters WHERE id IN (
        SELECT id FROM counters WHERE until_s < ?1 AND holder IS NULL LIMIT ?2)""",
    """DELETE FROM records WHERE key IN (SELECT key FROM records WHERE until_s < ?1 LIMIT ?2)""",
    """DELETE FROM outbox WHERE row IN (
        SELECT row FROM outbox WHERE until_s < ?1 AND ord <= acked_ord LIMIT ?2)""",
)


RECORD = "SELECT key, value FROM records WHERE key = ?"
RECORDS_FROM = "SELECT key, value FROM records WHERE key >= ?"
RECORDS_BETWEEN = "SELECT key, value FROM records WHERE key >= ? AND key < ?"
DELETE_RECORD = "DELETE FROM records WHERE key = ?"
DELETE_PAYMENT = "DELETE FROM payments WHERE row = ?"
