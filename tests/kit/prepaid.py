"""Ticks that are prepaid: a vendor who wants it so, and a payer whom nobody gives credit."""

from typing import Any

import msgspec

from farthing import codec
from farthing.crypto import chain
from farthing.schemes.chain.tick import TICK, Opening
from farthing.schemes.chain.words.purse import Opened
from farthing.schemes.contract import Asked, Instrument, Json, Need, Offer
from tests.kit.parties import Broker, Clock, Payer, Ring, Vendor, on_the_wire, payer_account
from tests.kit.payword import certifying_key, public_ring

UNIT_MICRO = 100
TICKS = 1_000
WHOLE_MICRO = UNIT_MICRO * TICKS
KEPT = "outstanding/ann"
ACCOUNT = payer_account(credit_limit_micro=0)


class Scene:
    """A vendor who wants to be prepaid, and a payer whom nobody gives credit."""

    def __init__(self, **options: Json) -> None:
        key = certifying_key(purpose=TICK.mint.signing[0])
        self.clock, self.ring = Clock(), public_ring(key)
        self.broker = Broker(TICK, Ring(key), self.clock)
        self.vendor = self.shop("news", **({"opening": "prepaid"} | options))
        self.payer = Payer(TICK, self.ring, self.clock, ACCOUNT)

    def shop(self, vendor_id: str, **options: Json) -> Vendor:
        return Vendor(TICK, self.ring, self.clock, vendor_id, **options)

    def offer(self, ticks: int = 1) -> Offer:
        return self.vendor.offer(UNIT_MICRO * ticks)

    def ask(self, amount_micro: int = WHOLE_MICRO) -> Asked:
        need = Need(amount_micro=amount_micro, currency="eur", vendor_id="news", offer=self.offer())
        return self.payer.purse.ask(need, self.clock.at())

    def answer_to(self, asked: Asked) -> Json:
        applied = self.broker.run(asked.operation, asked.message, ACCOUNT)
        return on_the_wire(applied.answer)

    def prepay(self, amount_micro: int = WHOLE_MICRO) -> Instrument:
        asked = self.ask(amount_micro)
        received = self.payer.purse.receive(asked, self.answer_to(asked), self.clock.at())
        assert not isinstance(received, Asked)
        return received[0]

    def open(self) -> Instrument:
        """A chain of all that was prepaid."""
        at = self.clock.at()
        general, opened = self.payer.purse.open(self.prepay(), self.offer(), at)
        assert (general.worth_micro, opened.worth_micro) == (0, WHOLE_MICRO)
        return opened

    def wait(self, until_s: int) -> None:
        self.clock.now_s = until_s
        self.broker.lapse()


def opened_of(instrument: Instrument) -> Opened[Opening]:
    return msgspec.json.decode(instrument.body, type=Opened[Opening])


def claim_of(instrument: Instrument, index: int) -> dict[str, Json]:
    opened = opened_of(instrument)
    key = chain.link_key(codec.unb64u(opened.commitment.salt))
    word = chain.word_of(key, codec.unb64u(opened.seed), TICKS, index)
    link = [UNIT_MICRO, index, codec.b64u(word)]
    return {"commitment": msgspec.to_builtins(opened.commitment), "links": [link]}


def promised(instrument: Instrument, **changes: Any) -> Opening:
    """The opening with other fields, signed by its payer."""
    opened = opened_of(instrument)
    changed = msgspec.structs.replace(opened.commitment, **changes)
    return changed.sign(codec.unb64u(opened.secret))
