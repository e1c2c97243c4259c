"""NetCash with two vendors and one payer who has money at the broker."""

import msgspec

from farthing import codec
from farthing.crypto import signing
from farthing.schemes.coin.netcash import NETCASH
from farthing.schemes.coin.netcash.coin import COIN_KEY, Coin
from farthing.schemes.coin.netcash.live import LIVE_PREFIX
from farthing.schemes.coin.netcash.mint import RECEIPT_KEY
from farthing.schemes.coin.netcash.orders import holding_statement
from farthing.schemes.coin.netcash.purse import Held
from farthing.schemes.contract import (
    Account,
    AskFirst,
    Instrument,
    Json,
    Key,
    Need,
    Operation,
    Paid,
)
from tests.kit.canaries import canary
from tests.kit.parties import (
    BROKER,
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

PRICE_MICRO = 200
COIN_MICRO = 10_000
BEARER = Account(id="", role="payer")


def signing_key(purpose: str, name: str = "1") -> Key:
    """One of the broker's, by its purpose."""
    secret = canary(f"{purpose} {name}")
    return Key(id=name, purpose=purpose, secret=secret, public=signing.public_of(secret))


class Scene:
    """Everybody, and a coin that pays anywhere."""

    def __init__(self, coin_micro: int = COIN_MICRO) -> None:
        self.clock = Clock()
        ring = Ring(signing_key(COIN_KEY), signing_key(RECEIPT_KEY))
        self.broker = Broker(NETCASH, ring, self.clock)
        known = Ring(msgspec.structs.replace(signing_key(COIN_KEY), secret=b""))
        self.vendor = Vendor(NETCASH, known, self.clock)
        self.other = Vendor(NETCASH, known, self.clock, "daily")
        self.payer = Payer(NETCASH, Ring(), self.clock, payer_account())
        self.purse = self.payer.purse
        self.whole: Instrument | None = self.buy(coin_micro) if coin_micro else None

    def run(self, operation: Operation, message: Json, account: Account = BEARER) -> Json:
        """What the broker answers."""
        return on_the_wire(self.broker.run(operation, message, account).answer)

    def buy(self, amount_micro: int = COIN_MICRO) -> Instrument:
        """Another coin of the account."""
        asked = self.purse.ask(Need(amount_micro=amount_micro, currency="eur"), self.clock.at())
        received = self.purse.receive(
            asked, self.run("issue", asked.message, self.payer.account), self.clock.at()
        )
        assert isinstance(received, tuple)
        return received[0]

    def asked(self, price_micro: int = PRICE_MICRO, vendor: Vendor | None = None) -> AskFirst:
        """The exchange that comes before a payment."""
        assert self.whole is not None
        offer = (vendor or self.vendor).offer(price_micro)
        first = self.purse.pay(self.whole, offer, binding_of(), self.clock.at())
        assert isinstance(first, AskFirst)
        return first

    def bound(self, price_micro: int = PRICE_MICRO, vendor: Vendor | None = None) -> Instrument:
        """A coin of the price for a vendor; the payer's own is the rest from now on."""
        asked = self.asked(price_micro, vendor).asked
        received = self.purse.receive(asked, self.run("issue", asked.message), self.clock.at())
        assert isinstance(received, tuple)
        bound, *rest = received
        self.whole = rest[0] if rest else None
        return bound

    def pay(self, bound: Instrument, vendor: Vendor | None = None) -> tuple[Paid, Served]:
        """A payment that the vendor takes."""
        vendor = vendor or self.vendor
        offer = vendor.offer(bound.worth_micro)
        paid = self.payer.pay(bound, offer)
        return paid, vendor.serve(paid.payload, offer)

    def clear(self, vendor: Vendor | None = None) -> int:
        """Every pending claim shown to the broker; what they earned."""
        vendor = vendor or self.vendor
        return sum(self.broker.redeem(message, vendor.id) for message in vendor.claims())

    def micro(self, kind: str, name: str = "") -> int:
        """What is on an end of the broker's books."""
        return self.broker.balances[f"{kind}/{name}"]

    def live_micro(self) -> int:
        """What the coins on the broker's list are worth."""
        return sum(
            int.from_bytes(value[:8], "big")
            for key, value in self.broker.records.items()
            if key.startswith(LIVE_PREFIX)
        )

    def pass_time(self, seconds: int) -> None:
        """And what is due by then."""
        self.clock.now_s += seconds
        self.broker.lapse()


def coin_of(instrument: Instrument) -> Coin:
    """The coin that a wallet keeps."""
    return held_of(instrument).coin


def held_of(instrument: Instrument) -> Held:
    """All that it keeps."""
    return msgspec.json.decode(instrument.body, type=Held)


def shown(instrument: Instrument, *, signed: bool = False) -> dict[str, Json]:
    """A coin as its holder shows it to have money for it."""
    held, sig = held_of(instrument), ""
    if signed:
        secret = codec.unb64u(held.secret)
        sig = codec.b64u(signing.sign(secret, holding_statement(held.coin, BROKER, ())))
    return {"coin": msgspec.to_builtins(held.coin), "sig": sig}


def returning(*instruments: Instrument, signed: bool = False) -> dict[str, Json]:
    """The message that returns them."""
    return {"broker": BROKER, "coins": [shown(each, signed=signed) for each in instruments]}


def order(wants: list[Json], *instruments: Instrument) -> dict[str, Json]:
    """The message that exchanges them, or buys."""
    return {"broker": BROKER, "coins": [shown(each) for each in instruments], "wants": wants}


def want(worth_micro: int, vendor: str = "", payer: str = "") -> dict[str, Json]:
    """One coin of an order."""
    return {"payer": payer, "vendor": vendor, "worthMicro": worth_micro}
