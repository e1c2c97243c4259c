"""A broker, a vendor and wallets in one room: the same code for every scheme.

The steps are those of the real engine, gate and wallet, without their I/O; the stores are real
ones in memory. Whatever passes from one party to another passes as JSON text.
"""

import hashlib
from collections import Counter

import msgspec

from farthing import codec, marks
from farthing.errors import Refusal, Unfunded
from farthing.marks import Keys, Memory
from farthing.schemes.contract import (
    Account,
    Applied,
    At,
    Binding,
    Challenge,
    End,
    Json,
    Mint,
    Offer,
    Operation,
    Redeemed,
    Scheme,
    Taken,
    Till,
    Waiting,
)
from farthing.schemes.streams import Meter, terms_of
from farthing.stores.memory import MemoryMarks
from farthing.vendor import metering
from tests.kit.parties import LEASE_S, VENDOR, Clock, Ring, on_the_wire, setting_of

FOREVER_S = 2**40
METER = Meter(unit="seconds", count=2, grace=3)  # of every stream here


class Room(Clock):
    """The clock, the dice and the money."""

    def __init__(self) -> None:
        super().__init__()
        self.micro: Counter[str] = Counter()
        """Micro-units by `kind/id`; they sum to zero."""

    def move(self, source: End, target: End, amount_micro: int) -> None:
        if source.kind == "payer" and self.micro[name_of(source)] < amount_micro:
            raise Unfunded("balance_short")
        self.micro[name_of(source)] -= amount_micro
        self.micro[name_of(target)] += amount_micro

    def owned_micro(self, kind: str) -> int:
        return sum(micro for name, micro in self.micro.items() if name.startswith(f"{kind}/"))


def name_of(end: End) -> str:
    return f"{end.kind}/{end.id}"


class Issuer:
    """A mint at work, at the broker or at a vendor: check, recall, apply, and one transaction."""

    def __init__(self, room: Room, mint: Mint, ring: Ring, store: MemoryMarks) -> None:
        self.room, self.mint, self.ring, self.store = room, mint, ring, store
        self._due: list[tuple[int, bytes]] = []
        self._reserved: dict[str, tuple[Applied, int]] = {}
        self._settled: dict[str, Json] = {}
        self._number = 0

    def run(self, operation: Operation, message: Json, account: Account) -> Applied:
        """One request under a fresh idempotency key."""
        applied = self._decide(operation, message, account)
        self._number += 1
        self._enact(applied, f"op-{self._number}", self._hold(applied, f"op-{self._number}"))
        return msgspec.structs.replace(applied, answer=on_the_wire(applied.answer))

    def settle(self, message: Json, account: Account, price_micro: int, *, reserve: bool) -> Json:
        """What the till passes on; with `reserve` nothing yet. The same message is one payment."""
        tx = codec.digest(message).hex()
        if tx not in self._settled and tx not in self._reserved:
            applied = self._decide("redeem", message, account)
            assert isinstance(applied, Redeemed)
            assert applied.paid_micro >= price_micro
            self._reserved[tx] = applied, self._hold(applied, tx)
        return None if reserve else self.capture(message)

    def capture(self, message: Json) -> Json:
        tx = codec.digest(message).hex()
        if tx not in self._settled:
            applied, fence = self._reserved.pop(tx)
            self._enact(applied, tx, fence)
            self._settled[tx] = on_the_wire(applied.for_payer)
        return self._settled[tx]

    def void(self, message: Json) -> None:
        tx = codec.digest(message).hex()
        _, fence = self._reserved.pop(tx)
        self.store.do_now(marks.Release(k=tx, fence=fence))

    def tick(self) -> None:
        """What time does."""
        for at_s, key in sorted(due for due in self._due if due[0] <= self.room.now_s):
            self._due.remove((at_s, key))
            found = self._read(Keys(records=(key,))).records.get(key)
            applied = None if found is None else self.mint.lapse(key, found, self.room.at())
            if applied is not None:
                self._number += 1
                k = f"op-{self._number}"
                self._enact(applied, k, self._hold(applied, k))

    def _decide(self, operation: Operation, message: Json, account: Account) -> Applied:
        at = self.room.at()
        checked = self.mint.check(operation, on_the_wire(message), account, at)
        return self.mint.apply(checked, self._read(self.mint.recall(checked)), at)

    def _read(self, keys: Keys) -> Memory:
        found: Memory = self.store.do_now(marks.Read(keys=keys))
        return found

    def _hold(self, applied: Applied, k: str) -> int:
        now_s = self.room.now_s
        held = self.store.do_now(
            marks.Hold(
                k=k,
                digest=k.encode(),
                marks=applied.marks,
                kept=b"",
                now_s=now_s,
                lease_until_s=now_s + LEASE_S,
                until_s=FOREVER_S,
            )
        )
        assert isinstance(held, marks.Held)
        return held.fence

    def _enact(self, applied: Applied, k: str, fence: int) -> None:
        for flow in applied.flows:
            self.room.move(flow.source, flow.target, flow.amount_micro)
        for key in applied.keys:
            self.ring.add(key)
        self._due += applied.due
        confirm = marks.Confirm(k=k, fence=fence, outcome=b"", records=applied.records)
        self.store.do_now(confirm)


class Tender(msgspec.Struct, frozen=True, kw_only=True):
    """An offer, and the K of its challenge."""

    offer: Offer
    k: str


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """A receipt with the page, or word that nothing was charged."""

    state: str
    k: str
    amount_micro: int = 0
    page: str = ""
    change: Json = None
    released: Json = None


_READ_REPLY = msgspec.json.Decoder(Reply).decode


class Vendor:
    """A gate before one page, and its outbox."""

    def __init__(self, room: Room, scheme: Scheme, ring: Ring, broker: Issuer) -> None:
        self.room, self.scheme, self.ring, self.broker = room, scheme, ring, broker
        setting = setting_of(ring, vendor_id=VENDOR)
        self.till: Till = scheme.till(setting)
        self.account = Account(id=VENDOR, role="vendor")
        self.store = MemoryMarks()
        self.stream = ""
        """Of the payment that came last."""
        self.clearing: marks.Moment = "batch"
        """What the vendor asks for; a till may ask for an earlier one."""
        self.asked_origin = 0
        made = scheme.vendor_mint(setting) if scheme.vendor_mint else None
        self.issuer = Issuer(room, made, ring, self.store) if made is not None else None

    def tender(self, price_micro: int, page: str = "page") -> Tender:
        at = self.room.at()
        offer = self.till.offer(price_micro, at)
        if self.scheme.traits.sealed:
            offer = self.till.seal(offer, page.encode(), at)
        if self.till.streams:
            terms = offer.terms | terms_of(METER)
            offer = msgspec.structs.replace(offer, intent="session", terms=terms)
        terms = on_the_wire(offer.terms)
        return Tender(offer=msgspec.structs.replace(offer, terms=terms), k=at.entropy[:8].hex())

    def serve(self, tender: Tender, payload: Json, *, page: str | None = "page") -> Reply:
        """One payment through the gate; `page` None: the origin fails. Any refusal."""
        at = self.room.at()
        text = codec.canonical(payload)
        payment = self.till.read(text)
        k = self.till.own_k(payment) or tender.k
        digest = hashlib.sha256(k.encode() + text).digest()
        try:
            taken, held = self._take(payment, tender, k, digest, at)
        except Refusal:
            stored: marks.Payment | None = self.store.do_now(marks.Find(k=k))
            if stored is None or stored.digest != digest or not stored.outcome:
                raise
            return _READ_REPLY(stored.outcome)
        if isinstance(held, marks.Settled):
            return _READ_REPLY(held.outcome)
        taken = msgspec.structs.replace(taken, kept=held.kept)
        try:
            message = self._message(payment, payload, taken, at)
            redeemed = self._settle(message, taken)
        except Refusal:
            self.store.do_now(marks.Release(k=k, fence=held.fence))
            raise
        return self._deliver(taken, message, redeemed, k, held, page)

    def _take(
        self, payment: object, tender: Tender, k: str, digest: bytes, at: At
    ) -> tuple[Taken, marks.Held | marks.Settled]:
        keys, self.stream = self.till.recall(payment), self.till.stream_of(payment)
        found = self._read(metering.with_stream(keys, self.stream))
        memory = metering.without_stream(found, self.stream)
        offer = msgspec.structs.replace(tender.offer, sealed=b"")
        taken = self.till.take(payment, offer, binding_of(tender.k), memory, at)
        if self.stream:
            taken = metering.counted(taken, self.stream)
        return taken, self._hold(taken, k, digest)

    def _message(self, payment: object, payload: Json, taken: Taken, at: At) -> Json:
        """What the broker is sent of a payment that clears before; None: nothing."""
        if "before" not in {taken.moment, self.clearing}:
            return None
        memory = self._read(self.till.archive(taken.claims))
        return self.till.endorse(payment, taken, memory, at) or payload

    def _settle(self, message: Json, taken: Taken) -> Json:
        """What the broker gives for the payer at once; a reservation gives nothing yet."""
        if message is None:
            return None
        reserve = not taken.delivered
        return self.broker.settle(message, self.account, taken.value_micro, reserve=reserve)

    def _deliver(
        self,
        taken: Taken,
        message: Json,
        redeemed: Json,
        k: str,
        held: marks.Held,
        page: str | None,
    ) -> Reply:
        if not taken.delivered:
            self.asked_origin += 1
            if page is None:
                self.store.do_now(marks.Release(k=k, fence=held.fence))
                if message is not None:
                    self.broker.void(message)
                return Reply(state="released", k=k)
            redeemed = None if message is None else self.broker.capture(message)
        at = self.room.at()
        series = self.till.series(taken)
        if series:
            serial = self.store.do_now(marks.LeaseSerials(series=series, count=1))
            at = msgspec.structs.replace(at, serials=(serial,))
        finished = self.till.finish(taken, redeemed, at)
        reply = Reply(
            state="paid",
            k=k,
            amount_micro=taken.value_micro,
            page="" if taken.delivered or page is None else page,
            change=on_the_wire(finished.change),
            released=on_the_wire(finished.released),
        )
        outcome = msgspec.json.encode(reply)
        records, claims = taken.records, taken.claims if message is None else ()
        self.store.do_now(
            marks.Confirm(k=k, fence=held.fence, outcome=outcome, records=records, claims=claims)
        )
        return reply

    def _hold(self, taken: Taken, k: str, digest: bytes) -> marks.Held | marks.Settled:
        held: marks.Held | marks.Settled = self.store.do_now(
            marks.Hold(
                k=k,
                digest=digest,
                marks=taken.marks,
                kept=taken.kept,
                now_s=self.room.now_s,
                lease_until_s=self.room.now_s + LEASE_S,
                until_s=taken.until_s,
            )
        )
        return held

    def _read(self, keys: Keys) -> Memory:
        found: Memory = self.store.do_now(marks.Read(keys=keys))
        return found

    def lose(self, prefix: bytes) -> None:
        """Forget records, as no honest vendor does."""
        found = self._read(Keys(prefixes=(prefix,)))
        gone = tuple(marks.Delete(key=key) for key in found.records)
        now_s = self.room.now_s
        hold = marks.Hold(
            k="lose",
            digest=b"",
            marks=(),
            kept=b"",
            now_s=now_s,
            lease_until_s=now_s,
            until_s=now_s,
        )
        self.store.do_now(marks.Take(hold=hold, outcome=b"", records=gone))

    def allowance_s(self, tender: Tender) -> int:
        """How long the stream that was paid last may have gone on."""
        key = metering.key_of(self.stream)
        ticks = metering.paid_micro(self._read(Keys(records=(key,))), key)
        ticks //= tender.offer.price_micro
        return (ticks + METER.grace) * METER.count if ticks else 0

    def clear(self) -> list[Applied]:
        """Show the broker every claim that is due, and answer what it asks back."""
        results: list[Applied] = []
        for (key, order), message in self.due().items():
            [result] = self.show([message])
            if isinstance(result, Challenge):
                result = self.respond(result)[-1]
            results.append(result)
            if not isinstance(result, Waiting):
                scheme = self.scheme.traits.name
                self.store.do_now(marks.Acknowledge(scheme=scheme, done=((key, order),)))
        return results

    def due(self) -> dict[tuple[bytes, int], Json]:
        """Redeem messages by the key and order of their claims."""
        pending = marks.Pending(scheme=self.scheme.traits.name, count=100)
        rows: tuple[tuple[int, marks.Claim], ...] = self.store.do_now(pending)
        claims = tuple(claim for _, claim in rows)
        memory = self._read(self.till.archive(claims))
        swept = zip(claims, self.till.sweep(claims, memory, self.room.at()), strict=True)
        return {
            (claim.key, claim.order): message for claim, message in swept if message is not None
        }

    def show(self, messages: list[Json]) -> list[Applied]:
        return [self.broker.run("redeem", message, self.account) for message in messages]

    def respond(self, challenge: Applied) -> list[Applied]:
        memory = self._read(self.till.evidence(challenge.answer))
        return self.show(self.till.answer(challenge.answer, memory, self.room.at()))


def binding_of(k: str) -> Binding:
    return Binding(
        dialect="mpp", k=k, method="GET", host="news.example", path_query="/a", target="GET /a"
    )


class Stream:
    """Bytes that go out second by second, as far as they are paid for."""

    def __init__(self, vendor: Vendor, tender: Tender) -> None:
        self._vendor, self._tender = vendor, tender
        self.served_s = 0

    def run(self, seconds: int) -> int:
        """How many of so many seconds were served; the others passed in a pause."""
        before_s = self.served_s
        for _ in range(seconds):
            self.served_s += self.served_s < self._vendor.allowance_s(self._tender)
        return self.served_s - before_s
