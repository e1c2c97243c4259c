"""Marks in plain dictionaries: for the simulator, for benchmarks, and to compare others with.

Nothing outlives the process. Every command is decided before anything is written, in one thread.
"""

from collections.abc import Callable
from itertools import islice
from typing import Any, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from farthing.holding import (
    decide_hold,
    decide_mark,
    next_fence,
    require_distinct,
    require_fence,
    require_over,
)
from farthing.marks import (
    RELEASED_KEPT_S,
    Acknowledge,
    Add,
    Advance,
    Claim,
    Command,
    Confirm,
    Find,
    Forget,
    Held,
    Hold,
    LeaseSerials,
    Mark,
    Memory,
    Once,
    Payment,
    Pending,
    Place,
    Put,
    Read,
    Release,
    Search,
    Settled,
    Take,
    Tally,
    Total,
)

K = TypeVar("K")
V = TypeVar("V")


class _Counter(Struct, gc=False):
    place: Place | None
    until_s: int
    holder: str | None
    """The payment that holds the next place, unconfirmed."""


class _Row(Struct, gc=False):
    number: int
    claim: Claim
    acked_order: int
    until_s: int


class MemoryMarks:
    """Answers the commands of `farthing.marks`; for one thread."""

    def __init__(self) -> None:
        """Empty."""
        self._payments: dict[str, Payment] = {}
        self._held: dict[str, tuple[Mark, ...]] = {}
        self._onces: dict[bytes, tuple[str, int]] = {}
        """Who took each; empty once that payment is forgotten."""
        self._counters: dict[bytes, _Counter] = {}
        self._records: dict[bytes, tuple[bytes, int]] = {}
        self._outbox: dict[tuple[str, bytes], _Row] = {}
        self._rows = 0
        self._serials: dict[str, int] = {}
        self._answers: dict[type[Any], Any] = {
            Read: self._read,
            Hold: self._hold,
            Confirm: self._confirm,
            Take: self._take,
            Release: self._release,
            Find: self._find,
            Search: self._search,
            LeaseSerials: self._lease_serials,
            Pending: self._pending,
            Tally: self._tally,
            Acknowledge: self._acknowledge,
            Forget: self._forget,
        }

    async def do(self, command: Command) -> Any:
        """The answer to `command`; its refusals."""
        return self._answers[type(command)](command)

    def do_now(self, command: Command) -> Any:
        """As `do`."""
        return self._answers[type(command)](command)

    def close(self) -> None:
        """Nothing to do: there is nothing but memory."""

    def _read(self, read: Read) -> Memory:
        keys = read.keys
        counters: dict[bytes, Place] = {}
        for key in keys.counters:
            counter = self._counters.get(key)
            if counter is not None and (place := counter.place) is not None:
                counters[key] = place
        if not keys.records and not keys.prefixes:  # as nearly every payment reads
            return Memory(counters=counters)
        records: dict[bytes, bytes] = {}
        for key in keys.records:
            record = self._records.get(key)
            if record is not None:
                records[key] = record[0]
        for prefix in keys.prefixes:
            for key, (value, _) in self._records.items():
                if key.startswith(prefix):
                    records[key] = value
        return Memory(counters=counters, records=records)

    def _hold(self, hold: Hold) -> Held | Settled:
        stored = self._payments.get(hold.k)
        step, state = decide_hold(stored, hold)
        if stored is not None and step == "repeat":
            return Settled(outcome=stored.outcome)
        fence = next_fence(stored, hold.now_s)
        resumed = step == "resume"
        kept, until_s = hold.kept, hold.until_s
        if stored is not None:
            until_s = max(stored.until_s, until_s)
            if resumed:
                kept = stored.kept
        if not resumed:
            self._free_marks(hold)
            self._hold_marks(hold)
        self._payments[hold.k] = Payment(
            k=hold.k,
            digest=hold.digest,
            state=state,
            fence=fence,
            lease_until_s=hold.lease_until_s,
            kept=kept,
            outcome=stored.outcome if stored is not None and resumed else hold.outcome,
            until_s=until_s,
        )
        return Held(fence=fence, kept=kept, resumed=resumed)

    def _free_marks(self, hold: Hold) -> None:
        """Have `hold` find its marks free, if need be of holds whose lease is over; or refuse."""
        marks = hold.marks
        if len(marks) > 1:
            require_distinct(marks)
        losers: dict[str, Payment] = _NOBODY
        for mark in marks:
            if type(mark) is Advance:
                counter = self._counters.get(mark.id)
                if counter is None:
                    require_over(mark, None)
                    continue
                require_over(mark, counter.place)
                holder = counter.holder
            else:
                once = self._onces.get(mark.id)
                holder = None if once is None else once[0]
            if holder is not None:
                payment = self._payments.get(holder)
                decide_mark(payment, now_s=hold.now_s)
                assert payment is not None, "a mark outlives only what was confirmed"
                losers = losers | {holder: payment}
        for payment in losers.values():
            self._give_back(payment)

    def _hold_marks(self, hold: Hold) -> None:
        for mark in hold.marks:
            if isinstance(mark, Once):
                self._onces[mark.id] = (hold.k, mark.until_s)
            elif mark.id in self._counters:
                self._counters[mark.id].holder = hold.k
            else:
                self._counters[mark.id] = _Counter(None, mark.until_s, hold.k)
        self._held[hold.k] = hold.marks

    def _use_marks(self, k: str, marks: tuple[Mark, ...]) -> None:
        """The marks of a payment that is confirmed, whether it held them or found them free."""
        for mark in marks:
            if type(mark) is Advance:
                place = Place(to=mark.to, link=mark.link)
                counter = self._counters.get(mark.id)
                if counter is None:
                    self._counters[mark.id] = _Counter(place, mark.until_s, None)
                    continue
                counter.place, counter.holder = place, None
                if mark.until_s > counter.until_s:
                    counter.until_s = mark.until_s
            else:
                self._onces[mark.id] = (k, mark.until_s)

    def _use_free(self, k: str, marks: tuple[Mark, ...]) -> bool:
        """Use one mark that nobody has, as nearly every payment brings; or say that it is none."""
        if len(marks) != 1:
            return False
        mark = marks[0]
        if type(mark) is Advance:
            counter = self._counters.get(mark.id)
            if counter is None or counter.holder is not None:
                return False
            place = counter.place
            if place is None or place.to != mark.over:
                return False
            counter.place = Place(to=mark.to, link=mark.link)
            if mark.until_s > counter.until_s:
                counter.until_s = mark.until_s
        elif mark.id in self._onces:
            return False
        else:
            self._onces[mark.id] = (k, mark.until_s)
        return True

    def _give_back(self, payment: Payment) -> None:
        """Release `payment`: its marks go, the row stays to tell."""
        for mark in self._held.pop(payment.k):
            if isinstance(mark, Once):
                del self._onces[mark.id]
            elif self._counters[mark.id].place is None:
                del self._counters[mark.id]
            else:
                self._counters[mark.id].holder = None
        until_s = min(payment.until_s, payment.lease_until_s + RELEASED_KEPT_S)
        self._payments[payment.k] = replace(payment, state="released", until_s=until_s)

    def _confirm(self, confirm: Confirm) -> None:
        self._settle(require_fence(self._payments.get(confirm.k), confirm.fence), confirm)

    def _settle(self, held: Payment, confirm: Confirm | Take) -> None:
        self._use_marks(held.k, self._held.pop(held.k))
        self._payments[held.k] = replace(held, state="confirmed", outcome=confirm.outcome)
        self._write_facts(confirm, held.until_s)

    def _write_facts(self, done: Confirm | Take, until_s: int) -> None:
        """Records and claims of a payment that is confirmed."""
        for record in done.records:
            if isinstance(record, Put):
                _, kept_until_s = self._records.get(record.key, (b"", 0))
                self._records[record.key] = (record.value, max(kept_until_s, record.until_s))
            elif isinstance(record, Add):
                value, kept_until_s = self._records.get(record.key, (b"0", 0))
                total = b"%d" % (int(value) + record.amount)
                self._records[record.key] = (total, max(kept_until_s, record.until_s))
            else:
                self._records.pop(record.key, None)
        for claim in done.claims:
            name = claim.scheme, claim.key
            row = self._outbox.get(name)
            if row is None:
                self._rows += 1
                self._outbox[name] = row = _Row(self._rows, claim, 0, until_s)
            elif claim.order > row.claim.order:
                row.claim = claim
                if until_s > row.until_s:
                    row.until_s = until_s
            else:
                continue
            if claim.moment == "before":
                row.acked_order = claim.order

    def _take(self, take: Take) -> Held | Settled:
        hold = take.hold
        k = hold.k
        if k in self._payments:
            answer = self._hold(hold)
            if isinstance(answer, Held):
                self._settle(self._payments[k], take)
            return answer
        if not self._use_free(k, hold.marks):
            self._free_marks(hold)
            self._use_marks(k, hold.marks)
        fence = next_fence(None, hold.now_s)
        self._payments[k] = Payment(
            k=k,
            digest=hold.digest,
            state="confirmed",
            fence=fence,
            lease_until_s=hold.lease_until_s,
            kept=hold.kept,
            outcome=take.outcome,
            until_s=hold.until_s,
        )
        self._write_facts(take, hold.until_s)
        return Held(fence=fence, kept=hold.kept, resumed=False)

    def _release(self, release: Release) -> None:
        self._give_back(require_fence(self._payments.get(release.k), release.fence))

    def _find(self, find: Find) -> Payment | None:
        return self._payments.get(find.k)

    def _search(self, search: Search) -> tuple[Payment, ...]:
        found = (
            payment
            for payment in self._payments.values()
            if payment.state == "confirmed" and search.text in payment.outcome
        )
        return tuple(islice(found, search.count))

    def _lease_serials(self, lease: LeaseSerials) -> int:
        first = self._serials.get(lease.series, 0)
        self._serials[lease.series] = first + lease.count
        return first

    def _pending(self, pending: Pending) -> tuple[tuple[int, Claim], ...]:
        found = (
            (row.number, row.claim)
            for row in self._outbox.values()
            if row.claim.scheme == pending.scheme
            and row.number > pending.after
            and pending.key in {b"", row.claim.key}
            and (pending.paid_too or row.claim.order > row.acked_order)
        )
        return tuple(islice(found, pending.count))

    def _tally(self, _: Tally) -> tuple[Total, ...]:
        found: dict[str, list[int]] = {}
        for row in self._outbox.values():
            claim = row.claim
            sums = found.setdefault(claim.scheme, [0, 0, 0])
            done_micro = claim.value_micro * row.acked_order // claim.order
            sums[0] += 1
            sums[1] += claim.value_micro
            sums[2] += claim.value_micro - done_micro
        return tuple(
            Total(scheme=scheme, claims=count, earned_micro=earned, pending_micro=pending)
            for scheme, (count, earned, pending) in sorted(found.items())
        )

    def _acknowledge(self, acknowledge: Acknowledge) -> None:
        for key, order in acknowledge.refused:
            row = self._outbox.get((acknowledge.scheme, key))
            if row is not None and row.acked_order < order == row.claim.order:
                taken_micro = row.claim.value_micro * row.acked_order // order
                row.claim = replace(row.claim, value_micro=taken_micro)
        for key, order in acknowledge.done:
            row = self._outbox.get((acknowledge.scheme, key))
            if row is not None:
                row.acked_order = max(row.acked_order, order)

    def _forget(self, forget: Forget) -> int:
        past = [
            payment
            for payment in self._payments.values()
            if payment.until_s < forget.now_s
            and (payment.state != "held" or payment.lease_until_s <= forget.now_s)
        ][: forget.count]
        for payment in past:
            if payment.state == "held":
                self._give_back(payment)
            del self._payments[payment.k]
        names = {payment.k for payment in past}
        for key, (k, until_s) in self._onces.items():
            if k in names:  # which may come back, and has nothing to do with this mark then
                self._onces[key] = ("", until_s)
        return (
            len(past)
            + _drop(
                self._onces,
                lambda once: once[1] < forget.now_s and once[0] not in self._held,
                forget.count,
            )
            + _drop(
                self._counters,
                lambda counter: counter.until_s < forget.now_s and counter.holder is None,
                forget.count,
            )
            + _drop(self._records, lambda record: record[1] < forget.now_s, forget.count)
            + _drop(
                self._outbox,
                lambda row: row.until_s < forget.now_s and row.acked_order >= row.claim.order,
                forget.count,
            )
        )


_NOBODY: dict[str, Payment] = {}


def _drop(rows: dict[K, V], is_past: Callable[[V], bool], count: int) -> int:
    past = list(islice((key for key, row in rows.items() if is_past(row)), count))
    for key in past:
        del rows[key]
    return len(past)
