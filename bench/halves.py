"""Payments in two halves with tickets of the fair chain, as its own mint and purse make them."""

import secrets
from collections.abc import Iterator

import msgspec

from bench.payments import BROKER, CURRENCY, VENDOR, RingInMemory, at_now
from farthing.marks import Memory, Put
from farthing.schemes.chain.fairchain import FAIRCHAIN
from farthing.schemes.chain.fairchain.ticket import ESCROW_KEY, UNITS_MAX, VENDOR_KEY
from farthing.schemes.contract import (
    Accepted,
    Account,
    Applied,
    Asked,
    AskFirst,
    Binding,
    Instrument,
    Json,
    Key,
    Need,
    Offer,
    Paid,
    Setting,
)

PAYER = Account(id="payer", role="payer")


class HalfPayer:
    """Opens an escrow a ticket, and pays with it unit by unit."""

    def __init__(self, vendor_key: Key) -> None:
        """`vendor_key`: what the vendor has granted to the broker."""
        at_broker = Key(id=VENDOR, purpose=VENDOR_KEY, secret=vendor_key.secret)
        own = Key(id="1", purpose=ESCROW_KEY, secret=secrets.token_bytes(32))
        ring = RingInMemory(at_broker, own)
        setting = Setting(broker_id=BROKER, currency=CURRENCY, ring=ring)
        self._mint, self._purse = FAIRCHAIN.mint(setting), FAIRCHAIN.purse(setting)
        self._records: dict[bytes, bytes] = {}

    def _ask(self, asked: Asked) -> tuple[Instrument, ...]:
        at = at_now(secrets.token_bytes(64))
        checked = self._mint.check(asked.operation, asked.message, PAYER, at)
        applied: Applied = self._mint.apply(checked, Memory(records=self._records), at)
        self._records |= {each.key: each.value for each in applied.records if type(each) is Put}
        received = self._purse.receive(asked, msgspec.to_builtins(applied.answer), at)
        assert isinstance(received, tuple), "an answer has instruments in it"
        return received

    def halves(self, offer: Offer, binding: Binding) -> Iterator[Json]:
        """The payloads of one ticket, in turn the first and the second half of a unit."""
        need = Need(amount_micro=4 * UNITS_MAX * offer.price_micro, currency=CURRENCY)
        (escrow,) = self._ask(self._purse.ask(need, at_now(secrets.token_bytes(64))))
        first = self._purse.pay(escrow, offer, binding, at_now())
        assert isinstance(first, AskFirst), "an escrow needs a ticket"
        *_, ticket = self._ask(first.asked)
        for _ in range(UNITS_MAX):
            paid = self._purse.pay(ticket, offer, binding, at_now())
            assert isinstance(paid, Paid), "a ticket asks nobody"
            yield paid.payload
            concluded = self._purse.conclude(paid, Accepted(), at_now())
            yield concluded.release
            ticket = concluded.instruments[0] if concluded.instruments else ticket
