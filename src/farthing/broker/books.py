"""What every command of the broker works with: the store, its identity, the mints and the clock.

A command is a function of the writer's transaction. `answered` runs one under an idempotency key;
`post` writes an entry whose id follows from what caused it, so the journal itself refuses a second
effect even after the stored answer is forgotten.
"""

import hashlib
from collections.abc import Callable, Mapping
from hmac import compare_digest
from typing import Literal, Protocol

import apsw
import msgspec

from farthing import codec
from farthing.broker import answers, clearing, facts, journal, store
from farthing.broker.answers import Asked
from farthing.broker.vault import Vault
from farthing.errors import Busy, Refusal, Replayed, Unfunded, Unsupported
from farthing.ledger import accounts
from farthing.ledger.transfers import ID_BYTES, Entry, Posting
from farthing.marks import Put
from farthing.schemes.contract import (
    Abroad,
    Account,
    Applied,
    At,
    Challenge,
    Checked,
    Json,
    Key,
    Mint,
    Ring,
    Waiting,
)
from farthing.stores.database import Writer

_PAID = b"commission/"  # and a vendor: the record of what it has paid; no scheme has this name
_FOR_EVER_S = 2**40
MINT_ENTROPY_BYTES = 64  # a nonce, a pseudonym and a serial of 16 bytes each, and room


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """Which broker this is."""

    broker_id: str
    currency: str
    url: str
    """Public base URL, without a slash at the end."""


class KeyStore(Ring, Protocol):
    """A ring that takes new keys: a vendor's licence arrives with its keys."""

    def add(self, key: Key) -> None:
        """Keep a key for good; `Misconfigured` if its id or its secret is in the ring already."""


class Books:
    """The store and everything that commands need beside it."""

    def __init__(
        self,
        *,
        committer: Writer,
        identity: Identity,
        mints: Mapping[str, Mint],
        ring: KeyStore,
        vault: Vault,
        now_s: Callable[[], int],
        entropy: Callable[[int], bytes],
    ) -> None:
        """`now_s` and `entropy` are the clock and the randomness of the process edge."""
        self.committer = committer
        self.identity = identity
        self.mints = mints
        self.ring = ring
        self.vault = vault
        self.now_s = now_s
        self.entropy = entropy

    def mint(self, scheme: str) -> Mint:
        """The mint of a scheme; `Unsupported`."""
        found = self.mints.get(scheme)
        if found is None:
            raise Unsupported("scheme_unknown", f"this broker has no scheme {scheme[:32]!r}")
        return found

    def at(self, mint: Mint) -> At:
        """Time and fresh randomness for one call of a mint."""
        count = max(MINT_ENTROPY_BYTES, mint.traits.entropy_bytes)
        return At(now_s=self.now_s(), entropy=self.entropy(count))

    def account(self, party_id: str, acting: Literal["payer", "vendor", ""] = "") -> Account:
        """The account as mints see it, from committed state; `Unknown`.

        A peer broker is what it acts as: a payer when it buys, a vendor when it redeems.
        """

        def work(connection: apsw.Connection) -> Account:
            party = store.find_party(connection, party_id)
            limit_micro = journal.credit_limit(connection, accounts.credit(party_id))
            role = acting or party.role if party.role == "broker" else party.role
            return Account(
                id=party.id, role=role, credit_limit_micro=limit_micro, props=party.props
            )

        return self.committer.read(work)

    def stored(self, asked: Asked) -> bytes | None:
        """The answer to an earlier arrival of this request, or None; raises its refusal."""
        return self.committer.read(lambda db: answers.find(db, self.vault, asked))

    async def answered(
        self, asked: Asked, work: Callable[[apsw.Connection], tuple[bytes, int]]
    ) -> bytes:
        """The answer of `work`, which gives (answer, until_s) and runs once per key."""
        answer = await self.decided(asked, work)
        assert answer is not None, "this work gives an answer"
        return answer

    async def decided(
        self, asked: Asked, work: Callable[[apsw.Connection], tuple[bytes, int] | None]
    ) -> bytes | None:
        """As `answered`, or None where `work` gives none yet: what it wrote stays."""

        def once(connection: apsw.Connection) -> bytes | Refusal | None:
            return answers.once_only(
                connection, self.vault, asked, self.now_s(), lambda: work(connection)
            )

        answer = await self.committer.do(once, atomic=True)
        if isinstance(answer, Refusal):
            raise answer
        return answer

    async def refused(self, asked: Asked, refusal: Refusal) -> Refusal:
        """Store what a check refused before the writer was asked; the refusal that counts."""
        now_s = self.now_s()

        def work(connection: apsw.Connection) -> None:
            if answers.find(connection, self.vault, asked) is None:
                until_s = now_s + answers.KEPT_S
                answers.keep_refusal(connection, self.vault, asked, refusal, until_s)

        if answers.is_final(refusal):
            await self.committer.do(work)
        return refusal

    def purses(self, connection: apsw.Connection) -> clearing.Purses:
        """Payers' balances as this transaction sees them."""
        return clearing.Purses(
            balance=lambda name: journal.balance(connection, name),
            limit=lambda name: journal.credit_limit(connection, name),
        )

    def post(
        self,
        connection: apsw.Connection,
        cause: tuple[str, ...],
        postings: tuple[Posting, ...],
        *,
        kind: str,
        ref: str,
        notes: tuple[str, ...] = (),
    ) -> None:
        """Write one entry; `Replayed`, refusals of `post`.

        `cause` names what made it, uniquely for all time; `notes` are those of the journal.
        """
        entry = Entry(
            id=entry_id(*cause),
            postings=postings,
            kind=kind,
            ref=ref,
            at_s=self.now_s(),
            notes=notes,
        )
        if journal.find(connection, entry.id) is not None:
            raise Replayed("request_already_done", "done before; its answer is no longer kept")
        journal.post(connection, entry)

    def carry_out(
        self,
        connection: apsw.Connection,
        scheme: str,
        checked: Checked,
        at: At,
        cause: tuple[str, ...],
    ) -> Applied:
        """One operation of a mint, its money, marks, records and keys; any refusal.

        `Busy` for what comes back while whoever gives it has not as much: the payer may have let
        go of it already, so it is not refused for good.
        """
        mint = self.mint(scheme)
        memory = facts.read(connection, mint.recall(checked))
        applied = mint.apply(checked, memory, at)
        try:
            self.enact(connection, scheme, applied, cause, kind=checked.operation)
        except Unfunded:
            if checked.operation != "take_back":
                raise
            reason = "whoever gives this back has not as much at the moment; it waits until then"
            raise Busy("return_waits", reason) from None
        return applied

    def enact(
        self,
        connection: apsw.Connection,
        scheme: str,
        applied: Applied,
        cause: tuple[str, ...],
        *,
        kind: str,
    ) -> None:
        """What a mint decided, written down; the commission is the caller's to take."""
        postings = clearing.postings_of(applied.flows, scheme, self.purses(connection))
        if isinstance(applied, Abroad):  # it may be undone and begun anew for the same request
            kind, cause = "reserve", (*cause, applied.hold)
        if postings:
            notes = facts.notes_of(applied)
            self.post(connection, cause, postings, kind=kind, ref=scheme, notes=notes)
        facts.write(connection, scheme, applied)
        self.keep_keys(applied)

    def found(self, scheme: str) -> None:
        """What a scheme's mint begins with, once for each broker."""
        mint = self.mint(scheme)
        mark = f"founded/{scheme}"

        def work(connection: apsw.Connection) -> None:
            if mark in store.settings(connection):
                return
            applied = mint.found(self.at(mint))
            if applied is not None:
                self.enact(connection, scheme, applied, (mark,), kind="found")
            store.put_setting(connection, mark, "1")

        if mark not in self.committer.read(store.settings):
            self.committer.do_now(work, atomic=True)

    def keep_keys(self, applied: Applied) -> None:
        """Put a licence's keys into the ring; a key that is there already is no change.

        The ring is written before the rest commits: a key without its licence mints nothing.
        """
        for key in applied.keys:
            known = self.ring.find(key.purpose, key.id)
            if known is None or not compare_digest(known.secret, key.secret):
                self.ring.add(key)

    def take_commission(
        self, connection: apsw.Connection, earned: Mapping[str, int], cause: tuple[str, ...]
    ) -> int:
        """The broker's share of one clearing batch, in micro-units; `earned` is by vendor.

        Below zero for what was given back, and then at most what this vendor has paid: money that
        came to it by a transfer paid no commission, and none of it is due.
        """
        total_micro = 0
        for vendor_id, earned_micro in earned.items():
            vendor = store.find_party(connection, vendor_id)
            share_micro, carry_e4 = clearing.commission(
                earned_micro, vendor.commission_e4, vendor.carry_e4
            )
            if carry_e4 == vendor.carry_e4 and not share_micro:
                continue
            store.set_carry(connection, vendor_id, carry_e4)
            if share_micro:
                share_micro = _within_paid(connection, vendor_id, share_micro)
            account = accounts.vendor(vendor_id)
            basis = (earned_micro, vendor.commission_e4, vendor.carry_e4, carry_e4)
            self.post_share(connection, account, share_micro, basis, (*cause, "commission"))
            total_micro += share_micro
        return total_micro

    def note_rate(
        self, connection: apsw.Connection, account: str, rate_e4: int, cause: tuple[str, ...]
    ) -> None:
        """Note in the journal of which parts per 10,000 our share of `account` is from now on."""
        note, owner = f"rate {account} {rate_e4}", account.rpartition("/")[2]
        self.post(connection, ("rate", *cause), (), kind="rate", ref=owner, notes=(note,))

    def post_share(
        self,
        connection: apsw.Connection,
        account: str,
        share_micro: int,
        basis: tuple[int, int, int, int],
        cause: tuple[str, ...],
    ) -> None:
        """Our share of what `account` earned: less from it, or with less than 0 more.

        `basis`: what was earned in micro-units, our parts per 10,000, what was carried before and
        what is now. The journal has it all, so that anybody can compute the share again.
        """
        owner = account.rpartition("/")[2]
        postings: tuple[Posting, ...] = ()
        if share_micro:
            postings = (Posting(account, share_micro), Posting(accounts.COMMISSION, -share_micro))
        note = " ".join(("share", account, *map(str, basis)))
        self.post(
            connection, (*cause, owner), postings, kind="commission", ref=owner, notes=(note,)
        )


def _within_paid(connection: apsw.Connection, vendor_id: str, share_micro: int) -> int:
    """The share, not below what the vendor has paid until now; counts it."""
    key = _PAID + vendor_id.encode()
    row = connection.execute("SELECT value FROM records WHERE key = ?", (key,)).fetchone()
    paid_micro = int(row[0]) if row is not None else 0
    share_micro = max(share_micro, -paid_micro)
    if share_micro:
        put = Put(key=key, value=b"%d" % (paid_micro + share_micro), until_s=_FOR_EVER_S)
        facts.write(connection, "", Applied(records=(put,)))
    return share_micro


def entry_id(*cause: str) -> bytes:
    """The 128-bit entry id that belongs to one cause."""
    tagged = codec.enc("farthing/broker/entry/1", *cause)
    return hashlib.sha256(tagged).digest()[:ID_BYTES]


def until_of(applied: Applied) -> int:
    """How long the answer to this must be kept: as long as its longest mark; 0 without marks.

    Whoever asks again later would hear that it is used up, and take that for another's doing.
    """
    marks = [mark.until_s for mark in applied.marks]
    used = [each.until_s for each in applied.records if isinstance(each, Put) and each.once]
    return max([*marks, *used], default=0)


def write_answer(applied: Applied) -> bytes:
    """The body that answers one operation."""
    body: dict[str, Json] = {"answer": applied.answer}
    if isinstance(applied, Challenge):
        body["challenge"] = True
    if isinstance(applied, Waiting):
        body["untilS"] = applied.until_s
    return msgspec.json.encode(body)
