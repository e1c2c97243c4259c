"""MilliCent with one vendor that has licensed the broker, and one payer."""

import msgspec

from farthing import codec
from farthing.schemes.contract import Asked, Instrument, Json, Key, Need, Offer
from farthing.schemes.mac.millicent import MILLICENT
from farthing.schemes.mac.millicent.purse import Held
from farthing.schemes.mac.millicent.scrip import (
    BURN_KEY,
    LICENSED_SERIES,
    OWN_SERIES,
    PAYER_RANGE,
    STOCK_SERIES,
    mint_scrip,
    serial_of,
)
from tests.kit.canaries import canary
from tests.kit.parties import (
    DAY_S,
    NOW_S,
    VENDOR,
    Broker,
    Clock,
    Payer,
    Ring,
    Vendor,
    payer_account,
    vendor_account,
)

QUOTA_MICRO = 20_000_000
MASTER_SECRETS = {
    name: canary(name)
    for name in (
        "licensed-series",
        "own-series",
        "stock-series",
        "payer-range",
        "stock-range",
        "burn",
    )
}


def vendor_ring(vendor_id: str = VENDOR) -> Ring:
    """A vendor's keys: one series for the broker, one of its own, one payer range."""
    return Ring(
        Key(
            id="0000000001",
            purpose=LICENSED_SERIES,
            secret=MASTER_SECRETS["licensed-series"],
            not_after_s=NOW_S + 90 * DAY_S,
        ),
        Key(id="0000000002", purpose=OWN_SERIES, secret=MASTER_SECRETS["own-series"]),
        Key(id="8000000001", purpose=STOCK_SERIES, secret=MASTER_SECRETS["stock-series"]),
        Key(id="0002", purpose=PAYER_RANGE, secret=MASTER_SECRETS["stock-range"]),
        Key(id="0001", purpose=PAYER_RANGE, secret=MASTER_SECRETS["payer-range"]),
        Key(id=vendor_id, purpose=BURN_KEY, secret=MASTER_SECRETS["burn"]),
    )


def licence(ring: Ring, **changed: Json) -> dict[str, Json]:
    """The vendor's grant; `changed` replaces fields."""
    series = ring.current(LICENSED_SERIES)
    payers = ring.current(PAYER_RANGE)
    return {
        "kBurn": codec.b64u(ring.current(BURN_KEY).secret),
        "kPayer": codec.b64u(payers.secret),
        "kScrip": codec.b64u(series.secret),
        "notAfterS": series.not_after_s,
        "payerRange": payers.id,
        "quotaMicro": QUOTA_MICRO,
        "series": series.id,
    } | changed


STOCKED_FROM = 1000  # first index of ready pieces; change of them is leased from 0


def batch(
    ring: Ring,
    count: int,
    value_micro: int,
    *,
    first: int = 0,
    discount_e4: int = 1000,
    expires_at_s: int = NOW_S + 30 * DAY_S,
) -> dict[str, Json]:
    """Pieces for a warehouse, as the vendor mints them ahead."""
    pieces = [
        mint_scrip(
            ring.current(STOCK_SERIES).secret,
            vendor=VENDOR,
            currency="eur",
            value_micro=value_micro,
            serial=serial_of(0x8000000001, STOCKED_FROM + first + number),
            payer=f"0002{first + number:012x}",
            expires_at_s=expires_at_s,
        )
        for number in range(count)
    ]
    stock_range = ring.find(PAYER_RANGE, "0002")
    assert stock_range is not None
    return {
        "discountE4": discount_e4,
        "kBurn": codec.b64u(ring.current(BURN_KEY).secret),
        "kPayer": codec.b64u(stock_range.secret),
        "payerRange": "0002",
        "pieces": [msgspec.to_builtins(piece) for piece in pieces],
    }


class Scene:
    """Everybody, after the licence was granted."""

    def __init__(self, *, props: str = "", quota_micro: int = QUOTA_MICRO, **options: Json) -> None:
        self.clock = Clock()
        self.broker = Broker(MILLICENT, Ring(), self.clock)
        self.vendor = Vendor(MILLICENT, vendor_ring(), self.clock, **options)
        self.payer = Payer(MILLICENT, Ring(), self.clock, payer_account(props=props))
        grant = licence(self.vendor.ring, quotaMicro=quota_micro)
        self.broker.run("grant", grant, vendor_account())

    def buy(self, amount_micro: int = 1000) -> Instrument:
        return self.payer.buy(self.broker, amount_micro)

    def buy_for(self, offer: Offer, amount_micro: int = 1000) -> Instrument:
        """As `buy`, because of this offer: its properties are revealed."""
        need = Need(amount_micro=amount_micro, currency="eur", vendor_id=VENDOR, offer=offer)
        asked = self.payer.purse.ask(need, self.clock.at())
        applied = self.broker.run("issue", asked.message, self.payer.account)
        received = self.payer.purse.receive(asked, applied.answer, self.clock.at())
        assert not isinstance(received, Asked)
        return received[0]

    def buy_with_props(self, props: str, amount_micro: int = 1000) -> Instrument:
        """As `buy`, with some of what the broker vouches for."""
        asked = Asked(operation="issue", message={"valueMicro": amount_micro, "vendor": VENDOR})
        asked = msgspec.structs.replace(asked, message=asked.message | {"props": props})
        applied = self.broker.run("issue", asked.message, self.payer.account)
        received = self.payer.purse.receive(asked, applied.answer, self.clock.at())
        assert not isinstance(received, Asked)
        return received[0]

    def cash_out(self, instrument: Instrument) -> Json:
        """The vendor burns it, the broker credits it; the burn receipt."""
        asked = self.payer.purse.give_back(instrument, self.clock.at())
        receipt = self.vendor.burn(asked.message)
        self.broker.run("take_back", receipt, self.payer.account)
        return receipt

    def clear(self) -> int:
        """Every pending claim shown to the broker; what they earned."""
        return sum(self.broker.redeem(message) for message in self.vendor.claims())

    def audit(self) -> None:
        """Issued = redeemed + returned + expired + outstanding."""
        balances = self.broker.balances
        issued = -balances[f"payer/{self.payer.account.id}"]
        assert issued == sum(
            balances[f"{kind}/{VENDOR}"] for kind in ("outstanding", "vendor", "breakage")
        )
        assert balances[f"outstanding/{VENDOR}"] >= 0


def held(instrument: Instrument) -> Held:
    """What the wallet keeps of a piece."""
    return msgspec.json.decode(instrument.body, type=Held)
