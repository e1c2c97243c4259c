"""`farthing broker`: what is done with the books as a whole: save, restore, check, publish them."""

import contextlib
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Annotated

import apsw
import msgspec
import typer

from farthing.auditing import Report, audit_file, read_statement
from farthing.broker import app as brokers
from farthing.broker import edge, publishing, restoring
from farthing.broker.books import Identity
from farthing.cli import output
from farthing.errors import Misconfigured
from farthing.money import show_micro
from farthing.stores import drafts
from farthing.stores.database import refusal_of
from farthing.stores.keys import KeyRing

app = typer.Typer()

Data = Annotated[Path, typer.Option("--data", envvar="FARTHING_DATA", help="The broker's folder.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
ADMIN_TOKEN = "admin-token"  # noqa: S105 - the name of a file
KEY_FILE = "keys.secret"


def identity_in(data: Path) -> Identity:
    """Which broker is in a folder; `Misconfigured`."""
    broker = brokers.Broker.open(data)
    broker.close()
    return broker.engine.books.identity


def shown_in(data: Path, amount_micro: int) -> str:
    """An amount for people, in the currency of the broker in a folder; `Misconfigured`."""
    return show_micro(amount_micro, identity_in(data).currency)


@app.command()
def backup(
    to: Annotated[Path, typer.Argument(help="A file that does not exist yet.")],
    data: Data = Path("broker"),
) -> None:
    """Copy the books while the broker runs. The keys are not in it: keep them apart.

    Example: farthing broker backup books.db
    """
    brokers.backup(data, to)
    output.say(f"{to} holds the books as they were; keep keys.ring and keys.secret elsewhere")


@app.command()
def restore(
    books: Annotated[Path, typer.Argument(help="A file that `backup` wrote.")],
    keys_from: Annotated[
        Path | None,
        typer.Option("--keys", help="Folder with keys.ring, keys.secret, admin-token to copy."),
    ] = None,
    data: Data = Path("broker"),
    as_json: AsJson = False,
) -> None:
    """Make a backup of the books a broker again, in a folder that has none.

    Example: farthing broker restore books.db --keys safe/keys --data broker
    """
    if keys_from is not None and not (keys_from / brokers.RING).exists():
        raise Misconfigured("keys_missing", f"there is no {brokers.RING} in {keys_from}")
    is_new = not data.exists()
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    bring = partial(_copy_keys, keys_from, data) if keys_from is not None else None
    try:
        done = restoring.restore(data, books, bring_keys=bring)
    except Misconfigured:
        if is_new:
            with contextlib.suppress(OSError):  # somebody else has put something there
                data.rmdir()
        raise
    if as_json:
        output.print_json(done)
        return
    newest = datetime.fromtimestamp(done.newest_s, UTC) if done.entries else "the beginning"
    output.say(f"{data} holds {done.entries} entries up to {newest}, head {done.head}")
    for scheme, count in done.closed.items():
        output.say(f"{scheme}: {count} licences and shelves give nothing out any more")
    for scheme, micro in done.unverifiable_micro.items():
        out = show_micro(micro, identity_in(data).currency)
        output.say(f"{scheme}: {out} is out under keys that {brokers.RING} lacks: {OLDER_RING}")
    output.say(RESTORED)


OLDER_RING = "restore into an empty folder with the ring that was saved after `rotate`"
RESTORED = """
What happened after that moment is not in these books. In this order:
1. Compare the head with the last one you published, and take a later backup if there is one.
   The restored key ring has new keys in it: save keys.ring and keys.secret again.
2. farthing broker serve
3. Book again what came in at the bank since (account topup, with the same references), and revoke
   again what was revoked since (revoke).
4. Ask every vendor to run `farthing vendor grant`, without which you sell no scrip for it, and
   `farthing vendor clear --again`, which shows you every claim once more: each is paid once.
5. Compare the payouts with the bank's own list. Until you say `farthing broker clear --open` none
   is shown and none is planned. One that the bank has made and these books lack (payout_unknown)
   would be paid twice: its vendor has to ask for as much again, and of that one you say exported
   and confirmed without typing it.
Scrip that was sold, and certificates that were made, after that moment are not covered by these
books: vendors' claims for them are refused, and it is for you to make them good."""


def _copy_keys(source: Path, data: Path) -> Iterator[Path]:
    """Put a saved key ring, and the operator's token if it is there, into a folder without one.

    What it has written, as it goes. A restore that was cut short has done some of it.
    """
    for name in (brokers.RING, KEY_FILE, ADMIN_TOKEN):
        saved, here = source / name, data / name
        if not saved.exists():
            continue
        if not here.exists():
            with drafts.locked(here):
                drafts.write(here, saved.read_bytes())
            yield here
        elif here.read_bytes() != saved.read_bytes() and not _goes_on(here, saved):
            raise Misconfigured("keys_exist", f"{here} is another one; name an empty folder")


def _goes_on(here: Path, saved: Path) -> bool:
    """Whether an earlier attempt has put this ring here and made its first new keys."""
    if here.name != brokers.RING:
        return False
    try:
        return KeyRing.open(here).goes_on_from(saved.read_bytes())
    except Misconfigured:
        return False


@app.command()
def publish(data: Data = Path("broker"), as_json: AsJson = False) -> None:
    """Publish the last hash of the books and what they add up to, signed: once a day.

    Example: farthing broker publish
    """
    broker = brokers.Broker.open(data)
    try:
        document = msgspec.json.decode(broker.publish())
    finally:
        broker.close()
    if as_json:
        output.print_json(document)
        return
    output.say(f"{document['day']}: {document['entries']} entries, head {document['head']}")


def _heads_in(published: Path) -> dict[int, str]:
    try:
        return publishing.read(published.read_bytes())
    except OSError as wrong:
        raise Misconfigured("published_unreadable", f"{published}: {wrong.strerror}") from None


@app.command()
def audit(
    published: Annotated[
        Path | None,
        typer.Option(help="What /.well-known/farthing-books once said: it must be in the books."),
    ] = None,
    statement: Annotated[
        Path | None,
        typer.Option(help="The bank's own list: CSV with the columns reference,amount_micro."),
    ] = None,
    data: Data = Path("broker"),
    as_json: AsJson = False,
) -> None:
    """Recompute the books from the journal alone, by code that shares nothing with the broker's.

    Needs no key; the broker may run. Ends with 1 where it found something, and with 2 where it
    could not look. What each finding means is in docs/reference/audit.md.

    Example: farthing broker audit --json
    """
    try:
        report = _audited(data, published, statement)
    except Misconfigured as refusal:
        output.errors.print(f"farthing: {refusal.code}: {refusal.detail}", soft_wrap=True)
        raise typer.Exit(2) from None
    if as_json:
        output.print_json(report.as_json())
    else:
        _show(report)
    if report.findings:
        raise typer.Exit(1)


def _audited(data: Path, published: Path | None, statement: Path | None) -> Report:
    """What the auditor says; `Misconfigured` where it could not look."""
    file = data / brokers.DATABASE
    if not file.exists():
        raise Misconfigured("broker_missing", f"no broker in {data}; run farthing broker init")
    heads = {} if published is None else _heads_in(published)
    try:
        listed = None if statement is None else read_statement(statement)
    except OSError as wrong:
        raise Misconfigured("statement_unreadable", f"{statement}: {wrong.strerror}") from None
    except (ValueError, TypeError) as wrong:
        raise Misconfigured("statement_unreadable", f"{statement}: {wrong}") from None
    try:
        with output.progress("entries") as progress:
            return audit_file(file, heads, listed, progress, edge.now_s())
    except apsw.Error as wrong:
        why = f"{file}: {wrong}: {refusal_of(wrong, file.name).detail}"
        raise Misconfigured("books_unreadable", why) from None


def _show(report: Report) -> None:
    output.table(
        f"{report.entries} entries, head {report.head[:16]}",
        ("account", "balance"),
        [(name, show_micro(micro, report.currency)) for name, micro in report.balances.items()],
    )
    output.say(f"sum of all accounts: {report.ledger_sum_micro}")
    for finding in report.findings:
        output.say(f"FINDING {finding}")
    shown = Counter(finding.code for finding in report.findings)
    for code, count in report.counts.items():
        if count > shown[code]:
            output.say(f"FINDING {code}: {count - shown[code]} more")
    if report.findings:
        output.say("the figures above are the journal's; docs/reference/audit.md says what to do")
