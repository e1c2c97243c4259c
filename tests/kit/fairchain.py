"""The fair chain with one vendor and one payer who has money at the broker."""

import msgspec

from farthing import codec
from farthing.schemes.chain.fairchain import FAIRCHAIN
from farthing.schemes.chain.fairchain.escrow import ASSIGNED, Assigned
from farthing.schemes.chain.fairchain.purse import Held
from farthing.schemes.chain.fairchain.ticket import ESCROW_KEY, VENDOR_KEY, ticket_key, word_at
from farthing.schemes.contract import (
    Accepted,
    Account,
    AskFirst,
    Concluded,
    Instrument,
    Json,
    Key,
    Need,
    Paid,
)
from tests.kit.canaries import canary
from tests.kit.parties import (
    VENDOR,
    Broker,
    Clock,
    Payer,
    Ring,
    Served,
    Vendor,
    binding_of,
    on_the_wire,
    payer_account,
)

UNIT_MICRO = 200
ESCROW_MICRO = 10_000


def vendor_key(vendor: str = VENDOR) -> Key:
    """K_VB."""
    return Key(id=vendor, purpose=VENDOR_KEY, secret=canary(f"k-vb-{vendor}"))


def escrow_key() -> Key:
    """What every K_PB follows from."""
    return Key(id="1", purpose=ESCROW_KEY, secret=canary("k-pb"))


class Scene:
    """Everybody, and an escrow."""

    def __init__(self, escrow_micro: int = ESCROW_MICRO) -> None:
        self.clock = Clock()
        self.broker = Broker(
            FAIRCHAIN, Ring(escrow_key(), vendor_key(), vendor_key("daily")), self.clock
        )
        self.vendor = Vendor(FAIRCHAIN, Ring(vendor_key()), self.clock)
        self.other = Vendor(FAIRCHAIN, Ring(vendor_key("daily")), self.clock, "daily")
        self.account: Account = payer_account()
        self.payer = Payer(FAIRCHAIN, Ring(), self.clock, self.account)
        self.escrow: Instrument | None = self.open(escrow_micro) if escrow_micro else None

    def open(self, amount_micro: int = ESCROW_MICRO) -> Instrument:
        """Another escrow."""
        need = Need(amount_micro=amount_micro, currency="eur")
        asked = self.payer.purse.ask(need, self.clock.at())
        answer = self.broker.run("issue", asked.message, self.account).answer
        received = self.payer.purse.receive(asked, on_the_wire(answer), self.clock.at())
        assert isinstance(received, tuple)
        return received[0]

    def asked(self, price_micro: int = UNIT_MICRO, vendor: Vendor | None = None) -> AskFirst:
        """What the purse asks the broker before it can pay."""
        assert self.escrow is not None
        offer = (vendor or self.vendor).offer(price_micro)
        first = self.payer.purse.pay(self.escrow, offer, binding_of(), self.clock.at())
        assert isinstance(first, AskFirst)
        return first

    def ticket(self, price_micro: int = UNIT_MICRO, vendor: Vendor | None = None) -> Instrument:
        """A ticket for a vendor, out of the payer's escrow."""
        asked = self.asked(price_micro, vendor).asked
        answer = on_the_wire(self.broker.run("issue", asked.message, self.account).answer)
        received = self.payer.purse.receive(asked, answer, self.clock.at())
        assert isinstance(received, tuple)
        *rest, ticket = received
        self.escrow = rest[0] if rest else None
        return ticket

    def commit(self, ticket: Instrument, vendor: Vendor | None = None) -> tuple[Paid, Served]:
        """The first half of a unit, taken by the vendor."""
        vendor = vendor or self.vendor
        offer = vendor.offer(held_of(ticket).ticket.unit_micro)
        paid = self.payer.pay(ticket, offer)
        return paid, vendor.serve(paid.payload, offer)

    def release(self, paid: Paid, vendor: Vendor | None = None) -> Concluded:
        """The second half, taken too; what is left."""
        vendor = vendor or self.vendor
        concluded = self.payer.purse.conclude(paid, Accepted(), self.clock.at())
        vendor.serve(concluded.release, vendor.offer(UNIT_MICRO))
        return concluded

    def buy(self, ticket: Instrument, vendor: Vendor | None = None) -> Instrument | None:
        """One whole unit; what is left of the ticket."""
        paid, _ = self.commit(ticket, vendor)
        left = self.release(paid, vendor).instruments
        return left[0] if left else None

    def clear(self, vendor: Vendor | None = None) -> int:
        """Every pending claim shown to the broker; what they earned."""
        vendor = vendor or self.vendor
        return sum(self.broker.redeem(message, vendor.id) for message in vendor.claims())

    def micro(self, kind: str, name: str = "") -> int:
        """What is on an end of the broker's books."""
        return self.broker.balances[f"{kind}/{name}"]

    def assigned(self, ticket: Instrument) -> Assigned | None:
        """What the broker keeps of a ticket."""
        found = self.broker.records.get(ticket_key(held_of(ticket).ticket.id))
        return ASSIGNED.read(found) if found is not None else None

    def pass_time(self, seconds: int) -> None:
        """And what is due by then."""
        self.clock.now_s += seconds
        self.broker.lapse()


def held_of(instrument: Instrument) -> Held:
    """What the wallet keeps of a ticket."""
    return msgspec.json.decode(instrument.body, type=Held)


def link(ticket: Instrument, index: int, *, whole: bool = False) -> dict[str, Json]:
    """Any link of a ticket, as it travels; with the ticket itself if `whole`."""
    held = held_of(ticket)
    word = codec.b64u(word_at(held.ticket, codec.unb64u(held.seed), index))
    named: Json = msgspec.to_builtins(held.ticket) if whole else held.ticket.id
    return {"index": index, "ticket": named, "word": word}
