"""A backup of the books becomes a broker again, and nothing is given out a second time.

The folder holds the key ring and nothing else: the books' backup has no key in it. The copy is
checked and made ready under another name, and put in place at the end, so a restore that is cut
short leaves no broker and is simply done again.

Whatever the broker did after the backup is not in it. What this does about that:

- Licences and shelves: which serials are out is unknown, so nothing more is minted or sold from
  them; vendors grant anew, and the broker's own scrip goes on in a new series.
- Payouts: the bank may have made some that the books know nothing of, so none is planned or shown
  until the operator has compared both and says `farthing broker clear --open`.
- Claims, counters and marks are older than what vendors were told. The balances are as old: a
  claim that is shown again is paid again in the books and once in all.

Source: T14 of the trust programme.
"""

import contextlib
import os
from collections import Counter
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

import apsw
import msgspec

from farthing.auditing import Report
from farthing.auditing import audit as read_books
from farthing.broker import facts, journal, store
from farthing.broker.app import DATABASE, RING, Broker
from farthing.broker.books import Books
from farthing.errors import Misconfigured
from farthing.ledger import accounts
from farthing.schemes.contract import Mint
from farthing.stores import drafts
from farthing.stores.database import refusal_of

DRAFT = DATABASE + ".restoring"
LISTED_SKIPPED = 1_000_000  # numbers of names that may have been listed since
ROWS_PER_STEP = 1_000  # records looked at in one transaction


class Restored(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What was put in place."""

    entries: int
    head: str
    """Hash of the last entry, hex: compare it with the last one that was published."""
    newest_s: int
    """When the last entry was made: what came after it is lost."""
    closed: dict[str, int]
    """By scheme: licences and shelves that give nothing out any more."""
    unverifiable_micro: dict[str, int]
    """By scheme: what is out under keys that the ring lacks."""


def restore(
    data_dir: Path,
    backup: Path,
    *,
    passphrase: str | None = None,
    bring_keys: Callable[[], Iterable[Path]] | None = None,
) -> Restored:
    """Make the folder a broker again; a refusal leaves it as it was.

    `bring_keys` puts the keys in place once the books are found sound, and says which files it
    wrote; without it they are there already.

    `Misconfigured` for a folder that has books, or no keys; for a backup that is none, is damaged,
    does not add up, or is of a newer program; and for keys of another broker.
    """
    if any((data_dir / (DATABASE + end)).exists() for end in drafts.FILES):
        raise Misconfigured("broker_exists", f"{data_dir} has books; restore into another folder")
    if bring_keys is None and not (data_dir / RING).exists():
        raise Misconfigured(
            "keys_missing",
            f"put {RING} and keys.secret of this broker into {data_dir} first: the backup of the "
            "books has no key in it",
        )
    draft = data_dir / DRAFT
    drafts.remove(draft)
    with contextlib.ExitStack() as failing:
        failing.callback(drafts.remove, draft)
        report = _copy(backup, draft)
        for path in bring_keys() if bring_keys is not None else ():
            failing.callback(path.unlink, missing_ok=True)
        broker = Broker.open(data_dir, passphrase=passphrase, database=DRAFT)
        with contextlib.closing(broker):
            done = _make_ready(broker, report)
        drafts.put_in_place(draft, data_dir / DATABASE)
        failing.pop_all()
    return done


def _copy(backup: Path, to: Path) -> Report:
    """Copy the file and read it as a whole; `Misconfigured`."""
    try:
        source = apsw.Connection(str(backup), flags=apsw.SQLITE_OPEN_READONLY)
    except apsw.Error:
        raise Misconfigured("backup_unreadable", f"cannot read {backup}") from None
    try:
        version = source.pragma("user_version")
        if source.pragma("application_id") != store.APPLICATION_ID:
            raise Misconfigured("backup_of_another_kind", f"{backup} is no backup of a broker")
        if version != store.VERSION:
            raise Misconfigured(
                "backup_of_another_version",
                f"{backup} has version {version}, this program reads {store.VERSION}: restore it "
                "with the program that wrote it",
            )
        os.close(os.open(to, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        target = apsw.Connection(str(to))
        try:
            drafts.copy(source, target)
            if target.pragma("integrity_check") != "ok":
                raise _damaged(backup)
            report = read_books(target)
            _require_sound(report)
            return report
        finally:
            target.close()
    except (apsw.FullError, apsw.IOError, OSError) as wrong:
        raise refusal_of(wrong, to.name) from wrong
    except apsw.Error:
        raise _damaged(backup) from None
    finally:
        with contextlib.suppress(apsw.Error):  # what was only read has nothing to write
            source.close()


def _damaged(backup: Path) -> Misconfigured:
    return Misconfigured("backup_damaged", f"{backup} is damaged; take an earlier one")


def _make_ready(broker: Broker, report: Report) -> Restored:
    books = broker.engine.books
    newest_s = books.committer.read(journal.newest_s)
    closed = {name: _close(books, name, mint) for name, mint in books.mints.items()}
    books.committer.do_now(partial(store.mark_restored, at_s=books.now_s()), atomic=True)
    for name in books.mints:
        books.found(name)
        books.committer.do_now(
            partial(facts.skip_numbers, scheme=name, count=LISTED_SKIPPED), atomic=True
        )
    _require_sound(books.committer.read(read_books))
    return Restored(
        entries=report.entries,
        head=report.head,
        newest_s=newest_s,
        closed={name: count for name, count in closed.items() if count},
        unverifiable_micro=_unverifiable_micro(books),
    )


def _unverifiable_micro(books: Books) -> dict[str, int]:
    found = Counter[str]()
    for name, balance_micro in books.committer.read(journal.balances).items():
        for scheme, mint in books.mints.items():
            prefix = accounts.outstanding(scheme) + "/"
            if name.startswith(prefix) and not mint.can_verify(name.removeprefix(prefix)):
                found[scheme] += accounts.shown_micro(name, balance_micro)
    return {scheme: micro for scheme, micro in found.items() if micro}


def _require_sound(report: Report) -> None:
    if report.findings:
        raise Misconfigured(
            "backup_does_not_add_up", f"{report.findings[0]}; take an earlier backup"
        )


def _close(books: Books, scheme: str, mint: Mint) -> int:
    """Rewind everything that gives something out; how many records changed."""
    count = 0
    for prefix in mint.given:
        after = prefix
        while True:
            step = partial(_close_step, books=books, scheme=scheme, after=after, prefix=prefix)
            changed, last = books.committer.do_now(step, atomic=True)
            count += changed
            if not last:
                break
            after = last
    return count


def _close_step(
    connection: apsw.Connection, books: Books, scheme: str, after: bytes, prefix: bytes
) -> tuple[int, bytes]:
    """(records changed, the last key that was looked at; empty at the end)."""
    mint = books.mint(scheme)
    rows = facts.following(connection, prefix, after, ROWS_PER_STEP)
    changed = 0
    for key, value in rows:
        applied = mint.rewind(key, value, books.at(mint))
        if applied is not None:
            facts.write(connection, scheme, applied)
            changed += 1
    return changed, rows[-1][0] if rows else b""
