"""The broker's tables, and the rows about people: accounts, tokens, payouts.

One SQLite file holds everything, so that money, marks, records, reservations and stored answers
commit together. `journal.py` writes entries, `facts.py` marks and records, `answers.py` answers;
`settling.py` keeps the reservations. Money columns are signed micro-units, debit-positive; times
are unix seconds.
"""

from typing import Literal

import apsw
import msgspec

from farthing.errors import Denied, Reused, Unavailable, Unknown

APPLICATION_ID = 0x46425231  # "FBR1": a broker's file
VERSION = 1  # of the tables below

SCHEMA = """
CREATE TABLE IF NOT EXISTS settings (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS accounts (
  name TEXT PRIMARY KEY, balance INTEGER NOT NULL, low INTEGER NOT NULL, high INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS entries (
  seq INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE, body BLOB NOT NULL, hash BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS lines (
  account TEXT NOT NULL, seq INTEGER NOT NULL, amount INTEGER NOT NULL, PRIMARY KEY (account, seq)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS parties (
  id TEXT PRIMARY KEY, role TEXT NOT NULL, commission INTEGER NOT NULL, carry INTEGER NOT NULL,
  payout_to TEXT NOT NULL, props TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS tokens (
  hash BLOB PRIMARY KEY, party TEXT NOT NULL, scopes TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS payouts (
  id TEXT PRIMARY KEY, party TEXT NOT NULL, name TEXT NOT NULL, rail TEXT NOT NULL,
  destination TEXT NOT NULL, amount INTEGER NOT NULL, state TEXT NOT NULL, at_s INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS answers (
  scope TEXT NOT NULL, key TEXT NOT NULL, digest BLOB NOT NULL, answer BLOB NOT NULL,
  until_s INTEGER NOT NULL, PRIMARY KEY (scope, key)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS answers_until ON answers (until_s);
CREATE TABLE IF NOT EXISTS once (id BLOB PRIMARY KEY, until_s INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS once_until ON once (until_s);
CREATE TABLE IF NOT EXISTS counters (
  id BLOB PRIMARY KEY, place INTEGER NOT NULL, link BLOB NOT NULL, until_s INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS counters_until ON counters (until_s);
CREATE TABLE IF NOT EXISTS records (
  key BLOB PRIMARY KEY, value BLOB NOT NULL, until_s INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS records_until ON records (until_s);
CREATE TABLE IF NOT EXISTS due (
  at_s INTEGER NOT NULL, scheme TEXT NOT NULL, key BLOB NOT NULL, PRIMARY KEY (at_s, scheme, key)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS reservations (
  tx TEXT PRIMARY KEY, party TEXT NOT NULL, scheme TEXT NOT NULL, number INTEGER NOT NULL,
  state TEXT NOT NULL, until_s INTEGER NOT NULL, at_end TEXT NOT NULL, amount INTEGER NOT NULL,
  applied BLOB NOT NULL, postings BLOB NOT NULL, answer BLOB NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS reservations_until ON reservations (state, until_s);
CREATE TABLE IF NOT EXISTS peers (
  id TEXT PRIMARY KEY, url TEXT NOT NULL, token BLOB NOT NULL, commission INTEGER NOT NULL,
  carry INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS errands (
  id TEXT PRIMARY KEY, scope TEXT NOT NULL, key TEXT NOT NULL, tries INTEGER NOT NULL,
  due_s INTEGER NOT NULL, sealed BLOB NOT NULL, UNIQUE (scope, key)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS errands_due ON errands (due_s);
CREATE TABLE IF NOT EXISTS holds (key BLOB PRIMARY KEY, tx TEXT NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS holds_tx ON holds (tx);
"""

Role = Literal["payer", "vendor", "broker"]
Scope = Literal["pay", "redeem", "admin", "metrics"]
PayoutState = Literal["planned", "exported", "confirmed", "returned"]

PAYOUTS_CLOSED = "payouts_closed"  # the setting that stands between a restore and the bank
OPERATOR = "operator"  # the party of admin tokens; no account of that name can be opened


class Party(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody with an account here."""

    id: str
    role: Role
    commission_e4: int
    """The broker's share of what a vendor clears, in parts per 10,000."""
    carry_e4: int
    """What rounding has left over for the next batch, in 1/10,000 of a micro-unit."""
    payout_to: str
    """Where the rail sends this party's money."""
    props: str
    """What the operator vouches for of a payer, `key=value;key=value`."""


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    """Who a token belongs to, and what it may do."""

    party: str
    scopes: frozenset[str]


class Payout(msgspec.Struct, frozen=True, kw_only=True):
    """Money on its way to a bank account."""

    id: str
    party: str
    account: str
    """The ledger account that it came from."""
    rail: str
    destination: str
    amount_micro: int
    state: PayoutState
    at_s: int


def found(connection: apsw.Connection, settings: dict[str, str], token_hash: bytes) -> None:
    """Write what `init` fixes for good, and the operator's token."""
    connection.executemany("INSERT INTO settings VALUES (?, ?)", list(settings.items()))
    add_token(connection, token_hash, OPERATOR, ("admin",))


def is_complete(connection: apsw.Connection) -> bool:
    """Whether this file has the tables that were added last."""
    added = connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'errands'").fetchone()
    return added is not None


def complete(connection: apsw.Connection) -> None:
    """Make the tables that were added after this file was founded."""
    connection.execute(SCHEMA)


def put_setting(connection: apsw.Connection, name: str, value: str, *, again: bool = False) -> None:
    """Write one setting that is not there yet, or with `again` whatever was there."""
    if again:
        connection.execute("DELETE FROM settings WHERE name = ?", (name,))
    connection.execute("INSERT INTO settings VALUES (?, ?)", (name, value))


def mark_restored(connection: apsw.Connection, at_s: int) -> None:
    """Say that these books are those of a backup: schemes begin anew, payouts wait."""
    connection.execute("DELETE FROM settings WHERE name LIKE 'founded/%'")
    put_setting(connection, "restored_at_s", str(at_s), again=True)
    put_setting(connection, PAYOUTS_CLOSED, "restored", again=True)


def open_payouts(connection: apsw.Connection) -> None:
    """Let money go out again after a restore."""
    connection.execute("DELETE FROM settings WHERE name = ?", (PAYOUTS_CLOSED,))


def require_payouts_open(connection: apsw.Connection) -> None:
    """`Unavailable` while the operator has not compared restored books with the bank."""
    if PAYOUTS_CLOSED in settings(connection):
        raise Unavailable(
            "payouts_closed",
            "the books were restored: the operator compares them with the bank first",
        )


def settings(connection: apsw.Connection) -> dict[str, str]:
    """All settings by name; empty before `init`."""
    return {str(name): str(value) for name, value in connection.execute("SELECT * FROM settings")}


def add_party(connection: apsw.Connection, party: Party) -> None:
    """`Reused` if the name is taken."""
    values = [getattr(party, name) for name in Party.__struct_fields__]
    try:
        connection.execute("INSERT INTO parties VALUES (?, ?, ?, ?, ?, ?)", values)
    except apsw.ConstraintError:
        raise Reused("account_exists", f"{party.id} has an account here already") from None


def find_party(connection: apsw.Connection, party_id: str) -> Party:
    """The party; `Unknown`."""
    row = connection.execute(
        "SELECT role, commission, carry, payout_to, props FROM parties WHERE id = ?", (party_id,)
    ).fetchone()
    if row is None:
        raise Unknown("account_unknown", f"nobody called {party_id[:64]!r} has an account here")
    role, commission_e4, carry_e4, payout_to, props = row
    return Party(
        id=party_id,
        role=role,
        commission_e4=commission_e4,
        carry_e4=carry_e4,
        payout_to=payout_to,
        props=props,
    )


def set_contract(connection: apsw.Connection, party: Party) -> None:
    """Write commission, payout destination and properties; the carry stays."""
    connection.execute(
        "UPDATE parties SET commission = ?, payout_to = ?, props = ? WHERE id = ?",
        (party.commission_e4, party.payout_to, party.props, party.id),
    )


def set_carry(connection: apsw.Connection, party_id: str, carry_e4: int) -> None:
    """Write what rounding left over."""
    connection.execute("UPDATE parties SET carry = ? WHERE id = ?", (carry_e4, party_id))


def add_token(
    connection: apsw.Connection, token_hash: bytes, party: str, scopes: tuple[Scope, ...]
) -> None:
    """Keep the hash of a new token."""
    connection.execute(
        "INSERT INTO tokens VALUES (?, ?, ?)", (token_hash, party, " ".join(sorted(scopes)))
    )


def drop_tokens(connection: apsw.Connection, party: str, scopes: tuple[Scope, ...]) -> None:
    """End every token of a party with these scopes."""
    connection.execute(
        "DELETE FROM tokens WHERE party = ? AND scopes = ?", (party, " ".join(sorted(scopes)))
    )


def party_names(connection: apsw.Connection, role: Role, after: str, count: int) -> list[str]:
    """Names of up to `count` parties of a role, in order, above `after`."""
    rows = connection.execute(
        "SELECT id FROM parties WHERE role = ? AND id > ? ORDER BY id LIMIT ?",
        (role, after, count),
    )
    return [str(name) for (name,) in rows]


def find_caller(connection: apsw.Connection, token_hash: bytes) -> Caller:
    """Whose token has this SHA-256; `Denied`."""
    row = connection.execute(
        "SELECT party, scopes FROM tokens WHERE hash = ?", (token_hash,)
    ).fetchone()
    if row is None:
        raise Denied(
            "token_unknown",
            "this broker has no such token, or another has taken its place: its operator makes a"
            " new one with farthing broker token",
        )
    return Caller(party=row[0], scopes=frozenset(row[1].split()))


def add_payout(connection: apsw.Connection, payout: Payout) -> None:
    """Keep a planned payout."""
    connection.execute(
        "INSERT INTO payouts VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            payout.id,
            payout.party,
            payout.account,
            payout.rail,
            payout.destination,
            payout.amount_micro,
            payout.state,
            payout.at_s,
        ),
    )


def find_payout(connection: apsw.Connection, payout_id: str) -> Payout:
    """The payout; `Unknown`."""
    row = connection.execute("SELECT * FROM payouts WHERE id = ?", (payout_id,)).fetchone()
    if row is None:
        raise Unknown("payout_unknown", "no payout has this id")
    return _payout(row)


def payouts_in(connection: apsw.Connection, state: PayoutState) -> list[Payout]:
    """Payouts in one state, by id."""
    rows = connection.execute("SELECT * FROM payouts WHERE state = ? ORDER BY id", (state,))
    return [_payout(row) for row in rows]


def _payout(row: tuple[object, ...]) -> Payout:
    names = Payout.__struct_fields__
    return msgspec.convert(dict(zip(names, row, strict=True)), Payout)


def set_payout_state(connection: apsw.Connection, payout_id: str, state: PayoutState) -> None:
    """Write the next state."""
    connection.execute("UPDATE payouts SET state = ? WHERE id = ?", (state, payout_id))
