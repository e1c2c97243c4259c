"""The broker without HTTP: transfers, and the four groups of commands over one store.

`transfer` is the hot path: one savepoint, two updates, one insert. The entry's id follows from the
id that the payer made, and the journal's unique index on it is what makes a repeat harmless. It is
not that id itself: a payer could choose one that the broker is going to need.
"""

import hashlib

import apsw
import msgspec

from farthing import codec, ids
from farthing.broker import answers, facts, journal
from farthing.broker.answers import KEPT_S, Asked
from farthing.broker.books import Books
from farthing.broker.checks import Checks
from farthing.broker.errands import Errands
from farthing.broker.operations import Operations
from farthing.broker.peers import Courier, Peers
from farthing.broker.people import People
from farthing.broker.redeeming import Redeeming
from farthing.broker.settling import Settling
from farthing.errors import OutOfRange, Refusal, Reused
from farthing.ledger import accounts
from farthing.ledger.transfers import ID_BYTES, Entry, Posting
from farthing.money import ACCOUNT_MICRO_MAX, require_micro

TRANSFER_TAG = "farthing/broker/transfer/1"
REF_CHARS_MAX = 64  # what a payer may write beside a transfer


class Transfer(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    omit_defaults=True,
    rename="camel",
):
    """Move money between two accounts of this broker. `OutOfRange` for a field out of range."""

    id: str
    """32 hex digits, made by whoever asks and used once."""
    to: str
    """`payer/<id>` or `vendor/<id>`."""
    amount_micro: int
    source: str = msgspec.field(default="", name="from")
    """As `to`: an account of the caller's own; empty for its payer's account."""
    ref: str = ""

    def __post_init__(self) -> None:
        """The ranges."""
        if len(self.id) != 2 * ID_BYTES or self.id.strip("0123456789abcdef"):
            raise OutOfRange("transfer_id_malformed", "a transfer's id is 32 hex digits")
        if not require_micro(self.amount_micro, largest_micro=ACCOUNT_MICRO_MAX):
            raise OutOfRange("amount_out_of_range", "an amount of 0 moves nothing")
        if len(self.ref) > REF_CHARS_MAX or not self.ref.isprintable():
            raise OutOfRange("ref_malformed", f"a reference is {REF_CHARS_MAX} characters")


_ENCODE = msgspec.json.Encoder().encode


class Engine:
    """All commands of one broker."""

    def __init__(self, books: Books, checks: Checks, courier: Courier) -> None:
        """Over the broker's books; `courier` speaks to other brokers."""
        self.books = books
        self.people = People(books)
        self.peers = Peers(books, courier)
        self.errands = Errands(books, courier)
        self.operations = Operations(books, self.errands)
        self.redeeming = Redeeming(books, checks)
        self.settling = Settling(books)

    async def transfer(self, party_id: str, asked: Transfer) -> bytes:
        """`{"id", "from", "to", "amountMicro", "atS"}`, the same to every repeat.

        `Unfunded`, `Unknown`, `OutOfRange`; `Reused` for the same id with other fields.
        """
        books = self.books
        source, target = _accounts_of(party_id, asked)
        postings = (Posting(source, asked.amount_micro), Posting(target, -asked.amount_micro))
        memo = Asked(
            scope=f"{party_id}/transfer",
            key=asked.id,
            digest=codec.enc(source, target, asked.amount_micro, asked.ref),
        )
        entry = Entry(
            id=_entry_id(party_id, asked.id),
            postings=postings,
            kind="transfer",
            ref=asked.ref,
            at_s=books.now_s(),
        )

        def work(connection: apsw.Connection) -> Entry | Refusal:
            try:
                refused = answers.find(connection, books.vault, memo)
                assert refused is None, "only refusals of transfers are kept here"
                if journal.post_once(connection, entry):
                    return entry
                refusal: Refusal | None = None
            except Refusal as wrong:
                refusal = wrong
            found = journal.find(connection, entry.id)
            if found is not None:
                return _same(found, entry)
            assert refusal is not None, "what is not posted is refused or known"
            if not isinstance(refusal, Reused):
                until_s = entry.at_s + KEPT_S
                answers.keep_refusal(connection, books.vault, memo, refusal, until_s)
            return refusal

        done = await books.committer.do(work)
        if isinstance(done, Refusal):
            raise done
        return _ENCODE(
            {
                "id": asked.id,
                "from": source.removeprefix("liability/"),
                "to": target.removeprefix("liability/"),
                "amountMicro": asked.amount_micro,
                "atS": done.at_s,
            }
        )

    async def tick(self) -> int:
        """What time alone does, one step of it; how many things happened, 0 when all is done."""
        now_s = self.books.now_s()
        if not self.books.committer.read(lambda connection: facts.is_due(connection, now_s)):
            return 0
        ended = await self.books.committer.do(self.settling.end_overdue, atomic=True)
        return ended + await self.operations.lapse()


def _entry_id(party_id: str, transfer_id: str) -> bytes:
    """Of a transfer, whose own id is always of one length; as short a way as there is."""
    named = f"{TRANSFER_TAG}/{party_id}/{transfer_id}".encode()
    return hashlib.sha256(named).digest()[:ID_BYTES]


def _same(found: Entry, entry: Entry) -> Entry | Refusal:
    fields = ("kind", "postings", "ref")
    if all(getattr(found, name) == getattr(entry, name) for name in fields):
        return found
    return Reused("idempotency_conflict", "this transfer id was used with other fields")


def _accounts_of(party_id: str, asked: Transfer) -> tuple[str, str]:
    source = f"liability/{asked.source or 'payer/' + party_id}"
    target = f"liability/{asked.to}"
    if source not in {accounts.payer(party_id), accounts.vendor(party_id)}:
        raise OutOfRange("account_of_another", "a transfer leaves the caller's own account")
    kind, _, name = asked.to.partition("/")
    if kind not in {"payer", "vendor"}:
        raise OutOfRange("account_malformed", "name it as payer/<id> or vendor/<id>")
    ids.require_name(name)
    if source == target:
        raise OutOfRange("account_same", "a transfer goes to another account")
    return source, target
