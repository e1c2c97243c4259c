"""Settling at once: verify, settle, reserve, capture, void, for any scheme.

The payload of a payment is the redeem message of its scheme's mint, and the mint must find it worth
the charge. With `reserve` the mint's decision is kept: its money moves to a hold account, its marks
and records are held, and capture carries it out as decided. What a scheme's payments share (a pool)
is not held but changed at once, and put back by a void, so payments do not wait for each other.
Without `reserve`, it is one transaction.

The same payload of the same vendor is the same transaction, whatever is asked of it. Source: the
wire format, section 5.
"""

import asyncio
import hashlib
from functools import partial

import apsw
import msgspec
import structlog

from farthing import codec
from farthing.broker import alone, clearing, facts, journal, reservations
from farthing.broker.answers import KEPT_S
from farthing.broker.books import Books, until_of
from farthing.broker.reservations import TABLE, AtEnd, Event, Reservation
from farthing.errors import OutOfRange, Refusal, Underpaid, Unknown, Unsupported
from farthing.ledger import accounts
from farthing.ledger.transfers import Posting
from farthing.marks import Keys, Put
from farthing.schemes.contract import Account, Applied, Checked, Json, Redeemed
from farthing.schemes.refutals import Refuted

_log = structlog.get_logger("farthing.broker")
_DECISION = msgspec.msgpack.Decoder(Redeemed)
_POSTINGS = msgspec.json.Decoder(tuple[Posting, ...])


class Payment(msgspec.Struct, frozen=True, kw_only=True):
    """A payment to settle, its requirements checked against this broker."""

    scheme: str
    """Registry name."""
    payload: Json
    amount_micro: int
    """The charge."""

    def __repr__(self) -> str:
        """Scheme and amount only: a payload may be worth money."""
        return f"Payment({self.scheme}, {self.amount_micro})"


class Settled(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a transaction. A refusal carries the transaction's name in its facts."""

    tx: str
    amount_micro: int
    payer: str = ""
    for_payer: Json = None
    reservation: int = 0
    """Number of the reservation; 0 when captured."""
    reserved_until_s: int = 0


class ReservationVoid(Exception):  # noqa: N818 - an answer of the facilitator, not an error
    """The reservation is void, or an older one than the current."""


class AlreadyCaptured(Exception):  # noqa: N818 - an answer of the facilitator, not an error
    """Too late to void."""


def tx_of(vendor_id: str, scheme: str, payload: Json) -> str:
    """The transaction of a payload at a vendor."""
    tagged = codec.enc("farthing/broker/transaction/1", vendor_id, scheme, codec.digest(payload))
    return "tx_" + codec.b64u(hashlib.sha256(tagged).digest()[:16])


class Settling:
    """The facilitator's commands, without their HTTP."""

    def __init__(self, books: Books) -> None:
        """Over the broker's books."""
        self._books = books

    def check(self, payment: Payment, account: Account) -> Checked:
        """All cryptography of one payment; any refusal. A long chain takes a tenth of a second."""
        mint = self._books.mint(payment.scheme)
        return mint.check("redeem", payment.payload, account, self._books.at(mint))

    async def verify(self, payment: Payment, account: Account) -> Redeemed:
        """What a settlement would do, without doing it; any refusal."""
        checked = await asyncio.to_thread(self.check, payment, account)

        def rehearse(connection: apsw.Connection) -> Redeemed:
            self.end_overdue(connection)
            decision = self._decide(connection, payment, checked)
            if isinstance(decision, Refuted):
                raise decision.refusal
            harmless = msgspec.structs.replace(decision, keys=())  # a ring has no way back
            self._books.enact(connection, payment.scheme, harmless, ("verify",), kind="redeem")
            raise _Undo(decision)

        try:
            return await self._books.committer.do(rehearse, atomic=True)
        except _Undo as undone:
            return undone.decision

    async def settle(
        self, payment: Payment, account: Account, reserve: AtEnd | None = None
    ) -> Settled:
        """Pay, or with `reserve` hold for 60 s and say what shall be at the end; any refusal."""
        tx = tx_of(account.id, payment.scheme, payment.payload)
        known = self._books.committer.read(lambda db: reservations.find(db, tx))
        checked: Checked | None = None
        if known is None or known.state == "void":
            checked = await asyncio.to_thread(self.check, payment, account)
        event: Event = "settle" if reserve is None else "reserve"

        def work(connection: apsw.Connection) -> Settled | Refusal | None:
            self.end_overdue(connection)
            found = reservations.find(connection, tx)
            step, _ = TABLE[found.state if found else "absent", event]
            if step in {"pay", "reserve"}:
                if checked is None:
                    return None  # it lapsed since it was read; checked again and asked again
                decision = self._decide(connection, payment, checked)
                if isinstance(decision, Refuted):  # returned, so that what proves it commits
                    facts.write(connection, payment.scheme, decision)
                    return decision.refusal
                number = found.number + 1 if found else 1
                if step == "pay":
                    return self._pay(connection, payment, decision, tx, number, account)
                at_end = reserve or "void"
                return self._reserve(connection, payment, decision, tx, number, account, at_end)
            assert found is not None, "the table repeats and captures only what is there"
            if step == "capture":
                return self._capture(connection, found, None)
            return self._answer(found)

        settled = await self._books.committer.do(work, atomic=True)
        if isinstance(settled, Refusal):
            raise settled
        return settled if settled is not None else await self.settle(payment, account, reserve)

    async def capture(
        self, tx: str, number: int, account: Account, amount_micro: int | None = None
    ) -> Settled:
        """Carry a reservation out; `ReservationVoid`, `Unknown`, `OutOfRange` for an amount."""

        def work(connection: apsw.Connection) -> Settled:
            found = self._find(connection, tx, account)
            if found.number != number:
                raise ReservationVoid
            step, _ = TABLE[found.state, "capture"]
            if step == "say void":
                raise ReservationVoid
            if step == "capture":
                return self._capture(connection, found, amount_micro)
            settled = self._answer(found)
            if amount_micro not in {None, settled.amount_micro}:
                raise OutOfRange("captured_another_amount", "it was captured with another amount")
            return settled

        return await self._books.committer.do(work, atomic=True)

    async def void(self, tx: str, number: int, account: Account) -> None:
        """Free what was reserved; `AlreadyCaptured`, `Unknown`. Again is no change."""

        def work(connection: apsw.Connection) -> None:
            found = self._find(connection, tx, account)
            if found.number != number:
                return
            step, _ = TABLE[found.state, "void"]
            if step == "say captured":
                raise AlreadyCaptured
            if step == "void":
                self._void(connection, found)

        await self._books.committer.do(work, atomic=True)

    def end_overdue(self, connection: apsw.Connection) -> int:
        """End every reservation whose time is over; how many.

        One that is refused is tried again later: the others, and whoever asks now, do not wait.
        """
        overdue = reservations.overdue(connection, now_s := self._books.now_s())
        for reservation in overdue:
            refusal = alone.run(connection, partial(self._end, connection, reservation), "an end")
            if refusal is not None:
                _log.error("reservation_not_ended", tx=reservation.tx, code=refusal.code)
                reservations.put_off(connection, reservation, now_s)
        return len(overdue)

    def _end(self, connection: apsw.Connection, overdue: Reservation) -> None:
        if reservations.end_of(overdue) == "capture":
            self._capture(connection, overdue, None)
        else:
            self._void(connection, overdue)

    def _find(self, connection: apsw.Connection, tx: str, account: Account) -> Reservation:
        self.end_overdue(connection)
        found = reservations.find(connection, tx)
        if found is None or found.party != account.id:
            raise Unknown("transaction_unknown", "no such transaction of yours")
        return found

    def _decide(
        self, connection: apsw.Connection, payment: Payment, checked: Checked
    ) -> Redeemed | Refuted:
        books = self._books
        mint = books.mint(payment.scheme)
        memory = facts.read(connection, mint.recall(checked))
        decision = mint.apply(checked, memory, books.at(mint))
        if isinstance(decision, Refuted):
            return decision
        if not isinstance(decision, Redeemed) or decision.batched:
            raise Unsupported("settle_unsupported", "clear this scheme's claims in batches")
        if decision.paid_micro < payment.amount_micro:
            raise Underpaid("amount_below_price", f"worth {decision.paid_micro} micro-units")
        return decision

    def _pay(
        self,
        connection: apsw.Connection,
        payment: Payment,
        decision: Redeemed,
        tx: str,
        number: int,
        account: Account,
    ) -> Settled:
        """Decision, money, commission and answer in one go."""
        books = self._books
        cause = (tx, str(number), "redeem")
        books.enact(connection, payment.scheme, decision, cause, kind="redeem")
        books.take_commission(connection, clearing.earned(decision.flows), cause)
        settled = _settled(tx, decision, decision.paid_micro)
        done = Reservation(
            tx=tx,
            party=account.id,
            scheme=payment.scheme,
            number=number,
            state="captured",
            until_s=max(until_of(decision), books.now_s() + KEPT_S),
            at_end="void",
            amount_micro=decision.paid_micro,
            applied=b"",
            postings=b"[]",
            answer=self._seal(tx, settled),
        )
        reservations.write(connection, done)
        return settled

    def _reserve(
        self,
        connection: apsw.Connection,
        payment: Payment,
        decision: Redeemed,
        tx: str,
        number: int,
        account: Account,
        at_end: AtEnd,
    ) -> Settled:
        """Money to the hold account, marks and records held, the decision kept."""
        books = self._books
        debits = clearing.debits_of(decision.flows, payment.scheme, books.purses(connection))
        total_micro = sum(posting.amount_micro for posting in debits)
        if total_micro:
            postings = (*debits, Posting(accounts.hold(tx), -total_micro))
            cause = (tx, str(number), "reserve")
            books.post(connection, cause, postings, kind="reserve", ref=payment.scheme)
        facts.require_unspent(connection, decision.marks)
        own, shared = facts.parted(decision, books.mint(payment.scheme).shared)
        facts.hold(connection, facts.touched(own), tx)
        if shared.records:
            facts.write(connection, payment.scheme, shared)
            self._put_back(connection, payment.scheme, shared, decision)  # refused now or never
        made = Reservation(
            tx=tx,
            party=account.id,
            scheme=payment.scheme,
            number=number,
            state="reserved",
            until_s=books.now_s() + reservations.RESERVED_S,
            at_end=at_end,
            amount_micro=decision.paid_micro,
            applied=books.vault.seal(msgspec.msgpack.encode(decision), tx.encode()),
            postings=msgspec.json.encode(debits),
            answer=b"",
        )
        reservations.write(connection, made)
        return self._answer(made)

    def _capture(
        self, connection: apsw.Connection, found: Reservation, amount_micro: int | None
    ) -> Settled:
        books = self._books
        decision, debits = self._reserved(found)
        purses = books.purses(connection)
        if amount_micro is not None and amount_micro != found.amount_micro:
            paid, earned = clearing.reduced(decision.flows, debits, amount_micro, purses)
        else:
            paid = clearing.credits_of(decision.flows, found.scheme, purses)
            earned = clearing.earned(decision.flows)
        cause = (found.tx, str(found.number), "capture")
        self._from_hold(connection, found, debits, paid, cause, facts.notes_of(decision))
        books.take_commission(connection, earned, cause)
        own, _ = facts.parted(decision, books.mint(found.scheme).shared)
        facts.write(connection, found.scheme, own)
        books.keep_keys(decision)
        paid_micro = found.amount_micro if amount_micro is None else amount_micro
        settled = _settled(found.tx, decision, paid_micro)
        done = msgspec.structs.replace(
            found,
            state="captured",
            until_s=max(until_of(decision), books.now_s() + KEPT_S),
            amount_micro=paid_micro,
            applied=b"",
            answer=self._seal(found.tx, settled),
        )
        reservations.write(connection, done)
        return settled

    def _void(self, connection: apsw.Connection, found: Reservation) -> None:
        books = self._books
        decision, debits = self._reserved(found)
        back = clearing.backs_of(debits, books.purses(connection))
        self._from_hold(connection, found, debits, back, (found.tx, str(found.number), "void"))
        _, shared = facts.parted(decision, books.mint(found.scheme).shared)
        if shared.records:
            put = self._put_back(connection, found.scheme, shared, decision)
            facts.write(connection, found.scheme, msgspec.structs.replace(shared, records=put))
        until_s = books.now_s() + KEPT_S
        void = msgspec.structs.replace(found, state="void", until_s=until_s, applied=b"")
        reservations.write(connection, void)

    def _reserved(self, found: Reservation) -> tuple[Redeemed, tuple[Posting, ...]]:
        """What was decided and what it took away when this was reserved."""
        decision = _DECISION.decode(self._books.vault.open(found.applied, found.tx.encode()))
        return decision, _POSTINGS.decode(found.postings)

    def _from_hold(
        self,
        connection: apsw.Connection,
        found: Reservation,
        debits: tuple[Posting, ...],
        to: tuple[Posting, ...],
        cause: tuple[str, ...],
        notes: tuple[str, ...] = (),
    ) -> None:
        """Move what a reservation holds, and let go of it; `cause` ends with the entry's kind."""
        held = accounts.hold(found.tx)
        total_micro = sum(posting.amount_micro for posting in debits)
        if total_micro:
            postings = (Posting(held, total_micro), *to)
            self._books.post(
                connection, cause, postings, kind=cause[-1], ref=found.scheme, notes=notes
            )
            journal.close_account(connection, held)
        facts.let_go(connection, found.tx)

    def _put_back(
        self, connection: apsw.Connection, scheme: str, shared: Applied, decision: Redeemed
    ) -> tuple[Put, ...]:
        """The shared records without this decision's part in them."""
        mint = self._books.mint(scheme)
        keys = Keys(records=tuple(record.key for record in shared.records))
        return mint.put_back(decision, facts.read(connection, keys), self._books.at(mint))

    def _seal(self, tx: str, settled: Settled) -> bytes:
        return self._books.vault.seal(msgspec.json.encode(settled), tx.encode())

    def _answer(self, found: Reservation) -> Settled:
        if found.state == "reserved":
            return Settled(
                tx=found.tx,
                amount_micro=found.amount_micro,
                reservation=found.number,
                reserved_until_s=found.until_s,
            )
        plain = self._books.vault.open(found.answer, found.tx.encode())
        return msgspec.json.decode(plain, type=Settled)


class _Undo(Exception):  # noqa: N818 - a signal that rolls a rehearsal back, not an error
    def __init__(self, decision: Redeemed) -> None:
        super().__init__()
        self.decision = decision


def _settled(tx: str, decision: Redeemed, paid_micro: int) -> Settled:
    return Settled(
        tx=tx, amount_micro=paid_micro, payer=payer_of(decision), for_payer=decision.for_payer
    )


def payer_of(decision: Redeemed) -> str:
    """The account that pays; empty for bearer money."""
    ids = [flow.source.id for flow in decision.flows if flow.source.kind in {"payer", "credit"}]
    return ids[0] if ids else ""
