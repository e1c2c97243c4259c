"""The broker as a process: a data directory, the clock, keys, and the server.

    broker.db       the books
    keys.ring       the keys, sealed (`keys.secret` beside it where there is no passphrase)

`Broker.init` makes the directory's files and shows the operator's token once; `Broker.open` builds
the engine over them; `asgi_app` is what a server runs.
"""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import UTC, datetime
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, cast

import apsw
import structlog

from farthing import codec, faults, ids, money
from farthing.auditing import audit
from farthing.broker import journal, peers, publishing, store
from farthing.broker.books import Books, Identity
from farthing.broker.checks import Checks
from farthing.broker.courier import HttpCourier, require_url
from farthing.broker.edge import REAL, Edge
from farthing.broker.engine import Engine
from farthing.broker.front import Front, Terms, terms_in_environment
from farthing.broker.people import TOKEN_BYTES, hash_of, new_token
from farthing.broker.plain import App
from farthing.broker.purposes import ROOT_KEY, SEALING, SIGNING, VAULT_KEY
from farthing.broker.vault import Vault
from farthing.crypto import signing
from farthing.errors import Misconfigured, Refusal
from farthing.schemes import registry
from farthing.schemes.contract import Key, Mint, Ring, Setting
from farthing.stores import drafts
from farthing.stores.database import Writer, refusal_of
from farthing.stores.keys import KeyRing, make_secret_key, make_signing_key

DATABASE = "broker.db"
RING = "keys.ring"
DRAFT = DATABASE + ".new"
BEGUN = "init.begun"  # beside a ring that has no books yet
SKEW_S = 120  # how far back a clock may be set between two starts
LIST_LIFE_S = 300  # gates ask each minute; five missed ones are an alarm
SIGNED_KEPT = 64  # signatures: gates that ask for one list within a second get the same bytes
TICK_S = 1.0  # between two looks at what is due
ERRANDS_S = 5.0  # between two looks at what other brokers have not answered
DATA_VARIABLE = "FARTHING_DATA"

_log = structlog.get_logger("farthing.broker")


def mints_of(identity: Identity, ring: Ring) -> Mapping[str, Mint]:
    """A mint of every registered scheme."""
    setting = Setting(
        broker_id=identity.broker_id,
        currency=identity.currency,
        ring=ring,
        broker_url=identity.url,
    )
    return {scheme.traits.name: scheme.mint(setting) for scheme in registry.all_schemes()}


def _load_mints(
    data_dir: Path, passphrase: str | None, identity: Identity
) -> tuple[Mapping[str, Mint], Callable[[], object]]:
    ring = KeyRing.open(data_dir / RING, passphrase)
    return mints_of(identity, ring), ring.refresh


def _complete(ring: KeyRing, entropy: Callable[[int], bytes]) -> None:
    """Make the keys that the registered schemes need and the ring lacks."""
    made: list[Key] = []
    for purposes, make in ((SIGNING, make_signing_key), (SEALING, make_secret_key)):
        for purpose in purposes:
            try:
                ring.current(purpose)
            except Misconfigured:
                made.append(make(purpose, entropy(32)))
    if made:
        ring.add(*made)


def _new_ring(data_dir: Path, passphrase: str | None) -> KeyRing:
    """An empty ring, or the one of an attempt that was cut short; `Misconfigured` for another's."""
    begun, path = data_dir / BEGUN, data_dir / RING
    if begun.exists() and path.exists():
        return KeyRing.open(path, passphrase)
    if not path.exists():
        begun.touch(mode=0o600)
    return KeyRing.create(path, passphrase)


def _fingerprints(ring: KeyRing) -> dict[str, str]:
    """Ids of the keys that never change, which tell whose ring it is."""
    return {f"key/{purpose}": ring.current(purpose).id for purpose in (ROOT_KEY, VAULT_KEY)}


def _require_ours(
    settings: Mapping[str, str], ring: KeyRing, committer: Writer, now_s: int
) -> None:
    """`Misconfigured` for books without a broker, with another's keys, or from the future."""
    if "broker_id" not in settings:
        raise Misconfigured("broker_incomplete", "init was cut short; remove its files, repeat")
    for name, key_id in _fingerprints(ring).items():
        if name not in settings:
            committer.do_now(partial(store.put_setting, name=name, value=key_id))
        elif settings[name] != key_id:
            raise Misconfigured(
                "keys_of_another_broker", f"{RING} is not the key ring of these books"
            )
    if now_s < committer.read(journal.newest_s) - SKEW_S:
        raise Misconfigured("clock_behind", "the clock is behind the newest entry; set it")


class Broker:
    """One broker, opened."""

    def __init__(self, engine: Engine, ring: KeyRing, checks: Checks, courier: HttpCourier) -> None:
        """Use `Broker.open`."""
        self._now_s = engine.books.now_s
        self.engine = engine
        self.courier = courier
        self.ring = ring
        self._checks = checks

    @staticmethod
    def init(
        data_dir: Path,
        *,
        broker_id: str,
        currency: str,
        url: str,
        passphrase: str | None = None,
        edge: Edge = REAL,
        keep: Callable[[str], object] = lambda _: None,
    ) -> str:
        """Make a new broker in `data_dir`; the operator's token, which is shown this once.

        `keep` has the token before there is a broker; an attempt that was cut short is made again.
        `Misconfigured` if there is one already, the URL is not https, or two schemes share a key;
        `OutOfRange` for a name.
        """
        registry.verify_purposes()
        ids.require_broker_id(broker_id)
        money.require_currency(currency)
        wanted = {"broker_id": broker_id, "currency": currency, "url": require_url(url)}
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        if (data_dir / DATABASE).exists():
            raise Misconfigured("broker_exists", "this directory holds a broker already")
        draft = data_dir / DRAFT
        ring = _new_ring(data_dir, passphrase)
        _complete(ring, edge.entropy)
        wanted |= _fingerprints(ring)
        token = new_token(edge.entropy(TOKEN_BYTES))
        drafts.remove(draft)
        committer = edge.open_books(draft)
        try:
            committer.do_now(partial(store.found, settings=wanted, token_hash=hash_of(token)))
        finally:
            committer.close()
        keep(token)
        drafts.put_in_place(draft, data_dir / DATABASE)
        (data_dir / BEGUN).unlink(missing_ok=True)
        return token

    @classmethod
    def open(
        cls,
        data_dir: Path,
        *,
        passphrase: str | None = None,
        workers: int = 0,
        database: str = DATABASE,
        courier: HttpCourier | None = None,
        edge: Edge = REAL,
    ) -> "Broker":
        """The broker in `data_dir`; `workers` processes check batches of claims.

        `courier` speaks to other brokers, over the network by default.

        `Misconfigured` if there is none, if its keys are another's, or if the clock is behind the
        newest entry. `database`: the books' file, where a restore has not put it in place yet.
        """
        if not (data_dir / database).exists():
            raise Misconfigured("broker_missing", "no broker here; run: farthing broker init")
        ring = KeyRing.open(data_dir / RING, passphrase)
        _complete(ring, edge.entropy)
        committer = edge.open_books(data_dir / database)
        with contextlib.ExitStack() as failing:
            failing.callback(committer.close)
            settings = committer.read(store.settings)
            _require_ours(settings, ring, committer, edge.now_s())
            if not committer.read(store.is_complete):
                committer.do_now(store.complete)
            failing.pop_all()
        identity = Identity(
            broker_id=settings["broker_id"], currency=settings["currency"], url=settings["url"]
        )
        mints = mints_of(identity, ring)
        checks = Checks(
            mints,
            load_mints=partial(_load_mints, data_dir, passphrase, identity),
            workers=workers,
        )
        books = Books(
            committer=committer,
            identity=identity,
            mints=mints,
            ring=ring,
            vault=Vault(ring.current(VAULT_KEY)),
            now_s=edge.now_s,
            entropy=edge.entropy,
        )
        for name in mints:
            books.found(name)
        courier = courier or HttpCourier()
        return cls(Engine(books, checks, courier), ring, checks, courier)

    def close(self) -> None:
        """Commit what is queued and close everything."""
        self._checks.close()
        self.engine.books.committer.close()

    def key_document(self) -> bytes:
        """The public keys, signed: RFC 8785 JSON, `sig` over the form without it."""
        identity = self.engine.books.identity
        document = {
            "broker": identity.broker_id,
            "currency": identity.currency,
            "issuedAtS": self._now_s(),
            "peers": self.engine.books.committer.read(peers.names),
            "keys": [
                {
                    "id": key.id,
                    "notAfterS": key.not_after_s,
                    "public": codec.b64u(key.public),
                    "purpose": purpose,
                }
                for purpose in SIGNING
                for key in self.ring.known(purpose)
            ],
            "url": identity.url,
        }
        return self._signed(document)

    def list_document(self, scheme: str, since: int = 0) -> bytes:
        """A scheme's revocations, signed; good until `nextUpdateS`. `Unsupported` for no list.

        With the number of an earlier one only what came `since`, where this list knows it.
        """
        issued_at_s = self._now_s()
        number, base, names = self.engine.operations.listed_after(scheme, since)
        return self._signed(
            {
                "broker": self.engine.books.identity.broker_id,
                "issuedAtS": issued_at_s,
                "nextUpdateS": issued_at_s + LIST_LIFE_S,
                "number": number,
                "revoked": names,
                "scheme": scheme,
                "since": base,
            }
        )

    def publish(self) -> bytes:
        """Publish the books' head and sums of today, signed; `Misconfigured` unless they are right.

        The same day again is published anew.
        """
        books, at_s = self.engine.books, self._now_s()
        day = datetime.fromtimestamp(at_s, UTC).date().isoformat()
        document = publishing.document(
            books.committer.read(partial(audit, now_s=at_s)),
            broker_id=books.identity.broker_id,
            currency=books.identity.currency,
            now_s=at_s,
            day=day,
        )
        signed = self._signed(document)
        books.committer.do_now(partial(publishing.keep, day=day, signed=signed), atomic=True)
        return signed

    def books_document(self) -> bytes:
        """What was published of the books, newest first."""
        return self.engine.books.committer.read(publishing.shown)

    def _signed(self, document: dict[str, Any]) -> bytes:
        """RFC 8785 JSON with the root key's `sig` over the form without it."""
        sig = _signature(self.ring.current(ROOT_KEY).secret, codec.canonical(document))
        return codec.canonical(document | {"sig": f"ed25519:{codec.b64u(sig)}"})


@lru_cache(maxsize=SIGNED_KEPT)
def _signature(secret: bytes, plain: bytes) -> bytes:
    return signing.sign(secret, plain)


def backup(data_dir: Path, to: Path) -> None:
    """Copy the books of a running or stopped broker; `Misconfigured` if `to` exists.

    The copy is of one moment, and holds no key.
    """
    if to.exists():
        raise Misconfigured("file_exists", f"{to} exists; name another file")
    if not (data_dir / DATABASE).exists():
        raise Misconfigured("broker_missing", "no broker here; run: farthing broker init")
    draft = to.with_name(to.name + ".new")
    drafts.remove(draft)
    with contextlib.ExitStack() as failing:
        failing.callback(drafts.remove, draft)
        try:
            _copy(data_dir / DATABASE, draft)
        except (apsw.Error, OSError) as wrong:
            raise refusal_of(wrong, to.name) from wrong
        drafts.put_in_place(draft, to)
        failing.pop_all()


def _copy(books: Path, to: Path) -> None:
    os.close(os.open(to, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    source = apsw.Connection(str(books), flags=apsw.SQLITE_OPEN_READWRITE)
    target = apsw.Connection(str(to))
    try:
        drafts.copy(source, target)
    finally:
        target.close()
        source.close()


@contextlib.asynccontextmanager
async def _ticking(broker: Broker, _: object) -> AsyncIterator[None]:
    """What time alone does, beside the server; at its end the broker is closed."""
    housework = asyncio.create_task(keep_house(broker))
    try:
        yield
    finally:
        housework.cancel()
        await asyncio.gather(housework, return_exceptions=True)
        await broker.courier.close()
        broker.close()


async def keep_house(broker: Broker) -> None:
    """What a broker does beside its requests, until it is cancelled."""
    await asyncio.gather(*(faults.keep_on(work, broker) for work in (_tick, _run_errands)))


async def _tick(broker: Broker) -> None:
    while True:
        try:
            broker.ring.refresh()
        except Refusal as refusal:  # out of place: what time does goes on with the keys at hand
            _log.error("ring_refused", code=refusal.code)
        try:
            more = await broker.engine.tick()
        except Refusal as refusal:  # a full disk: it is tried again
            _log.error("tick_refused", code=refusal.code)
            more = 0
        if not more:
            await asyncio.sleep(TICK_S)


async def _run_errands(broker: Broker) -> None:
    """Ask other brokers again for what they have not answered; `_tick` does not wait for that."""
    while True:
        try:
            more = await broker.engine.errands.resume_due()
        except Refusal as refusal:
            _log.error("errands_refused", code=refusal.code)
            more = 0
        if not more:
            await asyncio.sleep(ERRANDS_S)


def asgi_app(broker: Broker, terms: Terms | None = None) -> App:
    """The ASGI application; its lifespan closes the broker."""
    # Loaded by what serves alone: it takes longer than most commands.
    from farthing.broker import api, peer_api, revoking_api
    from farthing.broker.fast import HOT, Fast

    more = [*peer_api.ROUTES, *revoking_api.ROUTES]
    rest = api.build(broker.engine, broker, partial(_ticking, broker), more=more, hot=HOT)
    # Litestar spells the same messages out as typed dictionaries.
    fast = Fast(broker.engine, cast(App, rest), ring=broker.ring)
    return Front(fast, terms or Terms(), refused=fast.count)


def served_app() -> App:
    """For servers that import a factory: the broker in the directory that FARTHING_DATA names."""
    return asgi_app(Broker.open(Path(os.environ[DATA_VARIABLE])), terms_in_environment())
