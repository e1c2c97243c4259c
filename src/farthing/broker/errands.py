"""Errands to other brokers: written before they are sent, repeated until they are answered.

    payer's request -> decided as far as it goes here, money on hold, errand written    one commit
                    -> the peer is asked, under the errand's own key                    no commit
                    -> sold on or undone, answer stored, errand gone                    one commit

The writer never waits for a peer. A crash anywhere leaves the errand; the request made again, or
`resume_due`, asks the peer once more under the same key, which is answered from what it stored: so
nothing is bought twice and no hold stays. An errand is undone only when the peer has decided
against it, or when its first message surely never left and no other was sent. Source: ours.
"""

import apsw
import msgspec

from farthing import codec
from farthing.broker import answers, facts, journal, peers
from farthing.broker.answers import KEPT_S, Asked
from farthing.broker.books import Books, entry_id, until_of, write_answer
from farthing.broker.peers import Courier
from farthing.errors import (
    Mismatch,
    PeerFailed,
    Refusal,
    Replayed,
    Reused,
    Unavailable,
    Undecided,
    Unfunded,
    Unknown,
    WrongVendor,
    by_name,
)
from farthing.ledger import accounts
from farthing.schemes.contract import Abroad, Applied, Json, Operation

ID_BYTES = 16  # random: an Idempotency-Key at the peer that nobody else uses
ERRAND_TAG = "farthing/broker/errand/1"
FIRST_PAUSE_S = 15  # longer than one message to a peer takes: whoever wrote it is at work
PAUSE_S_MAX = 600  # a peer that was away for a day is asked within ten minutes
ERRANDS_PER_STEP = 10  # asked one after the other, each for some seconds at most
DENIED = "peer_denies_us"
NOT_LOOKED_AT = frozenset({"token_missing", "token_unknown", "scope_missing"})  # by the peer


class Errand(msgspec.Struct, frozen=True, kw_only=True):
    """One message to a peer, and for which request it is. Its repr shows no message."""

    id: str
    """Its idempotency key at the peer."""
    scope: str
    key: str
    digest: bytes
    scheme: str
    peer: str
    operation: Operation
    message: Json
    hold: str
    kept: bytes
    """The mint's own."""
    tries: int = 1
    """How many times it was sent or was about to be, whoever wrote it included."""

    def __repr__(self) -> str:
        """Whom and what for only."""
        return f"Errand({self.id}, {self.peer}, {self.operation})"

    @property
    def asked(self) -> Asked:
        """The request that it is for."""
        return Asked(scope=self.scope, key=self.key, digest=self.digest)


class Errands:
    """Commands that need a peer's answer."""

    def __init__(self, books: Books, courier: Courier) -> None:
        """Over the broker's books."""
        self._books = books
        self._courier = courier

    def open(self, connection: apsw.Connection, asked: Asked, scheme: str, abroad: Abroad) -> None:
        """Write an errand beside what was decided; `WrongVendor` for a broker that is no peer.

        `Replayed` for a request that was done so long ago that its answer is forgotten.
        """
        books = self._books
        if journal.find(connection, entry_id(asked.scope, asked.key)) is not None:
            raise Replayed("request_already_done", "done before; its answer is no longer kept")
        try:
            peers.find(connection, books.vault, abroad.peer)
        except Unknown as unknown:
            raise WrongVendor(unknown.code, unknown.detail) from None
        errand = Errand(
            id="er_" + codec.b64u(books.entropy(ID_BYTES)),
            scope=asked.scope,
            key=asked.key,
            digest=asked.digest,
            scheme=scheme,
            peer=abroad.peer,
            operation=abroad.operation,
            message=abroad.message,
            hold=abroad.hold,
            kept=abroad.kept,
        )
        sealed = books.vault.seal(msgspec.msgpack.encode(errand), _aad(errand.id))
        connection.execute(
            "INSERT INTO errands VALUES (?, ?, ?, 1, ?, ?)",
            (errand.id, asked.scope, asked.key, books.now_s() + FIRST_PAUSE_S, sealed),
        )

    def is_open(self, connection: apsw.Connection, asked: Asked) -> bool:
        """Whether the request has an errand already, as this transaction sees it."""
        row = connection.execute(
            "SELECT 1 FROM errands WHERE scope = ? AND key = ?", (asked.scope, asked.key)
        ).fetchone()
        return row is not None

    def find(self, asked: Asked) -> Errand | None:
        """The open errand of a request, or None; `Reused` for a request with other fields."""

        def work(connection: apsw.Connection) -> Errand | None:
            row = connection.execute(
                "SELECT id, tries, sealed FROM errands WHERE scope = ? AND key = ?",
                (asked.scope, asked.key),
            ).fetchone()
            return None if row is None else self._read(row)

        found = self._books.committer.read(work)
        if found is not None and found.digest != asked.digest:
            raise Reused("idempotency_conflict", "this key was used for another request")
        return found

    def _read(self, row: tuple[str, int, bytes]) -> Errand:
        errand_id, tries, sealed = row
        plain = self._books.vault.open(sealed, _aad(errand_id))
        found = msgspec.msgpack.decode(plain, type=Errand)
        return msgspec.structs.replace(found, tries=tries)

    async def resume_due(self) -> int:
        """Ask again for what a crash or a silent peer has left; how many errands were ended."""
        books = self._books

        def due(connection: apsw.Connection) -> list[Errand]:
            rows = connection.execute(
                "SELECT id, tries, sealed FROM errands WHERE due_s <= ? ORDER BY due_s LIMIT ?",
                (books.now_s(), ERRANDS_PER_STEP),
            )
            return [self._read((str(row[0]), int(row[1]), bytes(row[2]))) for row in rows]

        ended = 0
        for errand in books.committer.read(due):
            try:
                await self.resume(errand)
            except Refusal as refusal:
                ended += answers.is_final(refusal)
            else:
                ended += 1
        return ended

    async def resume(self, errand: Errand) -> bytes:
        """Send an errand another time, as `run`."""
        books = self._books
        now_s = books.now_s()

        def work(connection: apsw.Connection) -> int | None:
            row = connection.execute(
                "UPDATE errands SET tries = tries + 1, "
                "due_s = ?2 + min(?3, ?4 << min(tries, 8)) WHERE id = ?1 RETURNING tries",
                (errand.id, now_s, PAUSE_S_MAX, FIRST_PAUSE_S),
            ).fetchone()
            return None if row is None else int(row[0])

        tries = await books.committer.do(work)
        if tries is None:  # somebody else has ended it
            found = books.stored(errand.asked)
            if found is not None:
                return found
            raise _not_yet(errand)
        return await self.run(msgspec.structs.replace(errand, tries=tries))

    async def run(self, errand: Errand) -> bytes:
        """Ask the peer and finish: the stored answer to the request; the refusal, stored too.

        `Unavailable` while the peer has not decided: then nothing is lost, and the same request
        finds out.
        """
        outcome = await self._ask(errand)
        mint = self._books.mint(errand.scheme)
        at = self._books.at(mint)
        try:
            checked = mint.resume(errand.kept, outcome, at)
        except Mismatch as wrong:
            outcome = PeerFailed(wrong.code, f"{errand.peer}: {wrong.detail}; nothing was charged")
            checked = mint.resume(errand.kept, outcome, at)
        is_refused = isinstance(outcome, Refusal)
        kind = "void" if is_refused else "capture" if errand.hold else errand.operation

        def work(connection: apsw.Connection) -> bytes | Refusal:
            books = self._books
            try:
                found = answers.find(connection, books.vault, errand.asked)
            except Refusal as refusal:
                return refusal
            if found is not None:
                return found
            row = connection.execute(
                "DELETE FROM errands WHERE id = ? RETURNING tries", (errand.id,)
            ).fetchone()
            if row is None:
                return _not_yet(errand)
            if _is_unread(outcome) and row[0] != 1:
                raise _not_yet(errand)  # an earlier or later message may have been read
            applied = mint.apply(checked, facts.read(connection, mint.recall(checked)), at)
            self._write(connection, errand, applied, kind)
            if isinstance(outcome, Refusal):
                until_s = books.now_s() + KEPT_S
                answers.keep_refusal(connection, books.vault, errand.asked, outcome, until_s)
                return outcome
            body = write_answer(applied)
            until_s = max(until_of(applied), books.now_s() + KEPT_S)
            answers.keep(connection, books.vault, errand.asked, body, until_s)
            return body

        done = await self._books.committer.do(work, atomic=True)
        if isinstance(done, Refusal):
            raise done
        return done

    def _write(
        self, connection: apsw.Connection, errand: Errand, applied: Applied, kind: str
    ) -> None:
        books, cause = self._books, (errand.scope, errand.key)
        if kind == "void":
            cause = ("errand", errand.id)
        books.enact(connection, errand.scheme, applied, cause, kind=kind)
        peers.take_share(books, connection, applied.flows, cause)
        if errand.hold:
            journal.close_account(connection, accounts.hold(errand.hold))

    async def _ask(self, errand: Errand) -> Json | Refusal:
        """The peer's answer, or why it is none; `Unavailable` while it is not known."""
        books = self._books
        try:
            peer = books.committer.read(lambda db: peers.find(db, books.vault, errand.peer))
            return await self._courier.carry(
                peer, errand.scheme, errand.operation, errand.message, errand.id
            )
        except (Undecided, Unknown):
            raise _not_yet(errand) from None
        except Refusal as refusal:
            return _as_ours(refusal, errand.peer, books.identity.broker_id)


def _is_unread(outcome: Json | Refusal) -> bool:
    """Whether the peer has not looked at the message, and so knows nothing of it."""
    denied = isinstance(outcome, PeerFailed) and outcome.code == DENIED
    return denied or isinstance(outcome, Unavailable)


def _not_yet(errand: Errand) -> Unavailable:
    return Unavailable(
        "peer_undecided", f"{errand.peer} has not answered yet; nothing is lost, ask again"
    )


def _as_ours(refusal: Refusal, peer: str, own: str) -> Refusal:
    """A peer's refusal as our payer is told it: what is our fault is not the payer's."""
    if isinstance(refusal, Unavailable):
        return refusal
    if isinstance(refusal, Unfunded):
        return PeerFailed(
            "peer_balance_used_up",
            f"{own} has too little money at {peer}; nothing was charged, tell its operator",
        )
    if refusal.code in NOT_LOOKED_AT:
        return PeerFailed(
            DENIED,
            f"{peer} does not take the token of {own}; nothing was charged, tell its operator",
        )
    return by_name(type(refusal).__name__, refusal.code, f"{peer} says: {refusal.detail}")


def _aad(errand_id: str) -> bytes:
    return codec.enc(ERRAND_TAG, errand_id)
