"""Issue, grant and take back: one message, one decision, one stored answer. And what time does.

The check (all cryptography) runs before and outside the writer; the decision runs in it. The
answer's body is `{"answer": …}` with the scheme's own answer, plus `untilS` where the mint will
decide later and `challenge: true` where it asks back.
"""

import asyncio
from functools import partial

import apsw

from farthing import codec
from farthing.broker import alone, clearing, facts, store
from farthing.broker.answers import Asked
from farthing.broker.books import Books, until_of, write_answer
from farthing.broker.errands import Errands
from farthing.errors import OutOfRange, Refusal, Unsupported
from farthing.schemes.contract import (
    Abroad,
    Account,
    At,
    Checked,
    Json,
    Mint,
    Operation,
)

LAPSES_PER_STEP = 200  # due records handled in one transaction: some 20 ms of the writer
FORGET_PER_STEP = 1_000  # likewise
LAPSE_RETRY_S = 120  # longer than any reservation lives
LISTED_CHARS_MAX = 64  # of a name on a list: certificates' serials have 26
BEARER = Account(id="", role="payer")  # whoever sends a message that pays for itself


class Operations:
    """Single operations of the mints."""

    def __init__(self, books: Books, errands: Errands) -> None:
        """Over the broker's books."""
        self._books = books
        self._errands = errands
        self._turn = asyncio.Lock()  # of costly checks: they take one core together

    async def run(
        self, scheme: str, operation: Operation, message: Json, account: Account, key: str
    ) -> bytes:
        """The stored answer to this message under this idempotency key; any refusal.

        What is refused of nobody in particular is not stored, nor what it is told without any
        change: anyone may ask, as often as they like.
        """
        books = self._books
        mint = books.mint(scheme)
        asked = Asked(
            scope=f"{account.id}/{operation}/{scheme}", key=key, digest=codec.digest(message)
        )
        found = books.stored(asked)
        if found is not None:
            return found
        errand = self._errands.find(asked)
        if errand is not None:
            return await self._errands.resume(errand)
        at = books.at(mint)
        try:
            checked = await self._check(mint, operation, message, account, at)
        except Refusal as refusal:
            if account is BEARER:
                raise
            raise await books.refused(asked, refusal) from None

        if account is BEARER:
            told = books.committer.read(
                lambda connection: self._told(connection, mint, checked, at)
            )
            if told is not None:
                return told

        answer = await self._decide(asked, scheme, checked, at)
        if answer is None:  # somebody was quicker
            return await self.run(scheme, operation, message, account, key)
        return answer

    async def _decide(self, asked: Asked, scheme: str, checked: Checked, at: At) -> bytes | None:
        """The answer once it is decided and written; None where somebody was quicker."""
        books, is_ours = self._books, False

        def work(connection: apsw.Connection) -> tuple[bytes, int] | None:
            nonlocal is_ours
            if self._errands.is_open(connection, asked):  # else it would be refused as a repeat
                return None
            cause = (asked.scope, asked.key)
            applied = books.carry_out(connection, scheme, checked, at, cause)
            books.take_commission(connection, clearing.earned(applied.flows), cause)
            if isinstance(applied, Abroad):
                self._errands.open(connection, asked, scheme, applied)
                is_ours = True
                return None
            return write_answer(applied), until_of(applied)

        answer = await books.decided(asked, work)
        if answer is not None:
            return answer
        errand = self._errands.find(asked) if is_ours else None
        return None if errand is None else await self._errands.run(errand)

    def _told(
        self, connection: apsw.Connection, mint: Mint, checked: Checked, at: At
    ) -> bytes | None:
        """The answer to a question; None where something would be changed. Any refusal."""
        applied = mint.apply(checked, facts.read(connection, mint.recall(checked)), at)
        if isinstance(applied, Abroad) or not applied.is_idle:
            return None
        return write_answer(applied)

    async def _check(
        self, mint: Mint, operation: Operation, message: Json, account: Account, at: At
    ) -> Checked:
        """What `mint` says of it; costly ones wait for each other, and nobody else for them."""
        if operation not in mint.costly:
            return mint.check(operation, message, account, at)
        async with self._turn:
            return await asyncio.to_thread(mint.check, operation, message, account, at)

    async def revoke(self, scheme: str, name: str, key: str) -> bytes:
        """Put a name on a scheme's published list; `Unsupported` where it publishes none.

        `{"revoked", "known"}`: a name may be unknown here because these books are older than it.
        """
        books = self._books
        mint = books.mint(scheme)
        if not mint.published:
            raise Unsupported("list_unsupported", f"{scheme} publishes no list")
        if not name or len(name) > LISTED_CHARS_MAX or not name.isascii() or not name.isprintable():
            raise OutOfRange("name_malformed", f"a name has 1 to {LISTED_CHARS_MAX} characters")

        def work(connection: apsw.Connection) -> tuple[bytes, int]:
            owner = _owner(connection, mint, name)
            self._bar(connection, scheme, name, owner or "")
            return codec.canonical({"revoked": name, "known": owner is not None}), 0

        scope, digest = f"operator/revoke/{scheme}", codec.digest([name])
        return await books.answered(Asked(scope=scope, key=key, digest=digest), work)

    async def revoke_all(self, account_id: str, key: str) -> bytes:
        """Put what a payer has out on the lists, of every scheme; `Unknown`.

        `{"revoked": {scheme: [name, …]}}`, without what was on them before.
        """
        books = self._books

        def work(connection: apsw.Connection) -> tuple[bytes, int]:
            store.find_party(connection, account_id)
            done: dict[str, Json] = {}
            for scheme, mint in books.mints.items():
                if names := self._names(connection, mint, account_id):
                    done[scheme] = names
                for name in names:
                    self._bar(connection, scheme, name, account_id)
            return codec.canonical({"revoked": done}), 0

        scope, digest = "operator/revoke-all", codec.digest([account_id])
        return await books.answered(Asked(scope=scope, key=key, digest=digest), work)

    def _names(self, connection: apsw.Connection, mint: Mint, account_id: str) -> list[Json]:
        """What a payer has out of this scheme and no list has; several share what they keep."""
        if not mint.published:
            return []
        memory = facts.read(connection, mint.recall_names(account_id))
        names = mint.names_in(memory, self._books.now_s())
        return [
            name
            for name in names
            if _owner(connection, mint, name) == account_id
            and facts.value_of(connection, mint.published + name.encode()) is None
        ]

    def _bar(self, connection: apsw.Connection, scheme: str, name: str, owner: str) -> None:
        mint = self._books.mint(scheme)
        memory = facts.read(connection, mint.recall_barred(name, owner))
        facts.write(connection, scheme, mint.barred(name, owner, memory, self._books.at(mint)))

    def listed(self, scheme: str) -> list[str]:
        """The names on a scheme's list, in order; `Unsupported` where it publishes none."""
        return self.listed_after(scheme, 0)[2]

    def listed_after(self, scheme: str, since: int) -> tuple[int, int, list[str]]:
        """(number of the list, base, names after the base); `Unsupported` without a list.

        The base is `since`, or 0 where this list never had that number: then all names.
        """
        books = self._books
        prefix = books.mint(scheme).published
        if not prefix:
            raise Unsupported("list_unsupported", f"{scheme} publishes no list")

        def work(connection: apsw.Connection) -> tuple[int, int, list[str]]:
            number = facts.newest_number(connection, scheme)
            if 0 < since == number:  # as every gate asks each minute
                return number, since, []
            base = since if 0 < since < number else 0
            return number, base, facts.listed(connection, prefix, base)

        return books.committer.read(work)

    async def lapse(self) -> int:
        """Handle what is due now and forget what is over; how many things happened."""
        books = self._books
        return await books.committer.do(self._lapse_step, atomic=True)

    def _lapse_step(self, connection: apsw.Connection) -> int:
        books = self._books
        now_s = books.now_s()
        count = 0
        while count < LAPSES_PER_STEP:
            due = facts.next_due(connection, now_s)
            if due is None:
                break
            count += 1
            lapsing = partial(self._lapse_one, connection, *due, (str(now_s), str(count)))
            # Held by a reservation, or short of funds: tried again, never dropped.
            if alone.run(connection, lapsing, f"lapse of {due[0]}") is not None:
                facts.queue(connection, due[0], due[1], now_s + LAPSE_RETRY_S)
        return count + facts.forget(connection, now_s, FORGET_PER_STEP)

    def _lapse_one(
        self,
        connection: apsw.Connection,
        scheme: str,
        key: bytes,
        value: bytes,
        turn: tuple[str, ...],
    ) -> None:
        books = self._books
        mint = books.mint(scheme)
        facts.require_free(connection, key)
        applied = mint.lapse(key, value, books.at(mint))
        if applied is not None:
            cause = (scheme, "lapse", codec.b64u(key), *turn)
            books.enact(connection, scheme, applied, cause, kind="lapse")
            books.take_commission(connection, clearing.earned(applied.flows), cause)


def _owner(connection: apsw.Connection, mint: Mint, name: str) -> str | None:
    """Whose name it is; empty where nobody can say, None where these books should, and do not."""
    key = mint.pseudonym_key(name)
    if not key:
        return ""
    value = facts.value_of(connection, key)
    return None if value is None else mint.account_in(value)
