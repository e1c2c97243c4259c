"""One file, audited: every entry in order, then the tables, then what was published.

head[n] = SHA-256(head[n - 1] ‖ body[n]), head[0] = 32 zero bytes
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path

import apsw

from farthing.auditing import entries
from farthing.auditing.books import Books, shown
from farthing.auditing.notes import Notes
from farthing.auditing.report import Findings, Report
from farthing.auditing.statement import Bank
from farthing.auditing.tables import Index, Payouts, compare, indexed, require_types

GENESIS = bytes(32)
SKEW_S = 120  # a clock may be set back by so much; entries of one commit are made before it
STEP = 10_000  # entries between two reports of progress
NONE: Mapping[int, str] = {}

Progress = Callable[[int, int], None]


def audit_file(
    path: Path,
    published: Mapping[int, str] = NONE,
    statement: Mapping[str, int] | None = None,
    progress: Progress | None = None,
    now_s: int = 0,
) -> Report:
    """As `audit`, of a file that nothing else need have open; `apsw.Error`."""
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        connection.execute("BEGIN")
        return audit(connection, published, statement=statement, progress=progress, now_s=now_s)
    finally:
        connection.close()


def audit(
    connection: apsw.Connection,
    published: Mapping[int, str] = NONE,
    *,
    statement: Mapping[str, int] | None = None,
    progress: Progress | None = None,
    now_s: int = 0,
) -> Report:
    """Read the whole journal on one snapshot and compare.

    `published`: heads (hex) by number of entries, as they were published; each must be in it, as
    must those that the file itself keeps. `statement`: the bank's list. `progress` hears how many
    entries of how many are read. Marks may be forgotten once `now_s`, or the newest entry, is past
    their time.
    """
    return _Audit().run(connection, published, statement, progress, now_s)


class _Audit:
    def __init__(self) -> None:
        self.findings = Findings()
        self.books = Books(self.findings)
        self.notes = Notes(self.findings, self.books)
        self.payouts = Payouts(self.findings)
        self.index = Index(self.findings)
        self.bank = Bank(self.findings)
        self.newest_s = 0

    def run(
        self,
        connection: apsw.Connection,
        published: Mapping[int, str],
        statement: Mapping[str, int] | None,
        progress: Progress | None,
        now_s: int,
    ) -> Report:
        if connection.pragma("quick_check") != "ok":
            self.findings.note("file_damaged", "the file")
        require_types(connection, self.findings)
        currency = _currency(connection)
        with self.findings.reading("settings"):
            self.index = Index(self.findings, indexed(connection))
        heads = self._published(connection, currency) | dict(published)
        count, head = self._chain(connection, heads, progress)
        for seq, text in sorted(heads.items()):
            if (seq, text) != (0, GENESIS.hex()):
                self.findings.note("journal_truncated", f"entry {seq}")
        compare(
            connection,
            self.books,
            self.notes,
            self.payouts,
            self.findings,
            max(self.newest_s, now_s),
        )
        with self.findings.reading("lines"):
            self.index.compare(connection)
        if statement is not None:
            self.bank.compare(dict(statement))
        balances = sorted(self.books.balances.items())
        return Report(
            currency=currency,
            entries=count,
            head=head.hex(),
            ledger_sum_micro=sum(micro for _, micro in balances),
            balances={name: shown(name, micro) for name, micro in balances if micro},
            schemes=self.books.schemes,
            findings=self.findings.found,
            counts=self.findings.counts,
        )

    def _chain(
        self, connection: apsw.Connection, heads: dict[int, str], progress: Progress | None
    ) -> tuple[int, bytes]:
        """(entries, last head); takes the published heads that fit out of `heads`."""
        total = connection.execute("SELECT count(*) FROM entries").get
        head, count = GENESIS, 0
        rows = connection.execute(
            "SELECT seq, CAST(id AS BLOB), CAST(body AS BLOB), CAST(hash AS BLOB) FROM entries "
            "ORDER BY seq"
        )
        for seq, entry_id, body, stored in rows:
            count += 1
            where = f"entry {seq}"
            if seq != count:
                self.findings.note("entry_missing", f"entry {count}", f"the next is {seq}")
                count = seq
            head = hashlib.sha256(head + body).digest()
            if head != stored:
                self.findings.note("chain_broken", where)
                head = stored
            self._entry(seq, entry_id, body)
            if heads and heads.pop(seq, head.hex()) != head.hex():
                self.findings.note("journal_forked", where)
            if progress is not None and count % STEP == 0:
                progress(count, total)
        for (entry_id,) in connection.execute(
            "SELECT id FROM entries GROUP BY id HAVING count(*) > 1"
        ):
            self.findings.note("entry_twice", bytes(entry_id).hex())
        return count, head

    def _entry(self, seq: int, entry_id: bytes, body: bytes) -> None:
        try:
            line = entries.read(seq, body)
        except entries.Unreadable as wrong:
            self.findings.note("entry_unreadable", f"entry {seq}", str(wrong))
            return
        if line.id != entry_id.hex():
            self.findings.note("entry_id_differs", line.where, line.id)
        if line.at_s < self.newest_s - SKEW_S:
            said = f"{self.newest_s - line.at_s} seconds before an earlier one"
            self.findings.note("entry_back_dated", line.where, said)
        self.newest_s = max(self.newest_s, line.at_s)
        self.books.add(line)
        self.notes.add(line)
        self.payouts.add(line)
        self.index.add(line)
        self.bank.add(line)

    def _published(self, connection: apsw.Connection, currency: str) -> dict[int, str]:
        """The heads that this file itself says were published."""
        heads: dict[int, str] = {}
        for name, value in connection.execute(
            "SELECT name, value FROM settings WHERE name LIKE 'published/%'"
        ):
            with self.findings.reading(f"settings {name}"):
                document = json.loads(value)
                heads[int(document["entries"])] = str(document["head"])
                if document.get("currency", currency) != currency:
                    self.findings.note("currency_differs", name)
        return heads


def _currency(connection: apsw.Connection) -> str:
    row = connection.execute("SELECT value FROM settings WHERE name = 'currency'").fetchone()
    return "" if row is None else str(row[0])
