"""A broker, a vendor and a payer in one process, each with its own side of one scheme.

The broker's books are dictionaries, the vendor's marks are the real store in memory. Every message
crosses as JSON bytes, so nothing passes that would not pass on the wire.
"""

import copy
import hashlib
from collections import Counter
from collections.abc import Sequence

import msgspec

from farthing import codec, marks
from farthing.errors import Misconfigured, Replayed, Unsupported
from farthing.marks import Advance, Claim, Delete, Memory, Once, Place, Put
from farthing.schemes.contract import (
    Accepted,
    Account,
    Applied,
    Asked,
    AskFirst,
    At,
    Binding,
    Instrument,
    Json,
    Key,
    Mint,
    Need,
    Offer,
    Operation,
    Paid,
    Purse,
    Redeemed,
    Scheme,
    Setting,
    Taken,
    Till,
)
from farthing.schemes.refutals import Refuted
from farthing.stores.memory import MemoryMarks
from tests.kit.canaries import draw

NOW_S = 1_795_176_000  # 2026-11-20T12:00:00Z
DAY_S = 86_400
BROKER, VENDOR, PAYER = "test-broker", "news", "ann"
TARGET = "GET /articles/1"
LEASE_S = 60


class Ring:
    """Keys by purpose, the newest last added."""

    def __init__(self, *keys: Key) -> None:
        self._keys: dict[tuple[str, str], Key] = {}
        for key in keys:
            self.add(key)

    def add(self, key: Key) -> None:
        self._keys[key.purpose, key.id] = key

    def revoke(self, purpose: str, key_id: str) -> None:
        del self._keys[purpose, key_id]

    def live(self, purpose: str) -> Sequence[Key]:
        found = [key for (of, _), key in reversed(self._keys.items()) if of == purpose]
        if not found:
            raise Misconfigured("key_missing", f"no key for {purpose}")
        return found[:2]

    def known(self, purpose: str) -> Sequence[Key]:
        return [key for (of, _), key in reversed(self._keys.items()) if of == purpose]

    def current(self, purpose: str) -> Key:
        return self.live(purpose)[0]

    def find(self, purpose: str, key_id: str) -> Key | None:
        return self._keys.get((purpose, key_id))


class Clock:
    """The time that everybody shares, and randomness that repeats."""

    def __init__(self) -> None:
        self.now_s = NOW_S
        self._drawn = 0

    def at(self, *serials: int) -> At:
        self._drawn += 1
        return At(now_s=self.now_s, entropy=draw(str(self._drawn)), serials=serials)


def on_the_wire(message: Json) -> Json:
    """A message as the other side reads it."""
    return codec.read_json(codec.canonical(message))


def setting_of(ring: Ring, *, vendor_id: str = "", **options: Json) -> Setting:
    return Setting(
        broker_id=BROKER,
        broker_url="https://broker.example",
        currency="eur",
        ring=ring,
        vendor_id=vendor_id,
        options=options,
    )


class Broker:
    """A mint over dictionaries."""

    def __init__(self, scheme: Scheme, ring: Ring, clock: Clock) -> None:
        self.mint: Mint = scheme.mint(setting_of(ring))
        self.ring, self.clock = ring, clock
        self.onces: set[bytes] = set()
        self.counters: dict[bytes, Place] = {}
        self.records: dict[bytes, bytes] = {}
        self.kept_until_s: dict[bytes, int] = {}
        self.due: list[tuple[int, bytes]] = []
        self.balances: Counter[str] = Counter()
        """Micro-units by `kind/id`; they sum to zero."""

    def run(self, operation: Operation, message: Json, account: Account) -> Applied:
        """One operation, decided and written down; a refusal changes nothing."""
        at = self.clock.at()
        checked = self.mint.check(operation, on_the_wire(message), account, at)
        applied = self.mint.apply(checked, self.read(self.mint.recall(checked)), at)
        self._write(applied)
        if isinstance(applied, Refuted):
            raise applied.refusal
        return applied

    def redeem(self, message: Json, vendor_id: str = VENDOR) -> int:
        """What one claim earned, in micro-units."""
        applied = self.run("redeem", message, vendor_account(vendor_id))
        assert isinstance(applied, Redeemed)
        return applied.paid_micro

    def lapse(self) -> None:
        """Whatever is due by now; then what is over is forgotten."""
        due = sorted(entry for entry in set(self.due) if entry[0] <= self.clock.now_s)
        self.due = [entry for entry in self.due if entry[0] > self.clock.now_s]
        for _, key in due:
            if key not in self.records:
                continue
            applied = self.mint.lapse(key, self.records[key], self.clock.at())
            if applied is not None:
                self._write(applied)
        over = [key for key in self.records if self.kept_until_s[key] < self.clock.now_s]
        for key in over:
            del self.records[key]

    def snapshot(self) -> object:
        """All that it knows, but for what proves a contradiction: that outlives a refusal."""
        prefix = self.mint.contradicted
        records = {
            key: value
            for key, value in self.records.items()
            if not (prefix and key.startswith(prefix))
        }
        return copy.deepcopy((self.onces, self.counters, records, dict(self.balances)))

    def read(self, keys: marks.Keys) -> Memory:
        """What stands under these keys."""
        records = {key: self.records[key] for key in keys.records if key in self.records}
        for key, value in self.records.items():
            if key.startswith(keys.prefixes or (b"\0",)):
                records[key] = value
        counters = {key: self.counters[key] for key in keys.counters if key in self.counters}
        return Memory(counters=counters, records=records)

    def _write(self, applied: Applied) -> None:
        for mark in applied.marks:
            match mark:
                case Once():
                    if mark.id in self.onces:
                        raise Replayed("claim_already_paid", "this was redeemed before")
                    self.onces.add(mark.id)
                case Advance():
                    place = self.counters.get(mark.id)
                    assert (place.to if place is not None else 0) == mark.over
                    self.counters[mark.id] = Place(to=mark.to, link=mark.link)
        for record in applied.records:
            match record:
                case Put():
                    kept = self.kept_until_s.get(record.key, 0)
                    self.records[record.key] = record.value
                    self.kept_until_s[record.key] = max(kept, record.until_s)
                case Delete():
                    self.records.pop(record.key, None)
        for key in applied.keys:
            self.ring.add(key)
        self._await(applied.due)
        for flow in applied.flows:
            assert flow.amount_micro > 0
            self.balances[f"{flow.source.kind}/{flow.source.id}"] -= flow.amount_micro
            self.balances[f"{flow.target.kind}/{flow.target.id}"] += flow.amount_micro
        assert sum(self.balances.values()) == 0

    def _await(self, due: tuple[tuple[int, bytes], ...]) -> None:
        for due_s, key in due:
            kept_until_s = self.kept_until_s.get(key, due_s)
            assert kept_until_s >= due_s, "what is forgotten before it is due stays frozen"
        self.due += due


class Served(msgspec.Struct, frozen=True, kw_only=True):
    """A payment that the vendor took."""

    taken: Taken
    change: Json


class Vendor:
    """A till over real marks in memory, and the vendor's own mint where there is one."""

    def __init__(
        self, scheme: Scheme, ring: Ring, clock: Clock, vendor_id: str = VENDOR, **options: Json
    ) -> None:
        setting = setting_of(ring, vendor_id=vendor_id, **options)
        self.id, self.ring, self.clock = vendor_id, ring, clock
        self.till: Till = scheme.till(setting)
        self.store = MemoryMarks()
        self._name = scheme.traits.name
        self._mint = scheme.vendor_mint(setting) if scheme.vendor_mint is not None else None
        self._arrived = 0

    def offer(self, price_micro: int) -> Offer:
        return self.till.offer(price_micro, self.clock.at())

    def serve(
        self, payload: Json | bytes, offer: Offer, *, k: str = "", target: str = TARGET
    ) -> Served:
        """Take a payment as a gate does; without `k` it is another payment each time."""
        self._arrived += 1
        k = k or f"k{self._arrived}"
        raw = payload if isinstance(payload, bytes) else codec.canonical(payload)
        payment = self.till.read(raw)
        keys = self.till.recall(payment)
        memory = self.store.do_now(marks.Read(keys=keys)) if keys else marks.NOTHING
        at = self.clock.at()
        taken = self.till.take(payment, offer, binding_of(k, target), memory, at)
        series = self.till.series(taken)
        if series:
            lease = marks.LeaseSerials(series=series, count=1)
            at = self.clock.at(self.store.do_now(lease))
        hold = marks.Hold(
            k=k,
            digest=hashlib.sha256(codec.enc(k, raw, target)).digest(),
            marks=taken.marks,
            kept=taken.kept,
            now_s=at.now_s,
            lease_until_s=at.now_s + LEASE_S,
            until_s=taken.until_s,
        )
        finished = self.till.finish(taken, None, at)
        served = msgspec.json.encode(finished)
        done = self.store.do_now(
            marks.Take(hold=hold, outcome=served, records=taken.records, claims=taken.claims)
        )
        outcome = done.outcome if isinstance(done, marks.Settled) else served
        return Served(taken=taken, change=msgspec.json.decode(outcome).get("change"))

    def burn(self, message: Json) -> Json:
        """The vendor's own mint takes a piece back."""
        return self.mint("take_back", message)

    def mint(self, operation: Operation, message: Json) -> Json:
        """One operation of the vendor's own mint; the same message has one effect."""
        if self._mint is None:
            raise Unsupported("operation_unsupported", "this vendor has no mint")
        message = on_the_wire(message)
        account = Account(id="", role="payer")
        digest = codec.digest(message)
        k = codec.b64u(digest)
        known = self.store.do_now(marks.Find(k=k))
        if known is not None:
            return codec.read_json(known.outcome)
        checked = self._mint.check(operation, message, account, self.clock.at())
        series = self._mint.series(checked)
        serials: tuple[int, ...] = ()
        if series:
            serials = (self.store.do_now(marks.LeaseSerials(series=series, count=1)),)
        at = self.clock.at(*serials)
        keys = self._mint.recall(checked)
        memory = self.store.do_now(marks.Read(keys=keys)) if keys else marks.NOTHING
        applied = self._mint.apply(checked, memory, at)
        answer = codec.canonical(applied.answer)
        hold = marks.Hold(
            k=k,
            digest=digest,
            marks=applied.marks,
            kept=b"",
            now_s=at.now_s,
            lease_until_s=at.now_s,
            until_s=at.now_s + 400 * DAY_S,
        )
        done = self.store.do_now(
            marks.Take(hold=hold, outcome=answer, records=applied.records, claims=applied.claims)
        )
        return codec.read_json(done.outcome if isinstance(done, marks.Settled) else answer)

    def claims(self) -> list[Json]:
        """What the next sweep would show the broker."""
        rows = self.store.do_now(marks.Pending(scheme=self._name, count=1000))
        batch: tuple[Claim, ...] = tuple(claim for _, claim in rows)
        keys = self.till.archive(batch)
        memory = self.store.do_now(marks.Read(keys=keys)) if keys else marks.NOTHING
        return [on_the_wire(message) for message in self.till.sweep(batch, memory, self.clock.at())]

    def snapshot(self) -> object:
        """All that the store knows, the serials apart: those may be skipped."""
        facts = {name: value for name, value in vars(self.store).items() if name[1:] in _FACTS}
        return copy.deepcopy(facts)


_FACTS = ("payments", "held", "onces", "counters", "records", "outbox")


def binding_of(k: str = "k", target: str = TARGET) -> Binding:
    method, _, path_query = target.partition(" ")
    return Binding(
        dialect="mpp",
        k=k,
        method=method,
        host="news.example",
        path_query=path_query,
        target=target,
    )


def payer_account(name: str = PAYER, *, credit_limit_micro: int = 0, props: str = "") -> Account:
    return Account(id=name, role="payer", credit_limit_micro=credit_limit_micro, props=props)


def vendor_account(name: str = VENDOR) -> Account:
    return Account(id=name, role="vendor")


class Payer:
    """A purse, and the account that it buys with."""

    def __init__(self, scheme: Scheme, ring: Ring, clock: Clock, account: Account) -> None:
        self.purse: Purse = scheme.purse(setting_of(ring))
        self.account, self.clock = account, clock

    def buy(self, broker: Broker, amount_micro: int, vendor_id: str = VENDOR) -> Instrument:
        """Spending power from the broker."""
        need = Need(amount_micro=amount_micro, currency="eur", vendor_id=vendor_id)
        asked = self.purse.ask(need, self.clock.at())
        applied = broker.run(asked.operation, asked.message, self.account)
        received = self.purse.receive(asked, on_the_wire(applied.answer), self.clock.at())
        assert not isinstance(received, Asked)
        return received[0]

    def pay(self, instrument: Instrument, offer: Offer, *, target: str = TARGET) -> Paid:
        paid = self.purse.pay(instrument, offer, binding_of(target=target), self.clock.at())
        assert not isinstance(paid, AskFirst)
        return paid

    def conclude(self, paid: Paid, served: Served) -> Instrument | None:
        """What is left after the vendor took the payment."""
        change = served.change
        concluded = self.purse.conclude(paid, Accepted(change=change), self.clock.at())
        return concluded.instruments[0] if concluded.instruments else None

    def spend(self, vendor: Vendor, instrument: Instrument, price_micro: int) -> Instrument | None:
        """One whole purchase; what is left of the instrument."""
        offer = vendor.offer(price_micro)
        paid = self.pay(instrument, offer)
        return self.conclude(paid, vendor.serve(paid.payload, offer))
