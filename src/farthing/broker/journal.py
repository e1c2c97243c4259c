"""The journal and the balances: an entry is posted whole, or refused and nothing has changed.

Runs in the one writer. The hot path is two updates, one look at the last hash and one insert. Each
update carries its account's bound, so SQLite itself refuses an overdraft.
`lines` is an index of entries by account, brought up to date when a statement is asked for, so
that a transfer does not pay for it.
"""

from collections.abc import Iterator

import apsw

from farthing.errors import Refusal, Unknown
from farthing.ledger.accounts import rule_of
from farthing.ledger.book import changes, out_of_bounds
from farthing.ledger.transfers import GENESIS, Entry, link, read, write

LINES_PER_STEP = 2_000  # entries indexed in one transaction: some 20 ms of the writer

# Accounts of people exist only once somebody has opened them; the broker's own appear when used.
OPENED_BY_HAND = ("liability/payer/", "liability/vendor/", "asset/credit/")

_UP = "UPDATE accounts SET balance = balance + ?1 WHERE name = ?2 AND balance + ?1 <= high"
_INSERT = "INSERT INTO entries (id, body, hash) VALUES (?, ?, ?)"
_INSERT_NEW = "INSERT OR IGNORE INTO entries (id, body, hash) VALUES (?, ?, ?)"
_BACK = "UPDATE accounts SET balance = balance - ?1 WHERE name = ?2"
_DOWN = "UPDATE accounts SET balance = balance + ?1 WHERE name = ?2 AND balance + ?1 >= low"


def open_account(connection: apsw.Connection, name: str, high_micro: int | None = None) -> None:
    """Open an account, or move its upper bound; `OutOfRange` if the chart lacks it."""
    rule = rule_of(name)
    connection.execute(
        "INSERT INTO accounts VALUES (?, 0, ?, ?) "
        "ON CONFLICT (name) DO UPDATE SET high = excluded.high",
        (name, rule.low_micro, rule.high_micro if high_micro is None else high_micro),
    )


def close_account(connection: apsw.Connection, name: str) -> None:
    """Forget an account of ours that nothing is on any more; the journal remembers it."""
    connection.execute("DELETE FROM accounts WHERE name = ? AND balance = 0", (name,))


def balance(connection: apsw.Connection, name: str) -> int:
    """The signed balance in micro-units; 0 for an account that is not open."""
    row = connection.execute("SELECT balance FROM accounts WHERE name = ?", (name,)).fetchone()
    return 0 if row is None else int(row[0])


def balances(connection: apsw.Connection) -> dict[str, int]:
    """All signed balances by name."""
    rows = connection.execute("SELECT name, balance FROM accounts")
    return {str(name): int(balance_micro) for name, balance_micro in rows}


def credit_limit(connection: apsw.Connection, name: str) -> int:
    """The upper bound of an `asset/credit` account; 0 if it is not open."""
    row = connection.execute("SELECT high FROM accounts WHERE name = ?", (name,)).fetchone()
    return 0 if row is None else int(row[0])


def post(connection: apsw.Connection, entry: Entry) -> None:
    """Post one entry whose id is new. `Unknown`, `Unfunded`, `Overlimit`, `OutOfRange`.

    Must run inside a savepoint: a refusal leaves the earlier accounts of the entry changed.
    """
    if len(entry.postings) == 2:
        for posting in entry.postings:
            _change(connection, posting.account, posting.amount_micro)
    else:
        for name, change_micro in changes(entry.postings).items():
            _change(connection, name, change_micro)
    _append(connection, entry, _INSERT)


def post_once(connection: apsw.Connection, entry: Entry) -> bool:
    """Post an entry of two postings; False where its id is in the journal already.

    Refuses as `post`, and needs no savepoint: what is refused or known has changed nothing.
    """
    first, second = entry.postings
    _change(connection, first.account, first.amount_micro)
    try:
        _change(connection, second.account, second.amount_micro)
    except Refusal:
        connection.execute(_BACK, (first.amount_micro, first.account))
        raise
    _append(connection, entry, _INSERT_NEW)
    if connection.changes() == 1:
        return True
    for posting in entry.postings:
        connection.execute(_BACK, (posting.amount_micro, posting.account))
    return False


def _append(connection: apsw.Connection, entry: Entry, statement: str) -> None:
    """Write the next line of the journal."""
    last = connection.execute("SELECT hash FROM entries ORDER BY seq DESC LIMIT 1").fetchone()
    body = write(entry)
    head = link(GENESIS if last is None else last[0], body)
    connection.execute(statement, (entry.id, body, head))


def _change(connection: apsw.Connection, name: str, change_micro: int) -> None:
    connection.execute(_UP if change_micro > 0 else _DOWN, (change_micro, name))
    if connection.changes() == 1:
        return
    known = connection.execute("SELECT 1 FROM accounts WHERE name = ?", (name,)).fetchone()
    if known is None and not name.startswith(OPENED_BY_HAND):
        open_account(connection, name)
        _change(connection, name, change_micro)
        return
    if known is None:
        raise Unknown("account_unknown", f"there is no account {name.rpartition('/')[2]!r} here")
    raise out_of_bounds(name, change_micro)


def find(connection: apsw.Connection, entry_id: bytes) -> Entry | None:
    """The entry with this id, or None."""
    row = connection.execute("SELECT body FROM entries WHERE id = ?", (entry_id,)).fetchone()
    return None if row is None else read(row[0])


def rows(
    connection: apsw.Connection, after_seq: int = 0, count: int = -1
) -> Iterator[tuple[int, bytes, bytes, bytes]]:
    """(number, id, body, hash) of entries in order; as bytes, whatever somebody wrote there."""
    return connection.execute(
        "SELECT seq, CAST(id AS BLOB), CAST(body AS BLOB), CAST(hash AS BLOB) FROM entries "
        "WHERE seq > ? ORDER BY seq LIMIT ?",
        (after_seq, count),
    )


def newest_s(connection: apsw.Connection) -> int:
    """When the newest entry was made, unix seconds; 0 for an empty journal."""
    row = connection.execute("SELECT body FROM entries ORDER BY seq DESC LIMIT 1").fetchone()
    return 0 if row is None else read(row[0]).at_s


def index_lines(connection: apsw.Connection) -> int:
    """Index the next entries by account; how many there were, 0 when all are."""
    row = connection.execute("SELECT value FROM settings WHERE name = 'indexed'").fetchone()
    done = 0 if row is None else int(row[0])
    count = 0
    for seq, _, body, _ in list(rows(connection, done, LINES_PER_STEP)):
        for name, change_micro in changes(read(body).postings).items():
            connection.execute("INSERT INTO lines VALUES (?, ?, ?)", (name, seq, change_micro))
        done = seq
        count += 1
    if count:
        connection.execute("INSERT OR REPLACE INTO settings VALUES ('indexed', ?)", (str(done),))
    return count


def lines(
    connection: apsw.Connection, name: str, *, after_seq: int, count: int
) -> list[tuple[int, int, Entry]]:
    """(number, signed change, entry) of one account, oldest first; only what is indexed."""
    found = connection.execute(
        "SELECT lines.seq, amount, body FROM lines JOIN entries USING (seq) "
        "WHERE account = ? AND lines.seq > ? ORDER BY lines.seq LIMIT ?",
        (name, after_seq, count),
    )
    return [(seq, change_micro, read(body)) for seq, change_micro, body in found]
