"""The wallet's store: what the flow reads and writes, each command one transaction.

- Every secret is sealed (`vault.py`); what queries need (state, amounts, days, sites) is in clear.
- `BEGIN IMMEDIATE` and `synchronous=FULL`: what was answered is on the disk, and processes and
  threads that share the file take turns.
- A purchase is written, and its instrument `offered`, before its bytes are sent; an ask is written
  with its Idempotency-Key before it is sent. What a killed or cancelled process leaves behind is
  found as abandoned (`rows.py`) and finished by whoever finds it.
- `released -> done` is allowed: a vendor that said "no such payment" may have got it after all.
"""

from collections.abc import Iterator
from typing import Any

import msgspec

from farthing.errors import Overlimit
from farthing.schemes.contract import Instrument, Json
from farthing.schemes.subscriptions import PLAN_PREFIX
from farthing.wallet import once, refunds, released
from farthing.wallet.asks import Asks
from farthing.wallet.commands import (
    Abandoned,
    Ask,
    FindHeld,
    FindMeans,
    FinishAsk,
    FinishRelease,
    KeepPeer,
    KeepRefund,
    Nothing,
    OpenAsk,
    OverBudget,
    Purchase,
    RecallDone,
    RecallReleased,
    Release,
    Reserve,
    Settle,
    StoreCommand,
    TakeNumber,
    TakeOver,
    TakeRelease,
    Unsettled,
    Wish,
)
from farthing.wallet.endings import Endings
from farthing.wallet.file import File
from farthing.wallet.policy import DAY_S
from farthing.wallet.releases import Releases
from farthing.wallet.rows import LEASE_S, OPEN, Rows
from farthing.wallet.spending import Spending
from farthing.wallet.waiting import Soon, Waiting, at_once

REPEAT_S = 3_300  # gates repeat a page for an hour by default; five minutes less, for slow clocks


class Store:
    """Commands over one open file. Safe to share between threads."""

    def __init__(self, file: File, soon: Soon = at_once) -> None:
        """Over an open file, which has no other; what may wait is written `soon`."""
        self.file = file
        self._rows = Rows(file)
        self._asks = Asks(self._rows)
        self._spending = Spending(file)
        self._releases = Releases(self._rows)
        self._endings = Endings(self._rows, self._spending, self._releases)
        self.waiting = Waiting(file, self._endings, soon)

    def close(self) -> None:
        """Write what waits for the next transaction, and close the file; `Busy`, `Broken`."""
        try:
            self.flush()
        finally:
            self.file.close()

    def flush(self) -> None:
        """Write what waits for the next transaction, if anything does; `Busy`, `Broken`."""
        self.waiting.flush()

    def do(self, command: StoreCommand) -> Any:
        """The answer to `command`, after its commit; `Busy`, `Broken`.

        That a purchase is done may wait (`waiting.py`); the answer is then True, whatever it was.
        """
        if isinstance(command, Settle) and command.state == "done":
            self.waiting.add(command)
            return True
        with self.waiting.transaction():
            return self._carry_out(command)

    def _carry_out(self, command: StoreCommand) -> Any:
        match command:
            case Reserve():
                return self._reserve(command)
            case Settle():
                return self._endings.settle(command)
            case TakeRelease() | FinishRelease():
                return self._releases.do(command)
            case RecallReleased():
                return released.recall(self._rows, command)
            case RecallDone() | KeepRefund():
                return refunds.do(self._rows, command)
            case OpenAsk() | FindMeans() | FinishAsk():
                return self._asks.do(command)
            case Abandoned():
                return self._abandoned(command.now_s)
            case TakeOver():
                return self._take_over(command)
            case FindHeld() | KeepPeer() | TakeNumber():
                return self._rows.do(command)

    def _abandoned(
        self, now_s: int
    ) -> tuple[tuple[Purchase, ...], tuple[Ask, ...], tuple[Release, ...]]:
        take_over = self._rows.take_over
        return (
            tuple(take_over(Purchase, "purchases", now_s, OPEN["purchases"])),
            tuple(take_over(Ask, "asks", now_s, OPEN["asks"])),
            self._releases.abandoned(now_s),
        )

    def _take_over(self, command: TakeOver) -> tuple[Purchase, ...]:
        where, values = OPEN["purchases"], tuple[str, ...]()
        if command.vendor_id:
            where, values = (
                f"broker=? AND vendor=? AND {where}",
                (command.broker_id, command.vendor_id),
            )
        return tuple(self._rows.take_over(Purchase, "purchases", command.now_s, where, values))

    def deliver(self, purchase: Purchase) -> None:
        """The page has reached the payer: from now on the same request is another purchase.

        Until then it is the same one, and whoever makes it again sends the same bytes.
        """
        self.waiting.add(purchase)

    def let_go(self, ids: tuple[str, ...]) -> None:
        """Whoever drove these purchases and asks has stopped; others may take them over."""
        with self.waiting.transaction(is_command=False):
            for row_id in ids:
                self._rows.db.execute("UPDATE purchases SET owner=0 WHERE id=?", (row_id,))
                self._rows.db.execute("UPDATE asks SET owner=0 WHERE id=?", (row_id,))

    # --- purchases ------------------------------------------------------------------------------

    def _reserve(self, command: Reserve) -> Purchase | Ask | Unsettled | OverBudget | Nothing:
        tag = self._tag(command)
        same = self._same(command, tag)
        if command.answered is not None:
            return self._pay_answered(*command.answered, command, tag)
        if same is not None:
            return Unsettled(purchase=same, same=True)
        for number, wish in enumerate(command.wishes):
            made = self._make_purchase(number, wish, command)
            due_micro = wish.from_micro
            if made is not None and isinstance(made[0], Purchase):
                due_micro = made[0].price_micro
            wish = msgspec.structs.replace(wish, price_micro=due_micro)
            refusal = self._refusal_of(wish, command)
            if refusal is not None:
                return OverBudget(wish=wish, refusal=refusal)
            if made is not None:
                return self._write(*made, command, tag)
        for wish in command.wishes:
            found = self._take_over_purchase(
                command,
                f"broker=? AND vendor=? AND {OPEN['purchases']}",
                (wish.broker_id, wish.vendor_id),
            )
            if found is not None:
                return Unsettled(purchase=found, same=False)
            ask = self._asks.abandoned(wish, command)
            if ask is not None:
                return ask
        return Nothing(coming=any(self._is_coming(wish, command.now_s) for wish in command.wishes))

    def _same(self, command: Reserve, tag: bytes) -> Purchase | None:
        """The purchase of this very request that is open, or whose page has not come yet."""
        if command.once:
            return once.bought(self._rows, command, tag)
        if command.apart or command.answered is not None:
            return None
        return self._take_over_purchase(
            command,
            f"request=? AND delivered=0 AND ({OPEN['purchases']}"
            " OR (state='done' AND created_at_s>?))",
            (tag, command.now_s - REPEAT_S),
            to_send=True,
        )

    def _refusal_of(self, wish: Wish, command: Reserve) -> Overlimit | None:
        """What the budgets have against it."""
        try:
            command.allow(wish, self._spending.today(wish.currency, command.site, command.now_s))
        except Overlimit as refusal:
            return refusal
        return None

    def _write(
        self,
        made: Purchase | Ask,
        opened: tuple[Instrument, ...],
        command: Reserve,
        tag: bytes,
    ) -> Purchase | Ask:
        for each in opened:
            self._rows.put_instrument(made.broker_id, command.site, each)
        if isinstance(made, Ask):
            self._asks.write_first(made)
        else:
            self._write_purchase(made, tag)
        return made

    def _pay_answered(
        self, ask: Ask, answer: Json, command: Reserve, tag: bytes
    ) -> Purchase | Nothing:
        """The purchase that the mint's answer makes, written as the ask ends; else nothing is."""
        nothing = Nothing(coming=False)
        general = self._asks.waiting(ask)
        if general is None:  # another process has finished it
            return nothing
        for number, wish in enumerate(command.wishes):
            if (wish.scheme, wish.broker_id) != (ask.scheme, ask.broker_id):
                continue
            made = command.pay(number, general, answer)
            if isinstance(made, Purchase) and self._refusal_of(wish, command) is None:
                left = made.paid.spent if made.paid.general is None else made.paid.general
                instruments = tuple({each.id: each for each in (left, made.paid.spent)}.values())
                self._asks.do(FinishAsk(ask=ask, instruments=instruments, now_s=command.now_s))
                self._write_purchase(made, tag)
                return made
        return nothing

    def _make_purchase(
        self, number: int, wish: Wish, command: Reserve
    ) -> tuple[Purchase | Ask, tuple[Instrument, ...]] | None:
        """Out of the vendor's instrument that ends first, else of a general one; None without.

        With what the general one becomes and what was opened of it: to be written first. The ask
        instead where the mint must answer before.
        """
        for instrument in self._ready(wish, wish.vendor_id, command):
            made = command.pay(number, instrument, None)
            if made is not None:
                return made, ()
        if command.patient and self._is_coming(wish, command.now_s):
            return None
        for instrument in self._ready(wish, "", command):
            opened = command.open(number, instrument)
            made = command.pay(number, opened[1], None) if opened is not None else None
            if opened is not None and made is not None:
                return made, opened
        return None

    def _ready(self, wish: Wish, vendor_id: str, command: Reserve) -> Iterator[Instrument]:
        """Ready instruments of one vendor ("" for any) that are worth enough, first end first.

        Before all others those with a subscription, whatever they are worth.
        """
        found = self._rows.candidates(
            "SELECT broker, scheme, id, vendor, currency, worth_micro, expires_at_s, body"
            " FROM instruments WHERE state='ready' AND vendor=? AND scheme=?"
            " AND expires_at_s>? AND broker=? AND currency=? AND (worth_micro>=? OR id GLOB ?7)"
            " ORDER BY id NOT GLOB ?7, expires_at_s, worth_micro LIMIT ?8 OFFSET ?9",
            (
                vendor_id,
                wish.scheme,
                command.now_s,
                wish.broker_id,
                wish.currency,
                wish.from_micro,
                PLAN_PREFIX + "*",
            ),
        )
        return (each for each in found if each.id not in command.skip)

    def _write_purchase(self, made: Purchase, tag: bytes) -> None:
        self._rows.db.execute(
            "INSERT INTO purchases VALUES (?,?,?,0,?,?,?,?,?,?,?,?,?,'sent',NULL,0,?,?)",
            (
                made.id,
                made.created_at_s // DAY_S,
                made.created_at_s,
                made.site,
                tag,
                made.broker_id,
                made.scheme,
                made.vendor_id,
                made.paid.spent.id,
                made.price_micro,
                made.currency,
                self._rows.seal(made, "purchases", made.id),
                self.file.owner,
                made.created_at_s + LEASE_S,
            ),
        )
        if made.opened_from is not None:
            for instrument in (made.opened_from, made.paid.spent):
                self._rows.put_instrument(made.broker_id, made.site, instrument)
        if made.price_micro:  # a subscription pays for several pages at once
            self._rows.mark("offered", made.id, made.broker_id, made.scheme, made.paid.spent.id)
        self._spending.add(made)

    def _tag(self, command: Reserve) -> bytes:
        """Finds a request again without storing its address in clear."""
        request = command.request
        if command.once:
            return self.file.vault.tag("once", command.once)
        fields = (request.method, request.url, request.body_digest)
        return self.file.vault.tag(*fields, *(("stream",) if command.apart else ()))

    def _take_over_purchase(
        self, command: Reserve, where: str, values: tuple[Any, ...], *, to_send: bool = False
    ) -> Purchase | None:
        """The oldest abandoned purchase `where`; the others stay for the next who asks."""
        found = self._rows.take_over(
            Purchase,
            "purchases",
            command.now_s,
            where,
            values,
            skip=command.skip,
            count_max=1,
            to_send=to_send,
        )
        return found[0] if found else None

    def _is_coming(self, wish: Wish, now_s: int) -> bool:
        """Whether somebody is paying with an instrument of this kind, or asking for one."""
        where = "broker=? AND vendor=? AND scheme=?"
        values = (wish.broker_id, wish.vendor_id, wish.scheme)
        rows = [
            *self._rows.leases("purchases", f"{where} AND {OPEN['purchases']}", values),
            *self._rows.leases("asks", f"{where} AND {OPEN['asks']}", values),
        ]
        return any(self._rows.is_held(owner, until_s, now_s) for _, owner, until_s in rows)
