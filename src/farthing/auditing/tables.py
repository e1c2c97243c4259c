"""What came out of the journal against the tables beside it.

settings, accounts, lines, parties, peers, once, records, due, counters, reservations, payouts
"""

import json
import re
from collections.abc import Mapping

import apsw

from farthing.auditing import records
from farthing.auditing.books import CHART, Books, is_account, kind_of, shown
from farthing.auditing.entries import Line
from farthing.auditing.notes import Notes
from farthing.auditing.report import Findings, Scheme

_PAYOUTS = "liability/payer/", "liability/vendor/"
_MARK = "SELECT 1 FROM once WHERE id = ?1 UNION ALL SELECT 1 FROM records WHERE key = ?1"
_OF_ANOTHER_TYPE = "SELECT {} FROM {} WHERE typeof({}) <> ?"
_STEPS = {("planned", "confirmed"), ("planned", "returned"), ("confirmed", "returned")}


class Payouts:
    """What the journal says of payouts: (account, amount, state) by id."""

    def __init__(self, findings: Findings) -> None:
        """Findings go to `findings`."""
        self._findings = findings
        self.booked: dict[str, tuple[str, int, str]] = {}

    def add(self, line: Line) -> None:
        """Take one entry in."""
        if line.kind != "payout":
            return
        changes = line.changes
        owner = next((name for name in changes if name.startswith(_PAYOUTS)), "")
        if owner and changes[owner] > 0 and line.ref not in self.booked:
            self.booked[line.ref] = (owner, changes[owner], "planned")
            return
        account, micro, state = self.booked.get(line.ref, ("", 0, ""))
        after = "returned" if owner else "confirmed"
        # From where the money was: on its way, or at the bank that took it back.
        source = "asset/bank/" if state == "confirmed" else "asset/clearing/"
        to = owner or next((name for name in changes if name.startswith("asset/bank/")), "")
        moved = -changes.get(to, 0)
        whole = sorted(changes.values()) == [-micro, micro]
        there = any(m > 0 and name.startswith(source) for name, m in changes.items())
        known = owner in {"", account} and (state, after) in _STEPS
        if known and whole and there and moved == micro:
            self.booked[line.ref] = (account, micro, after)
        else:
            said = f"{line.ref}: {state or 'unknown'}, {micro}, then {after}, {moved}"
            self._findings.note("payout_differs", line.where, said)


class Index:
    """The table `lines`, from which people's statements are read, beside the journal.

    It is as long as the journal, so each account is compared by one sum of hashes.
    """

    def __init__(self, findings: Findings, indexed: int = 0) -> None:
        """`indexed`: the last entry that the table says it has."""
        self._findings = findings
        self._indexed = indexed
        self._sums: dict[str, int] = {}

    def add(self, line: Line) -> None:
        """Take one entry in."""
        if line.seq <= self._indexed:
            for name, change_micro in line.changes.items():
                self._count(name, line.seq, change_micro, 1)

    def compare(self, connection: apsw.Connection) -> None:
        """Note every account whose lines are not what its entries say."""
        for name, seq, micro in connection.execute("SELECT account, seq, amount FROM lines"):
            self._count(name, seq, micro, -1)
        for name, left in sorted(self._sums.items()):
            if left:
                self._findings.note("statement_differs", name[:80])

    def _count(self, name: str, seq: int, micro: int, sign: int) -> None:
        self._sums[name] = self._sums.get(name, 0) + sign * hash((seq, micro))


def indexed(connection: apsw.Connection) -> int:
    """The last entry that `lines` has; 0 before a statement was asked for."""
    row = connection.execute("SELECT value FROM settings WHERE name = 'indexed'").fetchone()
    return 0 if row is None else int(row[0])


def compare(
    connection: apsw.Connection,
    books: Books,
    notes: Notes,
    payouts: Payouts,
    findings: Findings,
    now_s: int,
) -> None:
    """Note what the tables have that the journal lacks, and the reverse."""
    with findings.reading("accounts"):
        _accounts(connection, books, findings)
    with findings.reading("parties and peers"):
        _shares(connection, notes, findings)
    with findings.reading("once, records and counters"):
        _marks(connection, notes, findings, now_s)
    with findings.reading("reservations"):
        _holds(connection, books, findings)
    with findings.reading("records and due"):
        records.compare(connection, books.balances, books.holds.open, findings)
    with findings.reading("payouts"):
        _payouts(connection, payouts, findings)


def require_types(connection: apsw.Connection, findings: Findings) -> None:
    """Note every row beside the journal with a value of another type than its column's.

    SQLite stores whatever it is given; the programs give what the table declares.
    """
    tables = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall()
    for table in (str(name) for (name,) in tables):
        if table == "entries" or not re.fullmatch("[a-z_]+", table):  # the journal reads its own
            continue
        columns = {
            str(name): str(kind).lower()
            for _, name, kind, *_ in connection.execute(f"PRAGMA table_info({table})")
            if str(kind) in {"INTEGER", "TEXT", "BLOB"} and re.fullmatch("[a-z_]+", str(name))
        }
        first = next(iter(columns), "")
        for name, kind in columns.items():
            query = _OF_ANOTHER_TYPE.format(first, table, name)  # words of letters, as seen above
            for (key,) in connection.execute(query, (kind,)):
                where = key.hex() if isinstance(key, bytes) else str(key)
                findings.note("row_unreadable", f"{table} {where[:80]}", f"{name} is no {kind}")


def _accounts(connection: apsw.Connection, books: Books, findings: Findings) -> None:
    stored: dict[str, int] = {}
    rows = connection.execute("SELECT name, balance, low, high FROM accounts")
    for name, micro, low, high in rows:
        stored[name] = micro
        if not is_account(name):
            findings.note("account_not_in_chart", name[:80])
            continue
        # An older journal does not say how far an account may go; a broker's own never changes.
        floor, ceiling = CHART[kind_of(name)][0]
        limit = books.limits.get(name, ceiling)
        if low != floor:
            findings.note("limit_differs", name, f"{low}, the chart has {floor}")
        if high != limit and (name in books.limits or kind_of(name) != "asset/credit"):
            findings.note("limit_differs", name, f"{high}, the journal has {limit}")
        if name.startswith("liability/outstanding/"):
            scheme = books.schemes.setdefault(name.split("/")[2], Scheme())
            scheme.outstanding_micro -= micro
    _balances(stored, books, findings)


def _balances(stored: Mapping[str, int], books: Books, findings: Findings) -> None:
    for name in sorted(stored.keys() | books.balances.keys()):
        here, there = stored.get(name, 0), books.balances.get(name, 0)
        if here != there:
            if is_account(name):
                here, there = shown(name, here), shown(name, there)
            said = f"{here} micro-units, the journal has {there}"
            findings.note("balance_differs", name[:80], said)
    for what, total_micro in (
        ("accounts", sum(stored.values())),
        ("journal", sum(books.balances.values())),
    ):
        if total_micro:
            findings.note("books_do_not_sum_to_zero", what, f"they sum to {total_micro}")
            break
    for scheme_name, counted in books.schemes.items():
        counted.reserved_micro = books.reserved_micro(scheme_name)
        if not counted.is_conserved:
            findings.note("scheme_not_conserved", scheme_name)


def _shares(connection: apsw.Connection, notes: Notes, findings: Findings) -> None:
    stored = {
        f"{prefix}/{name}": (rate, carry)
        for prefix, statement in (
            ("liability/vendor", "SELECT id, commission, carry FROM parties"),
            ("asset/peer", "SELECT id, commission, carry FROM peers"),
        )
        for name, rate, carry in connection.execute(statement)
    }
    for account, share in notes.shares.items():
        rate_e4, carry_e4 = stored.get(account, (share.rate_e4, 0))
        if carry_e4 != share.carry_e4:
            said = f"{carry_e4}, the journal has {share.carry_e4}"
            findings.note("carry_differs", account, said)
        if share.unshared_micro and account.startswith("liability/vendor/"):
            code = "earnings_unshared" if share.unshared_micro > 0 else "earnings_overstated"
            findings.note(code, account, f"by {abs(share.unshared_micro)}")
        if share.rate_e4 not in {-1, rate_e4}:
            said = f"{rate_e4} of 10,000, the journal has {share.rate_e4}"
            findings.note("rate_differs", account, said)


def _marks(connection: apsw.Connection, notes: Notes, findings: Findings, now_s: int) -> None:
    for mark, seq in notes.marks(now_s):
        if connection.execute(_MARK, (mark,)).fetchone() is None:
            findings.note("mark_removed", f"entry {seq}", mark.hex()[:32])
    for mark, place, seq in notes.counters(now_s):
        row = connection.execute("SELECT place FROM counters WHERE id = ?", (mark,)).fetchone()
        if row is None:
            findings.note("mark_removed", f"entry {seq}", mark.hex()[:32])
        elif row[0] < place:
            findings.note("counter_set_back", f"entry {seq}", f"{row[0]}, paid up to {place}")


def _holds(connection: apsw.Connection, books: Books, findings: Findings) -> None:
    held = {name.split("/")[2]: each.taken for name, each in books.holds.open.items()}
    reserved: dict[str, dict[str, int]] = {}
    for tx, postings in connection.execute(
        "SELECT tx, postings FROM reservations WHERE state = 'reserved'"
    ):
        reserved[tx] = {}
        try:
            for name, micro in json.loads(postings):
                reserved[tx][name] = reserved[tx].get(name, 0) + int(micro)
        except (ValueError, TypeError, OverflowError, RecursionError):
            findings.note("row_unreadable", f"reservation {tx}"[:80])
    # An errand at another broker holds money too; what it is called is sealed.
    errands = connection.execute("SELECT count(*) FROM errands").get
    ownerless = sorted(held.keys() - reserved.keys())
    if len(ownerless) > errands:
        findings.note("hold_without_reservation", ownerless[0])
    for tx, taken in reserved.items():
        if held.get(tx, {}) != taken:
            said = f"{taken} reserved, {held.get(tx, {})} held"
            findings.note("reservation_without_hold", tx, said[:200])


def _payouts(connection: apsw.Connection, payouts: Payouts, findings: Findings) -> None:
    rows: Mapping[str, tuple[str, int, str]] = {
        name: (account, micro, "planned" if state == "exported" else state)
        for name, account, micro, state in connection.execute(
            "SELECT id, name, amount, state FROM payouts"
        )
    }
    for name in sorted(rows.keys() | payouts.booked.keys()):
        row, booked = rows.get(name), payouts.booked.get(name)
        if booked is None:
            findings.note("payout_without_entry", name)
        elif row != booked:
            findings.note("payout_differs", name, f"{row}, the journal has {booked}")
