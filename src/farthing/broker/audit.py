"""The books recomputed from the journal alone.

Every entry is read again, its hash checked over the one before it, its postings added up. What the
accounts table says must be what comes out, all of it must sum to zero, no account may ever have
left its bounds, and for each scheme

    issued = redeemed + returned + expired + outstanding, what is reserved counted as outstanding

What is outstanding is read from the accounts table, all else from the journal.
"""

from collections.abc import Mapping

import apsw
import msgspec

from farthing.broker import journal
from farthing.errors import Refusal
from farthing.ledger import accounts
from farthing.ledger.book import Book, changes
from farthing.ledger.transfers import GENESIS, Entry, link, read

NONE: Mapping[int, str] = {}
FINDINGS_MAX = 100  # a broken chain would otherwise list every later entry

# Where money of an entry that leaves `outstanding` is counted; every other kind is a redemption.
_COUNTED = {"take_back": "returned_micro", "lapse": "expired_micro"}


class Scheme(msgspec.Struct, kw_only=True, rename="camel"):
    """What one scheme's money did, in micro-units."""

    issued_micro: int = 0
    redeemed_micro: int = 0
    returned_micro: int = 0
    expired_micro: int = 0
    reserved_micro: int = 0
    outstanding_micro: int = 0

    @property
    def is_conserved(self) -> bool:
        """Whether the equation holds."""
        gone_micro = self.redeemed_micro + self.returned_micro + self.expired_micro
        return self.issued_micro == gone_micro + self.reserved_micro + self.outstanding_micro


class Report(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What an audit found. `findings` is empty where all is well."""

    entries: int
    head: str
    """Hash of the last entry, hex: publish it, and the journal up to it is fixed."""
    ledger_sum_micro: int
    """Of all balances; 0."""
    balances: dict[str, int]
    """As people read them, by account, from the journal; accounts at zero are left out."""
    schemes: dict[str, Scheme]
    findings: list[str]


def audit(connection: apsw.Connection, published: Mapping[int, str] = NONE) -> Report:
    """Read the whole journal on one snapshot and compare.

    `published`: heads (hex) by number of entries, as they were published; each must be in it.
    """
    found = _Audit()
    heads = dict(published)
    head, count = GENESIS, 0
    for seq, entry_id, body, stored in journal.rows(connection):
        count += 1
        if seq != count:
            found.note(f"entry {count} is missing: the next one is number {seq}")
            count = seq
        head = link(head, body)
        if head != stored:
            found.note(f"entry {seq}: the hash does not follow from the entry before it")
            head = stored
        found.entry(seq, entry_id, body)
        if heads.pop(seq, head.hex()) != head.hex():
            found.note(f"entry {seq}: another head was published of the journal up to here")
    for seq, text in sorted(heads.items()):
        if (seq, text) != (0, GENESIS.hex()):
            found.note(f"the journal ends before entry {seq}, which was published")
    found.tables(connection)
    shown = {
        name: accounts.shown_micro(name, micro)
        for name, micro in sorted(found.book.balances.items())
        if micro
    }
    return Report(
        entries=count,
        head=head.hex(),
        ledger_sum_micro=sum(found.book.balances.values()),
        balances=shown,
        schemes=found.schemes,
        findings=found.findings,
    )


class _Audit:
    def __init__(self) -> None:
        self.book = Book()
        self.schemes: dict[str, Scheme] = {}
        self.findings: list[str] = []
        self._seen: set[bytes] = set()
        self._reserved: dict[str, tuple[str, int]] = {}

    def note(self, finding: str) -> None:
        if len(self.findings) < FINDINGS_MAX:
            self.findings.append(finding)

    def entry(self, seq: int, entry_id: bytes, body: bytes) -> None:
        try:
            entry = read(body)
        except Refusal as refusal:
            self.note(f"entry {seq}: {refusal.code}")
            return
        if entry.id != entry_id or entry.id in self._seen:
            self.note(f"entry {seq}: its id is not its own, or was there before")
        self._seen.add(entry.id)
        for name in {posting.account for posting in entry.postings}:
            if name not in self.book.balances:
                # A credit limit may have moved since; its bound is the operator's, not the book's.
                self.book.open(name)
        try:
            self.book.apply(entry)
        except Refusal as refusal:
            self.note(f"entry {seq}: {refusal.code}")
        self._count(entry)

    def _count(self, entry: Entry) -> None:
        moved: dict[str, int] = {}
        for name, change_micro in changes(entry.postings).items():
            pieces = name.split("/")
            if pieces[:2] == ["liability", "outstanding"]:
                moved[pieces[2]] = moved.get(pieces[2], 0) - change_micro
        for scheme, micro in moved.items():
            count = self.schemes.setdefault(scheme, Scheme())
            if entry.kind in {"reserve", "void"}:
                count.reserved_micro -= micro
                if entry.kind == "reserve":
                    self._reserved[_hold_of(entry)] = (scheme, -micro)
            elif micro > 0:
                count.issued_micro += micro
            else:
                name = _COUNTED.get(entry.kind, "redeemed_micro")
                setattr(count, name, getattr(count, name) - micro)
        if entry.kind == "capture":
            scheme, micro = self._reserved.pop(_hold_of(entry), ("", 0))
            if scheme:
                self.schemes[scheme].reserved_micro -= micro
                self.schemes[scheme].redeemed_micro += micro

    def tables(self, connection: apsw.Connection) -> None:
        """Compare the accounts table with what the journal says."""
        stored = journal.balances(connection)
        for name, balance_micro in stored.items():
            if name.startswith("liability/outstanding/"):
                scheme = self.schemes.setdefault(name.split("/")[2], Scheme())
                scheme.outstanding_micro -= balance_micro
        for name in sorted(stored.keys() | self.book.balances.keys()):
            here, there = stored.get(name, 0), self.book.balances.get(name, 0)
            if here != there:
                self.note(f"{name}: the table says {here}, the journal {there}")
        if sum(stored.values()):
            self.note(f"the balances sum to {sum(stored.values())}, not to 0")
        for name, counted in self.schemes.items():
            if not counted.is_conserved:
                self.note(f"{name}: issued is not redeemed + returned + expired + outstanding")


def _hold_of(entry: Entry) -> str:
    holds = [p.account for p in entry.postings if p.account.startswith("liability/hold/")]
    return holds[0] if holds else ""
