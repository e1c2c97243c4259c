"""What must hold in a world after every event, whatever has gone wrong.

Checks are incremental: a commit of the broker's is read entry by entry as it comes, a gate's
commands as they are carried out. `recount.py` reads everything again at the end.
"""

from collections import defaultdict
from collections.abc import Callable
from typing import Any, NamedTuple

import apsw

from farthing import marks
from farthing.auditing.books import Books
from farthing.auditing.entries import Line
from farthing.auditing.report import Findings
from farthing.broker import journal
from farthing.errors import Refusal
from farthing.lab.conserved import Conserved
from farthing.lab.given import Given
from farthing.lab.metered import Streams
from farthing.lab.remembered import Remembered
from farthing.lab.trace import Trace
from farthing.ledger import accounts
from farthing.ledger.transfers import Entry, Posting, read
from farthing.schemes import registry
from farthing.vendor.booking import read_kept, read_outcome
from farthing.vendor.refunding import PREFIX as REFUND

NOT_EARNED = frozenset({"commission", "payout", "transfer"})  # entries that no payment causes
OUT, DISPUTED = "liability/outstanding", "liability/disputed"
ROWS_MAX = 10_000  # entries read after one commit: a batch has some hundreds


class Place(NamedTuple):
    """Where a counter stands."""

    to: int
    until_s: int


UNMOVED = Place(0, 0)


class Invariants:
    """What is known of a world from the outside, and what was found wrong in it."""

    def __init__(
        self,
        time_s: Callable[[], float] = float,
        wall_s: Callable[[], int] = int,
        trace: Trace | None = None,
    ) -> None:
        """Of a world in which nothing has happened; `time_s` is its virtual time."""
        self._trace = trace
        self.course: tuple[str, ...] = ()
        """The last of what had happened when something was wrong for the first time."""
        self.streams = Streams(self.find, time_s)
        self.findings: list[str] = []
        self.told: list[str] = []
        """The same, each with the event that came last."""
        self.books: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
        """Balances of each broker's accounts, added up from its journal."""
        self.sold: dict[str, dict[str, int]] = defaultdict(dict)
        """Confirmed payments by vendor: micro-units by K."""
        self.given = Given(self.find, self.sold)
        self.conserved = Conserved(self.find, self._owed_micro, self._ended_micro, wall_s)
        self.remembered = Remembered(self.find)
        self.refunded: dict[str, dict[str, int]] = defaultdict(dict)
        """What vendors gave back, likewise."""
        self.drawn: dict[str, dict[str, int]] = defaultdict(dict)
        """Of payments that schemes draw, by vendor: micro-units above the price by K, or below."""
        self.earned: dict[str, int] = defaultdict(int)
        """What vendors' accounts got for payments, less what they gave back, before commission."""
        self.shares: dict[str, int] = defaultdict(int)
        """What brokers that are sold for owe for that, by name."""
        self.lapsed: dict[tuple[str, str], int] = defaultdict(int)
        """What nobody gave back in time and is the broker's by now, by broker and scheme."""
        self.came_back: dict[tuple[str, str], int] = defaultdict(int)
        """What brokers gave back by themselves once its time was over, likewise."""
        self.paid_out: dict[str, int] = defaultdict(int)
        """What went from accounts to banks, less what came back, by account."""
        self.fees: dict[str, int] = defaultdict(int)
        """What vendors' own mints charged, as for renewing what has expired."""
        self.used: dict[str, dict[bytes, int]] = defaultdict(dict)
        """Marks that are used up, by vendor, and until when they must be remembered."""
        self._held: dict[str, dict[str, marks.Hold]] = defaultdict(dict)
        self.places: dict[str, dict[bytes, Place]] = defaultdict(dict)
        """How far counters have gone, by vendor, and until when that must be remembered."""
        self._entries: dict[str, int] = defaultdict(int)
        self._audits: dict[str, Books] = {}
        self._out: dict[tuple[str, str], int] = defaultdict(int)
        self._disputed: dict[tuple[str, str], int] = defaultdict(int)

    def find(self, what: str) -> None:
        """Something is wrong."""
        if self._trace is not None:
            self.course = self.course or tuple(self._trace.lines)
            self.told.append(f"{what} ({self._trace.last()})")
        self.findings.append(what)

    # --- the brokers ----------------------------------------------------------------------------

    def broker_committed(self, broker_id: str, connection: apsw.Connection) -> None:
        """Read the entries that are new: each sums to zero, and so do all accounts."""
        rows = connection.execute(
            "SELECT seq, body FROM entries WHERE seq > ? ORDER BY seq LIMIT ?",
            (self._entries[broker_id], ROWS_MAX),
        ).fetchall()
        balances = self.books[broker_id]
        audit = self._audits.setdefault(broker_id, Books(Findings()))
        moved: dict[str, None] = {}
        schemes: dict[str, None] = {}
        seq: Any
        body: Any
        for seq, body in rows:
            if seq != self._entries[broker_id] + 1:
                self.find(f"entry {self._entries[broker_id] + 1} is missing from the journal")
            self._entries[broker_id] = seq
            try:
                entry = read(body)
            except Refusal as wrong:  # as where its postings do not sum to zero
                self.find(f"entry {seq}: {wrong.code}")
                continue
            self._audit(broker_id, audit, seq, entry)
            schemes[entry.ref] = None
            for posting in entry.postings:
                balances[posting.account] += posting.amount_micro
                self._count(broker_id, entry, posting)
                moved[posting.account] = None
        for account in moved:
            stored = journal.balance(connection, account)
            if stored != balances[account]:
                self.find(f"{account} has {stored}, its entries sum to {balances[account]}")
            if account.startswith("liability/") and stored > 0:
                self.find(f"{account} is below zero: {-stored}")
        for name in schemes:
            self._require_conserved(broker_id, name, audit)

    def _require_conserved(self, broker_id: str, scheme: str, audit: Books) -> None:
        """Issued is redeemed, returned, expired, reserved and outstanding; and who has that."""
        counted = audit.schemes.get(scheme)
        if counted is not None:
            counted.outstanding_micro = self._out[broker_id, scheme]
            counted.reserved_micro = audit.reserved_micro(scheme)
            if not counted.is_conserved:
                self.find(f"{broker_id}: {scheme} is not conserved: {counted}")
        self.conserved.require_of(broker_id, scheme)

    def _audit(self, broker_id: str, audit: Books, seq: int, entry: Entry) -> None:
        """What the independent auditor says of one entry."""
        postings = tuple((posting.account, posting.amount_micro) for posting in entry.postings)
        known = len(audit.findings.found)
        audit.add(
            Line(
                seq=seq,
                id=entry.id.hex(),
                kind=entry.kind,
                ref=entry.ref,
                at_s=entry.at_s,
                postings=postings,
                notes=entry.notes,
            )
        )
        for finding in audit.findings.found[known:]:
            self.find(f"audit of {broker_id}: {finding}")

    def _owed_micro(self, broker_id: str, scheme: str) -> int:
        counted = self._audits[broker_id].schemes.get(scheme)
        reserved_micro = 0 if counted is None else counted.reserved_micro
        return self._out[broker_id, scheme] + self._disputed[broker_id, scheme] + reserved_micro

    def _ended_micro(self, broker_id: str, scheme: str) -> int:
        return self.lapsed[broker_id, scheme] + self.came_back[broker_id, scheme]

    def _count(self, broker_id: str, entry: Entry, posting: Posting) -> None:
        """What one posting moved, by what it was for."""
        kind, _, whose = posting.account.rpartition("/")
        if posting.account == accounts.BREAKAGE:
            self.lapsed[broker_id, _scheme_of(entry)] -= posting.amount_micro
        if kind == "liability/payer" and entry.kind == "lapse":
            self.came_back[broker_id, _scheme_of(entry)] -= posting.amount_micro
        if entry.kind == "payout" and kind in {"liability/payer", "liability/vendor"}:
            self.paid_out[posting.account] += posting.amount_micro
        if kind == "liability/vendor" and entry.kind not in NOT_EARNED:
            self.earned[whose] -= posting.amount_micro
            self.conserved.paid(whose, entry.ref, -posting.amount_micro)
        if posting.account.startswith((OUT, DISPUTED)):
            owed = self._out if posting.account.startswith(OUT) else self._disputed
            owed[broker_id, posting.account.split("/")[2]] -= posting.amount_micro
        if kind == "asset/peer" and entry.kind == "commission":
            self.shares[whose] += posting.amount_micro

    # --- the gates ------------------------------------------------------------------------------

    def gate_did(self, vendor_id: str, command: marks.Command, answer: object) -> None:
        """One command that a gate's store has committed, with its answer."""
        match command:
            case marks.Take() if isinstance(answer, marks.Held):
                self._used(vendor_id, command.hold)
                self._confirmed(vendor_id, command.hold, command)
                if not command.hold.kept and not command.hold.k.startswith(REFUND):
                    self.fees[vendor_id] += sum(claim.value_micro for claim in command.claims)
            case marks.Hold() if isinstance(answer, marks.Held) and not answer.resumed:
                self._held[vendor_id][command.k] = command
            case marks.Confirm():
                hold = self._held[vendor_id].pop(command.k, None)
                if hold is None:
                    self.find(f"{vendor_id} confirmed {command.k}, which it did not hold")
                    return
                self._used(vendor_id, hold)
                self._confirmed(vendor_id, hold, command)
            case marks.Acknowledge():
                self.conserved.acknowledged(vendor_id, command)
            case marks.Release():
                self._held[vendor_id].pop(command.k, None)
            case _:
                pass

    def gate_committed(self, vendor_id: str, connection: apsw.Connection, until_s: int) -> None:
        """A gate's store after a commit; what was to be kept `until_s` may be forgotten."""
        used, places = self.used[vendor_id], self.places[vendor_id]
        self.remembered.committed(
            vendor_id, connection, until_s, lambda mark: mark in used or mark in places
        )

    def _confirmed(
        self, vendor_id: str, hold: marks.Hold, command: marks.Take | marks.Confirm
    ) -> None:
        k = hold.k
        if k.startswith(REFUND):
            paid = k.removeprefix(REFUND)
            if paid in self.refunded[vendor_id]:
                self.find(f"{vendor_id} gave back payment {paid} twice")
            self.refunded[vendor_id][paid] = self.sold[vendor_id].get(paid, 0)
            self.conserved.refunded(vendor_id, paid)
            self.conserved.claimed(vendor_id, k, "", None, command)
            return
        if not hold.kept:  # a list, or what the vendor's mint has done
            self.conserved.claimed(vendor_id, k, "", None, command)
            return
        receipt = read_outcome(command.outcome).receipt
        if k in self.sold[vendor_id]:
            self.find(f"{vendor_id} confirmed payment {k} twice")
        self.sold[vendor_id][k] = receipt.amount_micro
        scheme = read_kept(hold.kept).scheme
        self.conserved.taken(vendor_id, k, scheme, receipt.amount_micro)
        self.streams.paid(vendor_id, k, receipt.amount_micro, command.records)
        is_drawn = registry.by_name(scheme).traits.drawn
        self.conserved.claimed(
            vendor_id, k, scheme, None if is_drawn else receipt.amount_micro, command
        )
        if is_drawn:
            won_micro = sum(claim.value_micro for claim in command.claims)
            self.drawn[vendor_id][k] = won_micro - receipt.amount_micro

    def _used(self, vendor_id: str, hold: marks.Hold) -> None:
        """Its marks are used up for good: nobody else has them, and no counter goes back."""
        used, places = self.used[vendor_id], self.places[vendor_id]
        for mark in hold.marks:
            self.remembered.uses(vendor_id, mark, hold.k)
            if isinstance(mark, marks.Once):
                if mark.id in used:
                    self.find(f"{vendor_id} took one mark twice, the second time for {hold.k}")
                used[mark.id] = mark.until_s
            else:
                at = places.get(mark.id, UNMOVED)
                if at.to != mark.over:
                    self.find(f"{vendor_id} moved a counter from {mark.over}: {hold.k}")
                places[mark.id] = Place(mark.to, max(mark.until_s, at.until_s))


def _scheme_of(entry: Entry) -> str:
    """Whose outstanding instruments an entry is about; empty where it is about none."""
    prefix = accounts.outstanding("")
    found = [
        posting.account.removeprefix(prefix)
        for posting in entry.postings
        if posting.account.startswith(prefix)
    ]
    return found[0].partition("/")[0] if found else ""
