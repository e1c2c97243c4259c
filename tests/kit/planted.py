"""Faults planted in the programs of production, one place each, for worlds to find.

Each takes a `MonkeyPatch` and breaks one function, constant or statement of the product. What it
does then is what a slip there would do.
"""

import asyncio
import itertools
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import apsw
import msgspec
import pytest

from farthing import marks
from farthing.broker import answers, clearing, facts
from farthing.broker.app import Broker
from farthing.broker.people import PayOut, People
from farthing.broker.settling import Settling
from farthing.crypto import chain
from farthing.errors import Undecided
from farthing.lab import losing
from farthing.lab.given import PAGE
from farthing.schemes.chain.agent import till as agent_till
from farthing.schemes.chain.agent.issued import Issued
from farthing.schemes.chain.counters import WORD_BYTES, kept_of
from farthing.schemes.chain.ecoupon import till as ecoupon
from farthing.schemes.chain.payword import PaywordTill
from farthing.schemes.chain.words.till import WordTill
from farthing.schemes.coin.blind.mint import BlindMint
from farthing.schemes.coin.blind.purse import BlindPurse
from farthing.schemes.coin.netcash import abroad
from farthing.schemes.contract import End, Taken
from farthing.stores import sqlite
from farthing.stores import sqlite_tables as tables
from farthing.vendor import booking, delivery, lists, metering, refunding
from farthing.vendor import clearing as sweeping
from farthing.vendor.commands import Answer, AskBroker
from farthing.vendor.driver import Exchange
from farthing.wallet.dues import Dues

Plant = Callable[[pytest.MonkeyPatch], None]
YEAR_S = 365 * 86_400
WRITES: dict[Any, Callable[..., Any]] = sqlite.WRITES  # what a gate's store does for a command


def lost_mark(patch: pytest.MonkeyPatch) -> None:
    """The gate writes the mark of what was spent under another id."""
    patch.setattr(
        tables,
        "INSERT_ONCE",
        "INSERT OR IGNORE INTO onces VALUES (?1 || CAST(?2 AS BLOB), ?2, ?3)",
    )


def commit_after_answer(patch: pytest.MonkeyPatch) -> None:
    """The gate answers at once, and has its store commit the confirm a second later."""
    wait = Exchange._carry_out

    async def carry_out(exchange: Exchange, command: marks.Command | AskBroker) -> object:
        async def later() -> object:
            await asyncio.sleep(1.0)
            return await wait(exchange, command)

        if isinstance(command, marks.Confirm):
            task = asyncio.ensure_future(later())
            task.add_done_callback(lambda done: done.cancelled() or done.exception())
            return None
        return await wait(exchange, command)

    patch.setattr(Exchange, "_carry_out", carry_out)


def off_by_one_in_a_chain(patch: pytest.MonkeyPatch) -> None:
    """The till files the word before the one that it was paid with as the last."""
    made = WordTill.take

    def lowered(mark: marks.Mark) -> marks.Mark:
        if isinstance(mark, marks.Once) or not mark.to:
            return mark
        kept, word = kept_of(mark.link[WORD_BYTES:]), mark.link[:WORD_BYTES]
        before = chain.descend(kept.key, word, mark.to, mark.to - 1)
        return msgspec.structs.replace(mark, to=mark.to - 1, link=before + kept.raw)

    def take(*arguments: Any) -> Any:
        taken = made(*arguments)
        return msgspec.structs.replace(taken, marks=tuple(map(lowered, taken.marks)))

    patch.setattr(WordTill, "take", take)


def off_by_one_in_a_claim(patch: pytest.MonkeyPatch) -> None:
    """The till claims the word before the one that it was paid with last."""
    made = PaywordTill.take

    def take(*arguments: Any) -> Any:
        taken = made(*arguments)
        less = tuple(
            msgspec.structs.replace(claim, order=max(claim.order - 1, 1)) for claim in taken.claims
        )
        return msgspec.structs.replace(taken, claims=less)

    patch.setattr(PaywordTill, "take", take)


def forgotten_idempotency_key(patch: pytest.MonkeyPatch) -> None:
    """The broker does not look up what it has answered to a key."""
    patch.setattr(answers, "find", lambda *_: None)


def payout_made_twice(patch: pytest.MonkeyPatch) -> None:
    """The broker takes each order to pay out for another one, whatever its key."""
    pay_out, number = People.pay_out, itertools.count()

    async def anew(self: People, party_id: str, asked: PayOut, key: str) -> bytes:
        return await pay_out(self, party_id, asked, f"{key}-{next(number)}")

    patch.setattr(People, "pay_out", anew)


def refund_given_twice(patch: pytest.MonkeyPatch) -> None:
    """A vendor files each refund under a name of its own, and finds none before it."""

    def hold(**fields: Any) -> marks.Hold:
        return marks.Hold(**fields | {"k": f"{fields['k']}/{fields['now_s']}"})

    patch.setattr(refunding, "marks", SimpleNamespace(**vars(marks) | {"Hold": hold}))


def released_after_the_confirm(patch: pytest.MonkeyPatch) -> None:
    """A payment that was confirmed is released as well: its marks are free again."""
    confirm = WRITES[marks.Confirm]

    def both(connection: apsw.Connection, command: marks.Confirm) -> Any:
        confirm(connection, command)
        row = connection.execute("SELECT row FROM payments WHERE k = ?", (command.k,)).get
        sqlite._give_back(connection, row)

    patch.setitem(WRITES, marks.Confirm, both)


def change_given_twice(patch: pytest.MonkeyPatch) -> None:
    """The gate leases the same serials again: two pieces of change have one."""
    patch.setattr(tables, "LEASE", tables.LEASE.replace("next + excluded.next", "excluded.next"))


def commission_rounded_for_each_claim(patch: pytest.MonkeyPatch) -> None:
    """The broker rounds its share up and carries nothing."""

    def commission(earned_micro: int, commission_e4: int, carry_e4: int) -> tuple[int, int]:
        return -(-earned_micro * commission_e4 // clearing.COMMISSION_E4_MAX), 0

    patch.setattr(clearing, "commission", commission)


def reservation_left_open(patch: pytest.MonkeyPatch) -> None:
    """The broker says that it has captured what was reserved, and has not."""

    def capture(settling: Settling, _: object, found: Any, amount_micro: object) -> Any:
        return settling._answer(found)

    patch.setattr(Settling, "_capture", capture)


def marks_forgotten_too_early(patch: pytest.MonkeyPatch) -> None:
    """The gate forgets everything a year before its time."""
    forget = WRITES[marks.Forget]

    def early(connection: apsw.Connection, command: marks.Forget) -> Any:
        later = msgspec.structs.replace(command, now_s=command.now_s + YEAR_S)
        return forget(connection, later)

    patch.setitem(WRITES, marks.Forget, early)


def claim_taken_for_paid(patch: pytest.MonkeyPatch) -> None:
    """The gate takes claims for paid that the broker has not answered."""
    show = sweeping.show

    async def hopeful(scheme: str, broker: Any, messages: list[Any]) -> list[sweeping.Result]:
        try:
            return await show(scheme, broker, messages)
        except Undecided:
            return [sweeping.Result(state="paid") for _ in messages]

    patch.setattr(sweeping, "show", hopeful)


def claim_paid_twice(patch: pytest.MonkeyPatch) -> None:
    """The broker does not write down which claims it has paid."""
    patch.setattr(facts, "_mark", lambda *_: None)


def coin_exchanged_twice(patch: pytest.MonkeyPatch) -> None:
    """The broker does not write down which coins it has exchanged for others."""
    changed = BlindMint.changed

    def forgetful(*arguments: Any, **ends: Any) -> dict[str, Any]:
        found: dict[str, Any] = changed(*arguments, **ends)
        if not ends:  # neither bought nor paid with
            found["records"] = tuple(put for put in found["records"] if b"/spent/" not in put.key)
        return found

    patch.setattr(BlindMint, "changed", forgetful)


def handed_over_and_kept(patch: pytest.MonkeyPatch) -> None:
    """A wallet that has written coins for somebody else keeps them as well."""
    part = BlindPurse.part

    def keep(purse: Any, instrument: Any, amount_micro: int) -> Any:
        return msgspec.structs.replace(part(purse, instrument, amount_micro), left=instrument)

    patch.setattr(BlindPurse, "part", keep)


def start_of_a_delegate_forgotten(patch: pytest.MonkeyPatch) -> None:
    """The gate does not keep what it would show the broker of a purse that was handed over."""
    kept = ecoupon._records

    def forgetful(payment: Any, commitment: Any) -> tuple[marks.Put, ...]:
        return () if payment.hops else kept(payment, commitment)

    patch.setattr(ecoupon, "_records", forgetful)


def reissued_and_not_written_down(patch: pytest.MonkeyPatch) -> None:
    """The broker does not write down how much of a certificate it has given back."""
    patch.setattr(Issued, "returned", lambda kept, amount_micro: kept)


def nothing_searched_for(patch: pytest.MonkeyPatch) -> None:
    """A wallet that is made again of its seed looks at none of its numbers."""
    patch.setattr(losing, "UNUSED_MAX", 0)


def list_not_written_down(patch: pytest.MonkeyPatch) -> None:
    """A gate fetches which list there is, and none of the names on it."""
    put = marks.Put

    def forgetful(*, key: bytes, **fields: Any) -> marks.Put:
        return put(key=b"lost/" + key if b"/revoked/" in key else key, **fields)

    patch.setattr(lists, "marks", SimpleNamespace(**vars(marks) | {"Put": forgetful}))


def list_not_consulted(patch: pytest.MonkeyPatch) -> None:
    """A gate has its list, and does not look a certificate up whose tokens are of one segment."""
    keys_of = agent_till._keys_of

    def forgetful(serial: str, segment: int) -> marks.Keys:
        keys = keys_of(serial, segment)
        return msgspec.structs.replace(keys, records=keys.records[:1])

    patch.setattr(agent_till, "_keys_of", forgetful)


def revocation_lost_at_a_start(patch: pytest.MonkeyPatch) -> None:
    """The broker begins with empty lists, however long they were when it ended."""
    start = Broker.open

    def forgetful(*arguments: Any, **edges: Any) -> Broker:
        broker = start(*arguments, **edges)
        broker.engine.books.committer.do_now(
            lambda db: db.execute("DELETE FROM records WHERE instr(key, CAST('/revoked/' AS BLOB))")
        )
        return broker

    patch.setattr(Broker, "open", forgetful)


def voucher_counted_twice(patch: pytest.MonkeyPatch) -> None:
    """The gate adds each voucher of a stream to what it has added it to already."""
    counted = metering.counted

    def twice(taken: Taken, name: str, until_s: int) -> Taken:
        again = msgspec.structs.replace(taken, value_micro=2 * taken.value_micro)
        records = counted(again if taken.delivered else taken, name, until_s).records
        return msgspec.structs.replace(taken, records=records)

    patch.setattr(metering, "counted", twice)


def stream_opened_again(patch: pytest.MonkeyPatch) -> None:
    """The gate does not write down that a payment has opened a stream: a repeat has it again."""

    def forgetful(paying: Any, *more: Any) -> marks.Confirm:
        return booking.confirm_of(msgspec.structs.replace(paying, stream=None), *more)

    patch.setattr(delivery, "confirm_of", forgetful)


def paid_ahead_of_anything(patch: pytest.MonkeyPatch) -> None:
    """A wallet takes what it has paid for what has come."""
    note = Dues._note

    def hopeful(dues: Dues, ticks: int, *, asked: bool) -> None:
        note(dues, max(ticks, dues.ticks), asked=asked)

    patch.setattr(Dues, "_note", hopeful)


def page_given_for_nothing(patch: pytest.MonkeyPatch) -> None:
    """The gate gives the page although it has taken nothing, as while its broker is silent."""

    def generous(*_: object) -> Answer:
        return Answer(status=200, headers=(), body=PAGE)

    patch.setattr(delivery.Delivery, "_not_charged", generous)


def receipt_made_anew(patch: pytest.MonkeyPatch) -> None:
    """The gate dates the receipt of a payment that is repeated a second later."""
    repeat = delivery.Delivery.repeat

    def later(of: Any, request: Any, priced: Any, outcome: Any, *more: Any) -> Any:
        made = outcome.receipt
        made = msgspec.structs.replace(made, issued_at_s=made.issued_at_s + 1)
        again = msgspec.structs.replace(outcome, receipt=made)
        return repeat(of, request, priced, again, *more)

    patch.setattr(delivery.Delivery, "repeat", later)


def refused_order_sold(patch: pytest.MonkeyPatch) -> None:
    """What another broker refuses to sell its payer pays all the same."""
    finish = abroad.finish

    def taken(message: Any) -> Any:
        applied = finish(message)
        order = message.errand.order if isinstance(message, abroad.Turned) else None
        if order is None:
            return applied
        (flow,) = applied.flows
        flow = msgspec.structs.replace(flow, target=End(kind="peer", id=order.broker))
        return msgspec.structs.replace(applied, flows=(flow,))

    patch.setattr(abroad, "finish", taken)


PLANTED: dict[str, Plant] = {
    plant.__name__: plant
    for plant in (
        lost_mark,
        commit_after_answer,
        off_by_one_in_a_chain,
        off_by_one_in_a_claim,
        forgotten_idempotency_key,
        payout_made_twice,
        refund_given_twice,
        released_after_the_confirm,
        change_given_twice,
        commission_rounded_for_each_claim,
        reservation_left_open,
        marks_forgotten_too_early,
        claim_taken_for_paid,
        claim_paid_twice,
        coin_exchanged_twice,
        handed_over_and_kept,
        start_of_a_delegate_forgotten,
        reissued_and_not_written_down,
        nothing_searched_for,
        list_not_written_down,
        list_not_consulted,
        revocation_lost_at_a_start,
        voucher_counted_twice,
        stream_opened_again,
        paid_ahead_of_anything,
        page_given_for_nothing,
        receipt_made_anew,
        refused_order_sold,
    )
}
ONLY = {
    "coin_exchanged_twice": "ecash",
    "handed_over_and_kept": "cashu",
    "start_of_a_delegate_forgotten": "ecoupon",
    "reissued_and_not_written_down": "agent",
    "nothing_searched_for": "ecash",
    "list_not_written_down": "payword",
    "list_not_consulted": "agent",
    "revocation_lost_at_a_start": "payword",
    "voucher_counted_twice": "tick",
    "stream_opened_again": "tick",
    "paid_ahead_of_anything": "tick",
    "refused_order_sold": "netcash",
}
"""Faults of one scheme, for worlds of that."""
