"""The fair chain, paper-thin: half a unit before the page, the other half after it.

Only the shape is real: a ticket has a fixed size and life, and what no ticket has taken of an
escrow stays there. Links and tickets are in `ticket.py`; no public key anywhere.
"""

import msgspec

from farthing import codec
from farthing.errors import Expired, Forged, Late, OutOfRange, Replayed, WrongPayer
from farthing.marks import Advance, Delete, Keys, Memory, Place
from farthing.schemes import contract as c
from farthing.schemes.contract import At, Binding, Instrument, Json, Offer
from tests.kit.thin import shape
from tests.kit.thin.shape import DAY_S, FOREVER_S, SHARED_KEY
from tests.kit.thin.ticket import UNIT_MICRO, UNITS, Escrow, Half, Pouch, Used, half_of, ticket_of

TRAITS = shape.traits_of("fairchain", "Yang, Lang, Tan 2004")

_HALF, _ESCROW = codec.Reader(Half), codec.Reader(Escrow)
_USED, _POUCH = codec.Reader(Used), codec.Reader(Pouch)


def _escrow_key(name: str) -> bytes:
    return b"fair/escrow/" + name.encode()


def _end(kind: c.EndKind, name: str) -> c.End:
    return c.End(kind=kind, id=name)


class Mint(c.Mint):
    traits = TRAITS

    def check(self, operation: c.Operation, message: Json, account: c.Account, at: At) -> c.Checked:
        if operation == "redeem":
            message = _HALF.convert(message)
            message.ticket.verify(self.setting.ring.current(SHARED_KEY).secret, account.id)
            message.verify(codec.unb64u(message.ticket.root), 0)
            if at.now_s > message.ticket.until + DAY_S:
                raise Late("claim_after_submit_window", "submit within a day")
        return c.Checked(operation=operation, message=message, account=account)

    def recall(self, checked: c.Checked) -> Keys:
        if checked.operation == "redeem":
            return Keys(records=(checked.message.ticket.key,))
        name: str | None = checked.message.get("name")
        return Keys(records=(_escrow_key(name),) if name else ())

    def apply(self, checked: c.Checked, memory: Memory, at: At) -> c.Applied:
        message, account = checked.message, checked.account.id
        if checked.operation == "redeem":
            return _pay(message, memory)
        if "name" in message:
            return self._assign(message["name"], message["vendor"], account, memory, at)
        name, units = at.entropy[:8].hex(), message["units"]
        escrow = Escrow(account=account, seed=message["seed"], units=units)
        flow = shape.flow(_end("payer", account), _end("outstanding", name), units * UNIT_MICRO)
        record = shape.put(_escrow_key(name), codec.canonical(escrow))
        return c.Issued(flows=(flow,), records=(record,), answer={"name": name})

    def _assign(self, name: str, vendor: str, account: str, memory: Memory, at: At) -> c.Issued:
        """A ticket over the next units of the escrow."""
        escrow = _ESCROW.read(memory.records[_escrow_key(name)])
        if escrow.account != account:
            raise WrongPayer("escrow_of_another", "open an escrow of your own")
        if escrow.next + UNITS > escrow.units:
            raise OutOfRange("escrow_used_up", "open another escrow")
        shared = self.setting.ring.current(SHARED_KEY).secret
        ticket = ticket_of(escrow, vendor, at.entropy[:16], at.now_s + DAY_S, shared)
        escrow = msgspec.structs.replace(escrow, next=escrow.next + UNITS)
        used = shape.put(
            ticket.key, codec.canonical(Used(account=account, name=name, ticket=ticket))
        )
        return c.Issued(
            records=(shape.put(_escrow_key(name), codec.canonical(escrow)), used),
            due=((ticket.until + DAY_S + 1, ticket.key),),
            answer={"ticket": msgspec.to_builtins(ticket)},
        )

    def lapse(self, key: bytes, value: bytes, at: At) -> c.Applied:
        """What was not committed of a ticket goes back to the payer."""
        used = _USED.read(value)
        rest_micro = (UNITS - used.charged) * UNIT_MICRO
        flow = shape.flow(_end("outstanding", used.name), _end("payer", used.account), rest_micro)
        return c.Applied(flows=(flow,), records=(Delete(key=key),))


def _pay(half: Half, memory: Memory) -> c.Redeemed:
    """Commit halves are charged, released ones paid; a lone one waits in `disputed`."""
    found = memory.records.get(half.ticket.key)
    used = _USED.read(found) if found is not None else None
    if used is None or used.ticket != half.ticket:
        raise Forged("ticket_unknown", "the broker pays by its own record only")
    now = msgspec.structs.replace(used, last=max(used.last, half.index))
    charged_micro = (now.charged - used.charged) * UNIT_MICRO
    paid_micro = (now.released - used.released) * UNIT_MICRO
    disputed = _end("disputed", half.ticket.id)
    charge = shape.flow(_end("outstanding", used.name), disputed, charged_micro)
    pay = shape.flow(disputed, _end("vendor", half.ticket.vendor), paid_micro)
    records = (shape.put(half.ticket.key, codec.canonical(now)),)
    return c.Redeemed(flows=(charge, pay), records=records, paid_micro=paid_micro)


class Purse(c.Purse):
    traits = TRAITS

    def ask(self, need: c.Need, at: At) -> c.Asked:
        seed, units = at.entropy[:16], need.amount_micro // UNIT_MICRO
        message = {"seed": codec.b64u(seed), "units": units}
        return c.Asked(operation="issue", message=message)

    def receive(self, asked: c.Asked, answer: Json, at: At) -> tuple[Instrument, ...]:
        """The escrow; a ticket whose payment was forgotten joins the pouch it was asked for."""
        if asked.kept:
            return (_instrument(_POUCH.read(asked.kept).with_ticket(answer["ticket"])),)
        message = asked.message
        pouch = Pouch(name=answer["name"], seed=message["seed"], units=message["units"])
        return (_instrument(pouch),)

    def pay(
        self, instrument: Instrument, offer: Offer, binding: Binding, at: At, answer: Json = None
    ) -> c.Paid | c.AskFirst:
        pouch = _POUCH.read(instrument.body)
        if answer is not None:
            pouch = pouch.with_ticket(answer["ticket"])
        open_ticket = pouch.ticket_for(offer.vendor_id)
        if open_ticket is None:
            message = {"name": pouch.name, "vendor": offer.vendor_id}
            asked = c.Asked(operation="issue", message=message, kept=instrument.body)
            return c.AskFirst(asked=asked)
        ticket, count = open_ticket
        commit, release = (half_of(pouch, ticket, 2 * count + part) for part in (1, 2))
        after = _instrument(pouch.with_unit_spent(offer.vendor_id))
        payload = msgspec.to_builtins(commit)
        return c.Paid(payload=payload, spent=instrument, after=after, kept=codec.canonical(release))

    def conclude(self, paid: c.Paid, conclusion: c.Conclusion, at: At) -> c.Concluded:
        if not isinstance(conclusion, c.Accepted) or paid.after is None:
            return c.Concluded(instruments=(paid.spent,))
        return c.Concluded(instruments=(paid.after,), release=codec.read_json(paid.kept))


def _instrument(pouch: Pouch) -> Instrument:
    body = codec.canonical(pouch)
    return shape.instrument_of(TRAITS, f"fc:{pouch.name}", pouch.units * UNIT_MICRO, body)


class Till(c.Till):
    traits = TRAITS

    def offer(self, price_micro: int, at: At) -> Offer:
        if price_micro != UNIT_MICRO:
            raise OutOfRange("price_not_in_units", "one unit a page")
        return shape.offer_of(TRAITS, self.setting, price_micro, settlement="deferred")

    def read(self, payload: bytes) -> Half:
        return _HALF.read(payload)

    def recall(self, payment: Half) -> Keys:
        return Keys(counters=(payment.ticket.key,))

    def take(
        self, payment: Half, offer: Offer, binding: Binding, memory: Memory, at: At
    ) -> c.Taken:
        ticket, index = payment.ticket, payment.index
        ticket.verify(self.setting.ring.current(SHARED_KEY).secret, self.setting.vendor_id)
        if at.now_s > ticket.until:
            raise Expired("ticket_expired", "get another ticket")
        root = Place(to=0, link=codec.unb64u(ticket.root))
        last = memory.counters.get(ticket.key, root)
        is_release = index % 2 == 0
        if index <= last.to:
            raise Replayed("index_not_above_last", "pay with the next unit", lastIndex=last.to)
        payment.verify(last.link, last.to)
        word = codec.unb64u(payment.word)
        mark = Advance(id=ticket.key, over=last.to, to=index, link=word, until_s=FOREVER_S)
        claim = shape.claim(TRAITS, ticket.key, index, index // 2 * UNIT_MICRO, payment)
        value_micro = 0 if is_release else UNIT_MICRO
        k = f"fc:{ticket.id}:{index}"
        taken = shape.taken(value_micro, k, mark)
        return msgspec.structs.replace(
            taken, claims=(claim,), delivered=is_release, k=k if is_release else ""
        )


FAIRCHAIN = c.Scheme(traits=TRAITS, mint=Mint, purse=Purse, till=Till)
