"""A payer's side of a conversation, for any scheme: load, pay, conclude, and end a doubt."""

from farthing.schemes.contract import (
    Accepted,
    Account,
    Asked,
    AskFirst,
    Concluded,
    Conclusion,
    Instrument,
    Json,
    Need,
    Offer,
    Paid,
    Purse,
    Rolled,
    Scheme,
)
from tests.kit.conversation import Issuer, Reply, Room, Tender, Vendor, binding_of
from tests.kit.parties import PAYER, VENDOR, Ring, setting_of

MESSAGES_MAX = 4  # of one errand


class Wallet:
    """One payer's purse and what is in it."""

    def __init__(
        self, room: Room, scheme: Scheme, ring: Ring, broker: Issuer, name: str = PAYER
    ) -> None:
        self.room, self.broker = room, broker
        self.purse: Purse = scheme.purse(setting_of(ring))
        self.account = Account(id=name, role="payer", credit_limit_micro=10**6)
        self.instruments: dict[str, Instrument] = {}

    def load(self, amount_micro: int, vendor_id: str = VENDOR) -> None:
        need = Need(amount_micro=amount_micro, currency="eur", vendor_id=vendor_id)
        self.run(self.purse.ask(need, self.room.at()))

    def run(self, asked: Asked, vendor: Vendor | None = None) -> None:
        """An errand to the end: every message of it, and what it leaves."""
        for _ in range(MESSAGES_MAX):
            received = self.purse.receive(asked, self._ask(asked, vendor), self.room.at())
            if not isinstance(received, Asked):
                self._keep(received)
                return
            asked = received
        raise AssertionError("an errand without end")

    def _ask(self, asked: Asked, vendor: Vendor | None = None) -> Json:
        issuer = self.broker
        if asked.to == "vendor":
            assert vendor is not None
            assert vendor.issuer is not None
            issuer = vendor.issuer
        return issuer.run(asked.operation, asked.message, self.account).answer

    def _keep(self, instruments: tuple[Instrument, ...]) -> None:
        self.instruments |= {instrument.id: instrument for instrument in instruments}

    @property
    def worth_micro(self) -> int:
        return sum(instrument.worth_micro for instrument in self.instruments.values())

    def pick(self, offer: Offer) -> Instrument:
        """An instrument for this vendor; a general one is opened, and stays."""
        fit = [each for each in self.instruments.values() if each.worth_micro >= offer.price_micro]
        for instrument in fit:
            if instrument.vendor_id == offer.vendor_id:
                return instrument
        general = next(each for each in fit if not each.vendor_id)
        kept, opened = self.purse.open(general, offer, self.room.at())
        self._keep((kept, opened))
        return opened

    def pay(self, tender: Tender) -> Paid:
        """A payment, ready to send; the broker is asked first where the purse wants it."""
        instrument, answer = self.pick(tender.offer), None
        for _ in range(MESSAGES_MAX):
            binding = binding_of(tender.k)
            paid = self.purse.pay(instrument, tender.offer, binding, self.room.at(), answer)
            if isinstance(paid, Paid):
                return paid
            assert isinstance(paid, AskFirst)
            answer = self._ask(paid.asked)
        raise AssertionError("the purse goes on asking")

    def conclude(self, paid: Paid, reply: Reply | Conclusion) -> Concluded:
        if isinstance(reply, Reply):
            took = Accepted(change=reply.change, released=reply.released)
            conclusion: Conclusion = took if reply.state == "paid" else Rolled()
        else:
            conclusion = reply
        concluded = self.purse.conclude(paid, conclusion, self.room.at())
        self.instruments.pop(paid.spent.id, None)
        self._keep(concluded.instruments)
        return concluded

    def inquire(self, paid: Paid) -> Conclusion | None:
        """What the broker says of a payment that the vendor leaves in doubt."""
        asked = self.purse.inquire(paid, self.room.at())
        assert asked is not None
        return self.purse.learn(paid, self._ask(asked), self.room.at())

    def buy(self, vendor: Vendor, price_micro: int, page: str | None = "page") -> str:
        """The page, or what was sold instead of it; "" where nothing was charged."""
        tender = vendor.tender(price_micro, page or "")
        paid = self.pay(tender)
        reply = vendor.serve(tender, paid.payload, page=page)
        assert reply.k == (paid.k or tender.k)
        concluded = self.conclude(paid, reply)
        if concluded.release is not None:
            vendor.serve(tender, concluded.release)
        return reply.page or str(concluded.shown or "")

    def tick(self, vendor: Vendor, tender: Tender) -> None:
        """One more payment under an offer that was paid before."""
        paid = self.pay(tender)
        self.conclude(paid, vendor.serve(tender, paid.payload))
