"""Ticks, paper-thin: one chain pays a stream tick by tick, several payments under one opening.

Only the shape is real: an account signs the opening (`stream.py`), and nobody limits its credit.
"""

import msgspec

from farthing import codec
from farthing.errors import Closed, Underpaid
from farthing.marks import Advance, Keys, Memory, Place
from farthing.schemes import contract as c
from farthing.schemes.contract import At, Binding, Instrument, Json, Offer
from tests.kit.thin import shape
from tests.kit.thin.shape import FOREVER_S
from tests.kit.thin.stream import LENGTH, Opening, Voucher, open_stream, voucher_of

TRAITS = shape.traits_of("ticks", "Pedersen 1996", credit=True)

_VOUCHER, _OPENING = codec.Reader(Voucher), codec.Reader(Opening)


class Mint(c.Mint):
    traits = TRAITS

    def check(self, operation: c.Operation, message: Json, account: c.Account, at: At) -> c.Checked:
        if operation == "issue":
            return shape.check_account(message, account)
        claim = _VOUCHER.convert(message)
        assert claim.opening is not None, "a claim has its opening"
        claim.opening.verify(account.id)
        claim.verify(claim.opening, codec.unb64u(claim.opening.root), 0)
        return c.Checked(operation=operation, message=claim, account=account)

    def recall(self, checked: c.Checked) -> Keys:
        if checked.operation == "issue":
            return Keys()
        opening: Opening = checked.message.opening
        return Keys(counters=(opening.id,), records=(shape.account_key(TRAITS, opening.public),))

    def apply(self, checked: c.Checked, memory: Memory, at: At) -> c.Applied:
        if checked.operation == "issue":
            return shape.register(TRAITS, checked)
        claim, opening = checked.message, checked.message.opening
        last = memory.counters.get(opening.id, Place(to=0, link=b"")).to
        payer = memory.records[shape.account_key(TRAITS, opening.public)].decode()
        source, target = c.End(kind="credit", id=payer), c.End(kind="vendor", id=opening.vendor)
        due_micro = opening.unit * max(0, claim.index - last)
        return c.Redeemed(
            flows=(shape.flow(source, target, due_micro),),
            marks=(_advance(opening, last, max(last, claim.index), b""),),
            paid_micro=due_micro,
        )


def _advance(opening: Opening, over: int, to: int, word: bytes) -> Advance:
    link = word + codec.canonical(opening)
    return Advance(id=opening.id, over=over, to=to, link=link, until_s=FOREVER_S)


class Purse(shape.AccountPurse):
    """An instrument with a vendor is a chain: secret, seed and salt, then how far it got."""

    traits = TRAITS

    def open(self, instrument: Instrument, offer: Offer, at: At) -> tuple[Instrument, Instrument]:
        seed, opening = open_stream(instrument, offer, at)
        body = seed + bytes([0]) + codec.canonical(opening)
        name, worth_micro = codec.b64u(opening.id), opening.unit * LENGTH
        opened = shape.instrument_of(TRAITS, name, worth_micro, body, vendor_id=offer.vendor_id)
        return instrument, opened

    def pay(
        self, instrument: Instrument, offer: Offer, binding: Binding, at: At, answer: Json = None
    ) -> c.Paid:
        seed, index = instrument.body[:16], instrument.body[16] + 1
        opening = _OPENING.read(instrument.body[17:])
        after = shape.less(instrument, opening.unit)
        voucher = voucher_of(opening, instrument.id, seed, index)
        body = seed + bytes([index]) + codec.canonical(opening)
        return c.Paid(
            payload=msgspec.to_builtins(voucher),
            spent=instrument,
            after=msgspec.structs.replace(after, body=body),
            k=f"{instrument.id}:{index}",
        )


class Till(c.Till):
    traits = TRAITS
    streams = True

    def offer(self, price_micro: int, at: At) -> Offer:
        return shape.offer_of(TRAITS, self.setting, price_micro, settlement="deferred")

    def read(self, payload: bytes) -> Voucher:
        return _VOUCHER.read(payload)

    def recall(self, payment: Voucher) -> Keys:
        return Keys(counters=(payment.counter,))

    def own_k(self, payment: Voucher) -> str:
        return f"{payment.chain}:{payment.index}"

    def stream_of(self, payment: Voucher) -> str:
        return f"{payment.chain}:1"  # thin: a chain pays one stream

    def take(
        self, payment: Voucher, offer: Offer, binding: Binding, memory: Memory, at: At
    ) -> c.Taken:
        place = memory.counters.get(payment.counter)
        opening = payment.opening if place is None else _OPENING.read(place.link[16:])
        if opening is None or opening.id != payment.counter:
            raise Closed("stream_unknown", "open it with its first tick")
        opening.verify(self.setting.vendor_id)
        if opening.unit < offer.price_micro:
            raise Underpaid("tick_below_price", "open a chain of larger ticks")
        last = 0 if place is None else place.to
        last_word = codec.unb64u(opening.root) if place is None else place.link[:16]
        payment.verify(opening, last_word, last)
        claimed = msgspec.structs.replace(payment, opening=opening)
        worth_micro, name = opening.unit * payment.index, self.own_k(payment)
        claim = shape.claim(TRAITS, opening.id, payment.index, worth_micro, claimed)
        mark = _advance(opening, last, payment.index, codec.unb64u(payment.word))
        taken = shape.taken(opening.unit * (payment.index - last), f"tk:{name}", mark)
        return msgspec.structs.replace(
            taken,
            claims=(claim,),
            delivered=place is not None,
        )


TICKS = c.Scheme(traits=TRAITS, mint=Mint, purse=Purse, till=Till)
