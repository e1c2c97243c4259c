"""e-coupons with one vendor, an owner who has credit at the broker, and whom it hands purses to."""

import msgspec

from farthing import codec, marks
from farthing.crypto import signing
from farthing.schemes.chain.ecoupon import ECOUPON
from farthing.schemes.chain.ecoupon.commitment import FAMILY
from farthing.schemes.chain.ecoupon.coupons import Coupons
from farthing.schemes.chain.ecoupon.session import SESSION_KEY
from farthing.schemes.contract import Account, Instrument, Json, Key, Portion, Shared
from tests.kit.canaries import canary
from tests.kit.parties import NOW_S, Broker, Clock, Payer, Ring, Vendor, payer_account

CREDIT_MICRO = 8_000_000
SLOT_MICRO = 6_400  # 64 words of 100: four segments of 16
HOUR_S = 3_600


def certifying_key() -> Key:
    secret = canary("certifying-key")
    return Key(
        id="1", purpose=FAMILY.certificate_key, secret=secret, public=signing.public_of(secret)
    )


def vendor_ring() -> Ring:
    """What a vendor has: the broker's public half, and its own half of every session."""
    session = Key(id="s", purpose=SESSION_KEY, secret=canary("session-key"))
    return Ring(msgspec.structs.replace(certifying_key(), secret=b""), session)


class Scene:
    """Everybody, and the owner certified."""

    def __init__(self, slot_micro: int = SLOT_MICRO, **options: Json) -> None:
        self.clock = Clock()
        self.broker = Broker(ECOUPON, Ring(certifying_key()), self.clock)
        self.vendor = Vendor(ECOUPON, vendor_ring(), self.clock, **options)
        self.account: Account = payer_account(credit_limit_micro=CREDIT_MICRO)
        self.owner = Payer(ECOUPON, Ring(), self.clock, self.account)
        self.certificate = self.owner.buy(self.broker, slot_micro, "")

    def open(self, price_micro: int = 100, vendor: Vendor | None = None) -> Instrument:
        """Coupons for the vendor and today."""
        offer = (vendor or self.vendor).offer(price_micro)
        self.certificate, opened = self.owner.purse.open(self.certificate, offer, self.clock.at())
        return opened

    def share(
        self,
        instrument: Instrument,
        amount_micro: int,
        secret: bytes,
        *,
        until_s: int = NOW_S + HOUR_S,
        passes_on: bool = False,
    ) -> Shared:
        """A part of an instrument for whoever has this secret."""
        portion = Portion(
            amount_micro=amount_micro,
            to=signing.public_of(secret),
            until_s=until_s,
            passes_on=passes_on,
        )
        return self.owner.purse.share(instrument, portion, self.clock.at())

    def accept(self, shared: Shared, secret: bytes) -> Instrument:
        """What the receiver has, over the wire."""
        grant = codec.read_json(codec.canonical(shared.grant))
        return self.owner.purse.accept(grant, secret, self.clock.at())

    def hand(
        self, instrument: Instrument, amount_micro: int, name: str = "phone"
    ) -> tuple[Instrument, Instrument]:
        """What the owner has left, and what the receiver of this name got."""
        secret = canary(name)
        shared = self.share(instrument, amount_micro, secret)
        return shared.left, self.accept(shared, secret)

    def spend(self, instrument: Instrument, price_micro: int = 100) -> Instrument:
        """One purchase; what is left, which must be something."""
        left = self.owner.spend(self.vendor, instrument, price_micro)
        assert left is not None
        return left

    def payload(self, instrument: Instrument, price_micro: int = 100) -> Json:
        """A payment for the page of `tests.kit.parties`, not sent."""
        return self.owner.pay(instrument, self.vendor.offer(price_micro)).payload

    def withdraw(self, shared: Shared) -> None:
        """The owner ends a purse at the broker, and the vendor has the list."""
        assert shared.withdrawal is not None
        applied = self.broker.run("take_back", shared.withdrawal.message, self.account)
        self.list(*applied.answer["revoked"])

    def list(self, *names: str) -> None:
        """The vendor has learned these names of the hot list."""
        hold = marks.Hold(
            k=f"list/{names}", digest=bytes(32), marks=(), kept=b"", now_s=self.clock.now_s,
            lease_until_s=self.clock.now_s, until_s=NOW_S * 2,
        )  # fmt: skip  # - a hold in one glance
        records = tuple(
            marks.Put(key=FAMILY.revoked_key(name), value=b"", until_s=NOW_S * 2) for name in names
        )
        self.vendor.store.do_now(marks.Take(hold=hold, outcome=b"", records=records))

    def clear(self) -> int:
        """Every pending claim shown to the broker; what they earned."""
        return sum(self.broker.redeem(message) for message in self.vendor.claims())


def coupons_of(instrument: Instrument) -> Coupons:
    """What the wallet keeps of a commitment."""
    return msgspec.json.decode(instrument.body, type=Coupons)


def altered(instrument: Instrument, **changes: Json) -> Instrument:
    """The same instrument as a dishonest wallet would have it."""
    coupons = msgspec.structs.replace(coupons_of(instrument), **changes)
    return msgspec.structs.replace(instrument, body=codec.canonical(coupons))
