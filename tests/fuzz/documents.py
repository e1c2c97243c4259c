"""Files that somebody else may have written: prices, settings, keys, journals, bank statements."""

import atexit
import shutil
from functools import cache
from pathlib import Path
from typing import Any

import apsw
import msgspec

from farthing import codec
from farthing.auditing import audit, entries, journal, tables
from farthing.auditing.statement import read_statement
from farthing.broker import courier, publishing
from farthing.lab.conformance.room import START_S
from farthing.lab.scratch import new_folder
from farthing.stores.keys import KeyRing, make_secret_key
from farthing.vendor import founding, prices
from farthing.vendor.cors import Cors
from farthing.vendor.gate import Gate
from farthing.wallet import vault
from farthing.wire.peers import Peers
from tests.fuzz.heard import conversations, fresh, names
from tests.fuzz.parser import Parser, given, text

CHEAP = vault.Cost(memory_kib=64, iterations=1, lanes=1)
PRICES = b"""\
accept = ["millicent", "payword"]
free = ["/", "/free/**"]
cors_origins = ["https://reader.example"]
[millicent]
renew_fee_e4 = 100
[[route]]
path = "/articles/*"
methods = ["GET", "HEAD"]
price = "0.02c"
description = "One article"
requires = { age = 18 }
reduced = [{ price = "0.01c", props = { student = true } }]
subscription = { plan = "month", days = 30, paths = ["/**"] }
[[route]]
path = "/**"
price = "1000u"
hold = true
"""


def parsers() -> list[Parser]:
    """Their rows."""
    return [*_settings(), *_books(), *_keys()]


# --- settings -----------------------------------------------------------------------------------


def _settings() -> list[Parser]:
    return [
        Parser("vendor.prices.read", _prices, _price_files),
        Parser("vendor.founding.read_config", _config, _configs),
        Parser("wire.peers.seen", _seen, given("203.0.113.7, 10.0.0.1", "::1", "::ffff:1.2.3.4")),
        Parser(
            "vendor.cors.Cors", lambda raw: Cors([text(raw)]), given("*", "https://a.example:1")
        ),
        Parser(
            "broker.courier.require_url",
            lambda raw: courier.require_url(text(raw)),
            given("https://far.example/", "http://127.0.0.1:8000", "http://[::1]:1"),
        ),
    ]


def _price_files() -> tuple[bytes, ...]:
    return PRICES, *(fresh(name).shop._price_file().encode() for name in names())


def _prices(raw: bytes) -> Any:
    try:
        typed = raw.decode()
    except UnicodeDecodeError:
        return None  # `PriceFile` says so before
    shop = fresh(names()[0]).shop

    def fit(options: prices.Options) -> prices.Verify:
        setting = msgspec.structs.replace(shop.till.setting, options=dict(options))
        return Gate(setting, schemes=list(names())).verify_route

    found = prices.read(typed, currency="eur", known=names(), fit=fit)
    return found.find("GET", "/200/a/page.html"), found.find("POST", "/articles/a")


def _configs() -> tuple[bytes, ...]:
    config = founding.Config(
        vendor_id="news",
        broker_id="broker",
        broker_url="https://broker.example",
        broker_root="abc",
        currency="eur",
        trusted_proxies=("10.0.0.0/8",),
    )
    return (msgspec.json.encode(config),)


def _config(raw: bytes) -> Any:
    config = founding.read_config(raw)
    Peers(config.trusted_proxies)
    return config


def _seen(raw: bytes) -> Any:
    headers = [
        (b"x-forwarded-for", raw),
        (b"x-forwarded-proto", b"https"),
        (b"x-forwarded-host", raw),
    ]
    scope = {"client": ("10.0.0.7", 1), "headers": headers, "scheme": "http"}
    peers = Peers(("10.0.0.0/8",))
    found = peers.seen(scope)
    peers.network_of(found)
    return found


# --- books --------------------------------------------------------------------------------------


def _books() -> list[Parser]:
    return [
        Parser(
            "auditing.entries.read",
            lambda raw: entries.read(1, raw),
            _entries,
            refusals=(entries.Unreadable,),
        ),
        Parser("auditing.journal.entry", _audited, _entries),
        Parser("auditing.journal.published", _published, _heads),
        Parser(
            "auditing.tables.reservation",
            _reservation,
            given('[["liability/payer/ann",-200],["liability/hold/tx",200]]'),
        ),
        Parser(
            "auditing.statement.read_statement",
            lambda raw: read_statement(_file("statement", raw)),
            given("reference,amount_micro\nRF1,100\nRF2,-200\n", "amount_micro,reference\r\n1,a"),
            refusals=(ValueError, OSError),
        ),
        Parser(
            "broker.publishing.read",
            publishing.read,
            lambda: tuple(b'{"books":[%s]}' % head for head in _heads()),
        ),
    ]


@cache
def _entries() -> tuple[bytes, ...]:
    """Of every kind one."""
    found: dict[str, bytes] = {}
    for name in names():
        books = conversations(name)[0].stage.bank.books
        rows = books.committer.read(lambda db: db.execute("SELECT body FROM entries").fetchall())
        for (body,) in rows:
            raw = body if isinstance(body, bytes) else str(body).encode()
            found.setdefault(entries.read(1, raw).kind, raw)
    return tuple(found.values())


def _audited(raw: bytes) -> Any:
    """As a whole journal of one entry; everything that is wrong is a finding."""
    auditor = journal._Audit()
    auditor._entry(1, bytes(16), raw)
    return auditor.findings.found


@cache
def _heads() -> tuple[bytes, ...]:
    """What a broker publishes of its books."""
    report = fresh(names()[0]).bank.books.committer.read(audit)
    document = publishing.document(
        report, broker_id="broker", currency="eur", now_s=START_S, day="2026-11-20"
    )
    return (codec.canonical(document),)


def _table(statements: str, *values: object) -> apsw.Connection:
    connection = apsw.Connection(":memory:")
    connection.execute(statements, values)
    return connection


def _published(raw: bytes) -> Any:
    connection = _table(
        "CREATE TABLE settings (name, value); INSERT INTO settings VALUES ('published/1', ?)", raw
    )
    return journal._Audit()._published(connection, "eur")


def _reservation(raw: bytes) -> Any:
    connection = _table(
        "CREATE TABLE errands (id); CREATE TABLE reservations (tx, postings, state);"
        "INSERT INTO reservations VALUES ('tx', ?, 'reserved')",
        raw,
    )
    auditor = journal._Audit()
    tables._holds(connection, auditor.books, auditor.findings)
    return auditor.findings.found


# --- keys ---------------------------------------------------------------------------------------


def _keys() -> list[Parser]:
    return [
        Parser("stores.keys.KeyRing", _ring, lambda: (_ring_made().read_bytes(),)),
        Parser("wallet.vault.read_lock", vault.read_lock, _locks),
    ]


@cache
def _folder() -> Path:
    folder = new_folder("fuzz")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _file(name: str, raw: bytes) -> Path:
    path = _folder() / name
    path.write_bytes(raw)
    return path


@cache
def _ring_made() -> Path:
    path = _folder() / "ring"
    KeyRing.create(path).add(make_secret_key("farthing/fuzz/1", bytes(32)))
    return path


@cache
def _other() -> Path:
    other = _ring_made().with_name("other")
    for suffix in ("", ".secret"):
        path = other.with_suffix(suffix)
        path.write_bytes(_ring_made().with_suffix(suffix).read_bytes())
        path.chmod(0o600)
    return other


def _ring(raw: bytes) -> Any:
    """Another file in the place of one that was there, beside the same key file."""
    other = _other()
    other.write_bytes(raw)
    return KeyRing.open(other).live("farthing/fuzz/1")


def _locks() -> tuple[bytes, ...]:
    return (msgspec.json.encode(vault.create("a passphrase", CHEAP)[0]),)
