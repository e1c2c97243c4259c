"""The fair chain, paper-thin: half a unit before the page, the other half after it.

Only the shape is real. Links and tickets are in `ticket.py`, what the broker keeps in `escrow.py`;
no public key anywhere.
"""

import msgspec

from farthing import codec
from farthing.errors import Expired, Late, OutOfRange, Replayed
from farthing.marks import Advance, Keys, Memory, Place
from farthing.schemes import contract as c
from farthing.schemes.contract import At, Binding, Instrument, Json, Offer
from tests.kit.thin import escrow, shape
from tests.kit.thin.shape import DAY_S, FOREVER_S, SHARED_KEY
from tests.kit.thin.ticket import UNIT_MICRO, Half, Pouch, half_of

TRAITS = shape.traits_of("fairchain", "Yang, Lang, Tan 2004")

_HALF, _POUCH = codec.Reader(Half), codec.Reader(Pouch)


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
        return Keys(records=(escrow.escrow_key(name),) if name else ())

    def apply(self, checked: c.Checked, memory: Memory, at: At) -> c.Applied:
        message, account = checked.message, checked.account.id
        if checked.operation == "redeem":
            return escrow.pay(message, memory)
        if "name" not in message:
            return escrow.open_for(account, message["seed"], message["units"], at)
        shared = self.setting.ring.current(SHARED_KEY).secret
        return escrow.assign(message["name"], message["vendor"], account, shared, memory, at)

    def lapse(self, key: bytes, value: bytes, at: At) -> c.Applied:
        return escrow.expire(key, value)


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
        return c.Paid(
            payload=msgspec.to_builtins(commit),
            spent=_instrument(pouch),
            after=_instrument(pouch.with_unit_spent(offer.vendor_id)),
            kept=codec.canonical(release),
            k=f"fc:{ticket.id}:{commit.index}",
        )

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

    def own_k(self, payment: Half) -> str:
        return f"fc:{payment.ticket.id}:{payment.index}"

    def take(
        self, payment: Half, offer: Offer, binding: Binding, memory: Memory, at: At
    ) -> c.Taken:
        ticket, index = payment.ticket, payment.index
        ticket.verify(self.setting.ring.current(SHARED_KEY).secret, self.setting.vendor_id)
        if at.now_s > ticket.until:
            raise Expired("ticket_expired", "get another ticket")
        root = Place(to=0, link=codec.unb64u(ticket.root))
        last = memory.counters.get(ticket.key, root)
        if index <= last.to:
            raise Replayed("index_not_above_last", "pay with the next unit", lastIndex=last.to)
        payment.verify(last.link, last.to)
        word = codec.unb64u(payment.word)
        mark = Advance(id=ticket.key, over=last.to, to=index, link=word, until_s=FOREVER_S)
        claim = shape.claim(TRAITS, ticket.key, index, index // 2 * UNIT_MICRO, payment)
        is_release = index % 2 == 0
        taken = shape.taken(0 if is_release else UNIT_MICRO, self.own_k(payment), mark)
        return msgspec.structs.replace(taken, claims=(claim,), delivered=is_release)


FAIRCHAIN = c.Scheme(traits=TRAITS, mint=Mint, purse=Purse, till=Till)
