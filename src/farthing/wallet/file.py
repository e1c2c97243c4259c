"""Opening, making and locking the wallet's file.

SQLite through apsw: write-ahead log, `synchronous=FULL`, mode 0600, one connection shared by the
threads of a process under a lock. The tables are those of `SCHEMA`; `VERSION` says so in the file,
and a file of another version is refused, never guessed at.
"""

import contextlib
import os
import secrets
import stat
import threading
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

import apsw
import msgspec

from farthing.errors import Broken, Busy, Misconfigured
from farthing.stores import drafts
from farthing.stores.database import refusal_of
from farthing.wallet import vault
from farthing.wallet.vault import Cost, Lock, Vault

APPLICATION_ID = 0x4661_7257  # "FarW": tells a wallet from any other SQLite file
VERSION = 2
BUSY_MS = 5_000  # a transaction takes milliseconds; five seconds mean that somebody is stuck
FILE_MODE = 0o600
EXPOSED_BITS = 0o077  # anything that others may do with the file

SCHEMA = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE brokers (
    id TEXT PRIMARY KEY, url TEXT NOT NULL, account TEXT NOT NULL, currency TEXT NOT NULL,
    token BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE instruments (
    broker TEXT NOT NULL, scheme TEXT NOT NULL, id TEXT NOT NULL, vendor TEXT NOT NULL,
    site TEXT NOT NULL, currency TEXT NOT NULL, worth_micro INTEGER NOT NULL,
    expires_at_s INTEGER NOT NULL, body BLOB NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('ready', 'offered', 'spent', 'aside')),
    holder TEXT NOT NULL,
    PRIMARY KEY (broker, scheme, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX instruments_ready ON instruments (vendor, scheme, expires_at_s) WHERE state = 'ready';
CREATE TABLE purchases (
    id TEXT PRIMARY KEY, day INTEGER NOT NULL, created_at_s INTEGER NOT NULL,
    settled_at_s INTEGER NOT NULL, site TEXT NOT NULL, request BLOB NOT NULL, broker TEXT NOT NULL,
    scheme TEXT NOT NULL, vendor TEXT NOT NULL, instrument TEXT NOT NULL,
    price_micro INTEGER NOT NULL, currency TEXT NOT NULL, sealed BLOB NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('sent', 'undecided', 'done', 'released')),
    receipt BLOB, delivered INTEGER NOT NULL, owner INTEGER NOT NULL,
    leased_until_s INTEGER NOT NULL
) STRICT;
CREATE INDEX purchases_day ON purchases (day, currency, state, site, price_micro);
CREATE INDEX purchases_open ON purchases (broker, vendor) WHERE state IN ('sent', 'undecided');
CREATE INDEX purchases_request ON purchases (request) WHERE delivered = 0;
CREATE INDEX purchases_released ON purchases (instrument) WHERE state = 'released';
CREATE TABLE asks (
    id TEXT PRIMARY KEY, created_at_s INTEGER NOT NULL, broker TEXT NOT NULL, scheme TEXT NOT NULL,
    vendor TEXT NOT NULL, operation TEXT NOT NULL, instrument TEXT NOT NULL, sealed BLOB NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('open', 'done', 'refused')), code TEXT NOT NULL,
    owner INTEGER NOT NULL, leased_until_s INTEGER NOT NULL
) STRICT;
CREATE INDEX asks_open ON asks (broker, vendor) WHERE state = 'open';
CREATE TABLE grants (
    id TEXT PRIMARY KEY, day INTEGER NOT NULL, created_at_s INTEGER NOT NULL, site TEXT NOT NULL,
    scheme TEXT NOT NULL, vendor_id TEXT NOT NULL, currency TEXT NOT NULL,
    amount_micro INTEGER NOT NULL, until_s INTEGER NOT NULL, sealed BLOB NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('given', 'withdrawn'))
) STRICT;
CREATE INDEX grants_day ON grants (day, currency);
"""

DAMAGED = (apsw.CorruptError, apsw.NotADBError)


def _damaged(path: Path | str) -> Broken:
    return Broken(
        "store_corrupt",
        f"{path} is damaged: put it aside, make another with farthing wallet init, and have what"
        " was in it made again: farthing wallet reissue, farthing wallet restore",
    )


class Turns:
    """Transactions of one connection, one after the other: each is a `with` of this.

    One object for all, since a payment takes several. They do not nest.
    """

    def __init__(self, connection: apsw.Connection) -> None:
        """None is under way."""
        self._connection = connection
        self._turn = threading.RLock()
        self._version = 0
        self.doubts = 0
        """Counts up whenever what was known of the file may be wrong: another connection has
        written, or a transaction of ours was undone."""

    @contextlib.contextmanager
    def alone(self) -> Iterator[apsw.Connection]:
        """For what no transaction may hold; what goes wrong is said as of one."""
        self._turn.acquire()
        try:
            yield self._connection
        except BaseException as wrong:
            self._end_badly(wrong)
            raise
        self._turn.release()

    def __enter__(self) -> apsw.Connection:
        self._turn.acquire()
        try:
            self._connection.execute("BEGIN IMMEDIATE")
        except BaseException as wrong:
            self._end_badly(wrong)
            raise
        if self._connection.data_version() != self._version:
            self.doubts += 1
        return self._connection

    def __exit__(
        self,
        kind: type[BaseException] | None,
        wrong: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if wrong is not None:
            self._end_badly(wrong)
            return
        try:
            self._connection.execute("COMMIT")
        except BaseException as failed:
            self._end_badly(failed)
            raise
        self._version = self._connection.data_version()
        self._turn.release()

    def _end_badly(self, wrong: BaseException) -> None:
        """Undo, and say what it means: `Busy`, `Broken`, or nothing that the caller did not say."""
        self.doubts += 1
        try:
            if not self._connection.get_autocommit():
                self._connection.execute("ROLLBACK")
        finally:
            self._turn.release()
        if isinstance(wrong, apsw.BusyError):
            raise Busy("wallet_locked", "another process is using the wallet; try again") from None
        if isinstance(
            wrong, apsw.FullError | apsw.IOError | apsw.ReadOnlyError | apsw.CantOpenError
        ):
            raise Broken(
                "wallet_not_written", f"the wallet's disk is full or failing: {wrong}"
            ) from wrong
        if isinstance(wrong, DAMAGED):
            raise _damaged(self._connection.filename) from wrong


class File:
    """One open wallet file: a connection, its vault, and transactions."""

    def __init__(self, path: Path, connection: apsw.Connection, opened: Vault) -> None:
        """Made by `create` and `open_file`."""
        self.path = path
        self.vault = opened
        self.owner = os.getpid()
        self.connection = connection
        """Use it inside `write` only."""
        self.turns = Turns(connection)

    def close(self) -> None:
        """Close the connection."""
        with contextlib.suppress(apsw.Error):  # then the log stays, and has what is committed
            self.connection.close()

    def write(self) -> "Turns":
        """One transaction, durable when the block ends, undone if it raises. `Busy`, `Broken`."""
        return self.turns

    def shrink(self) -> None:
        """Write the file anew without what is free in it. `Busy`, `Broken`; either changes nothing.

        It takes as much disk again meanwhile. What was deleted is not left in it.
        """
        with self.turns.alone() as db:
            db.execute("VACUUM")
            db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)

    def rows(self, sql: str, values: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        """Every row of a query, inside a transaction."""
        return self.connection.execute(sql, values).fetchall()


def create(
    path: Path, passphrase: str, cost: Cost, entropy: vault.Entropy = secrets.token_bytes
) -> File:
    """A new wallet file; `Misconfigured` if one is there or the folder cannot be written.

    It is there whole or not at all. `Broken` if the disk fails.
    """
    lock, opened = vault.create(passphrase, cost, entropy)
    if path.exists():
        raise Misconfigured(
            "wallet_exists",
            f"there is a wallet at {path} already: open it, or name another, as for another account"
            " at its broker",
        )
    draft = path.with_name(path.name + ".new")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        drafts.remove(draft)
        os.close(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, FILE_MODE))
    except OSError as wrong:
        raise Misconfigured(
            "wallet_path_unusable", f"{path} cannot be made: {wrong.strerror}"
        ) from None
    try:
        _fill(File(draft, _configured(_connect(draft)), opened), lock)
    except apsw.Error as wrong:
        raise refusal_of(wrong, path.name) from wrong
    drafts.put_in_place(draft, path)
    try:
        return File(path, _configured(_connect(path)), opened)
    except apsw.Error as wrong:
        raise refusal_of(wrong, path.name) from wrong


def _fill(made: File, lock: Lock) -> None:
    try:
        with made.write() as db:
            db.execute(SCHEMA)
            db.execute("INSERT INTO meta VALUES ('lock', ?)", (msgspec.json.encode(lock),))
            db.execute(f"PRAGMA application_id={APPLICATION_ID}")
            db.execute(f"PRAGMA user_version={VERSION}")
    finally:
        made.close()


def open_file(path: Path, passphrase: str) -> File:
    """An existing wallet; `Misconfigured` with what to do, `Denied` for a wrong passphrase.

    `Broken` for one that is damaged, and where the disk fails.
    """
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
    except OSError:
        raise Misconfigured(
            "wallet_missing",
            f"there is no wallet at {path}: name its folder with --data, or make one with farthing"
            " wallet init",
        ) from None
    if mode & EXPOSED_BITS:
        raise Misconfigured("wallet_file_exposed", f"others may read the wallet: chmod 600 {path}")
    try:
        db = _connect(path)
        application_id = db.pragma("application_id")
        version = db.pragma("user_version")
    except apsw.BusyError:
        raise Busy("wallet_locked", "another process is using the wallet; try again") from None
    except DAMAGED:
        raise Misconfigured(
            "wallet_file_unreadable", f"{path} is no wallet: name another file"
        ) from None
    except apsw.Error as wrong:
        raise refusal_of(wrong, path.name) from wrong
    if application_id != APPLICATION_ID:
        db.close()
        raise Misconfigured("wallet_file_unreadable", f"{path} is no wallet: name another file")
    if version != VERSION:
        db.close()
        raise Misconfigured(
            "wallet_version_unknown",
            f"this wallet has version {version}, this program reads {VERSION}: open it with the"
            " release that wrote it, return what is in it, and make a new one",
        )
    try:
        stored = db.execute("SELECT value FROM meta WHERE name='lock'").get
        lock = vault.read_lock(stored if isinstance(stored, bytes) else b"")
        return File(path, _configured(db), vault.unlock(lock, passphrase))
    except DAMAGED as wrong:
        raise _damaged(path) from wrong
    except apsw.Error as wrong:
        raise refusal_of(wrong, path.name) from wrong


def _connect(path: Path) -> apsw.Connection:
    db = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
    db.set_busy_timeout(BUSY_MS)
    return db


def _configured(db: apsw.Connection) -> apsw.Connection:
    """Once it is known to be a wallet: other files are left as they are."""
    db.pragma("journal_mode", "wal")
    db.pragma("synchronous", "full")
    db.pragma("trusted_schema", 0)
    # Else some statements are planned anew for each value, which takes longer than running them.
    db.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, 1)
    return db
