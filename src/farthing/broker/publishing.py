"""What anybody may know of the books: once a day their last hash, and what they add up to.

A published head fixes the journal up to its entry: who keeps the documents can see that no entry
before it was changed, dropped or put in later. Each is signed by the root key. Source: the trust
programme, sections 3 and 7.
"""

import contextlib
from typing import Any

import apsw
import msgspec

from farthing import codec
from farthing.auditing import Report
from farthing.broker import store
from farthing.errors import Malformed, Misconfigured
from farthing.ledger import accounts

PREFIX = "published/"  # of the settings that hold them, by UTC day
SHOWN_MAX = 31  # a month of days in one document


class Published(msgspec.Struct, kw_only=True, rename="camel"):
    """What an auditor reads of a published document."""

    broker: str
    entries: int
    head: str


class _All(msgspec.Struct, kw_only=True):
    books: list[Published]


def document(report: Report, *, broker_id: str, currency: str, now_s: int, day: str) -> Any:
    """The document of a day, to be signed; `Misconfigured` for books that do not add up."""
    if report.findings:
        raise Misconfigured(
            "books_do_not_add_up", f"run farthing broker audit: {report.findings[0]}"
        )
    bank_micro = owed_micro = peers_micro = 0
    for name, micro in report.balances.items():
        kind = name.partition("/")[0]
        if name.startswith("asset/bank/"):
            bank_micro += micro
        elif name.startswith(accounts.peer("")):
            peers_micro += micro
        elif kind == "liability":
            owed_micro += micro
    return {
        "bankMicro": bank_micro,
        "broker": broker_id,
        "currency": currency,
        "day": day,
        "entries": report.entries,
        "head": report.head,
        "issuedAtS": now_s,
        "lentMicro": sum(
            micro
            for name, micro in report.balances.items()
            if name.startswith((accounts.credit(""), accounts.receivable("")))
        ),
        "owedMicro": owed_micro,
        "peersMicro": peers_micro,
        "schemes": {name: one.as_json() for name, one in report.schemes.items()},
    }


def keep(connection: apsw.Connection, day: str, signed: bytes) -> None:
    """Publish the document of a day, in the place of an earlier one of that day."""
    store.put_setting(connection, PREFIX + day, signed.decode(), again=True)


def shown(connection: apsw.Connection) -> bytes:
    """`{"books": [...]}`: the last documents, newest first, each as it was signed."""
    rows = connection.execute(
        "SELECT value FROM settings WHERE name >= ? AND name < ? ORDER BY name DESC LIMIT ?",
        (PREFIX, PREFIX[:-1] + "0", SHOWN_MAX),
    )
    return b'{"books":[' + b",".join(str(value).encode() for (value,) in rows) + b"]}"


def last_s(connection: apsw.Connection) -> int:
    """When the last document was made, unix seconds; 0 without one."""
    (newest, *_) = msgspec.json.decode(shown(connection))["books"] or [{"issuedAtS": 0}]
    return int(newest["issuedAtS"])


def read(raw: bytes) -> dict[int, str]:
    """Heads by number of entries, out of what `shown` gave, or of one document; `Misconfigured`."""
    books: list[Published] | None = None
    with contextlib.suppress(Malformed):
        books = [codec.read_open(raw, Published)]
    with contextlib.suppress(Malformed):
        books = codec.read_open(raw, _All).books
    if books is not None:
        return {one.entries: one.head for one in books}
    raise Misconfigured(
        "published_unreadable",
        "this is not what a broker publishes at /.well-known/farthing-books, nor what"
        " `farthing broker publish --json` prints",
    )
