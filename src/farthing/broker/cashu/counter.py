"""One unit's keysets, and commands that the same bytes carry out once.

A command is checked and signed outside the writer. In it, one transaction notes that its inputs
are spent, keeps the signatures that it gives, posts its money and stores its answer. So no coin is
ever seen between unspent and spent: whoever is cut off asks again with the same bytes.
"""

import asyncio
import hashlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import apsw
import msgspec

from farthing.broker import answers, clearing, facts
from farthing.broker.answers import KEPT_S, Asked
from farthing.broker.books import Books
from farthing.ledger.transfers import NOTES_MAX, Posting
from farthing.marks import Keys, Put
from farthing.schemes.coin.blind.checking import Shown, Signed, keys_of, records_of
from farthing.schemes.coin.cashu.keysets import KEYSET_KEY, MintKeys, units_of
from farthing.schemes.coin.cashu.transactions import SCHEME, KeysetsOf
from farthing.schemes.contract import Applied

INLINE_MAX = 8  # inputs and outputs worked on at once: two milliseconds; more go to a thread

T = TypeVar("T")
Work = Callable[[apsw.Connection], Any]


class Counter:
    """Everything that the commands of one unit share."""

    def __init__(self, books: Books, unit: str) -> None:
        """Over the broker's books."""
        self.books = books
        self.unit = unit
        self.url = f"{books.identity.url}/cashu/{unit}"
        self._latest_s = 0
        self._cached: tuple[tuple[str, ...], KeysetsOf] | None = None

    def now_s(self) -> int:
        """The time, which does not go back: nothing that has expired comes alive again."""
        self._latest_s = max(self._latest_s, self.books.now_s())
        return self._latest_s

    @property
    def keysets(self) -> KeysetsOf:
        """Those of the ring as it is now, made once."""
        known = self.books.ring.known(KEYSET_KEY)
        names = tuple(key.id for key in known)
        if self._cached is None or self._cached[0] != names:
            others = (unit for unit in units_of(self.books.identity.currency) if unit != self.unit)
            strange = frozenset(MintKeys(key, unit).id for unit in others for key in known)
            made = KeysetsOf([MintKeys(key, self.unit) for key in known], strange)
            self._cached = (names, made)
        return self._cached[1]

    @property
    def secrets(self) -> Iterator[bytes]:
        """What quotes of this mint may have been made with, the newest first."""
        return (key.secret for key in self.books.ring.known(KEYSET_KEY))

    def asked(self, what: str, raw: bytes) -> Asked:
        """This request, as a repeat of its bytes will find it."""
        digest = hashlib.sha256(raw).digest()
        return Asked(scope=f"{SCHEME}/{self.unit}/{what}", key=digest.hex(), digest=digest)

    async def work(self, count: int, deed: Callable[[], T]) -> T:
        """What `deed` returns, which computes for `count` coins; for many it has a thread."""
        return deed() if count <= INLINE_MAX else await asyncio.to_thread(deed)

    async def once(self, asked: Asked, work: Work) -> bytes:
        """The JSON of what `work` returns, the first time; refusals leave nothing behind."""
        books, until_s = self.books, self.now_s() + KEPT_S

        def command(connection: apsw.Connection) -> bytes:
            found = answers.find(connection, books.vault, asked)
            if found is None:
                found = msgspec.json.encode(work(connection))
                answers.keep(connection, books.vault, asked, found, until_s)
            return found

        return await books.committer.do(command, atomic=True)

    def records(
        self, connection: apsw.Connection, coins: Sequence[Shown], outputs: Sequence[Signed]
    ) -> tuple[Put, ...]:
        """That coins are spent and outputs signed; `Replayed`, `Revoked`, `Busy`."""
        keys = Keys(records=keys_of(SCHEME, coins, outputs))
        return tuple(records_of(SCHEME, facts.read(connection, keys), coins, outputs))

    def enact(
        self, connection: apsw.Connection, applied: Applied, cause: tuple[str, ...], *, kind: str
    ) -> None:
        """Money and records of a command; the journal notes each coin that was spent."""
        books = self.books
        facts.write(connection, SCHEME, applied)
        postings = clearing.postings_of(applied.flows, SCHEME, books.purses(connection))
        notes = facts.notes_of(applied)
        for first in range(0, max(len(notes), 1), NOTES_MAX):
            part = notes[first : first + NOTES_MAX]
            moved: tuple[Posting, ...] = () if first else postings
            name = kind if moved else "swap"
            books.post(connection, (*cause, str(first)), moved, kind=name, ref=SCHEME, notes=part)
        books.take_commission(connection, clearing.earned(applied.flows), cause)
