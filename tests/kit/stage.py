"""The six thin schemes on a stage, each with its keys; the registered ones have the lab's."""

from typing import NamedTuple

from farthing.crypto import signing
from farthing.schemes.contract import End, Key, Scheme
from farthing.stores.memory import MemoryMarks
from tests.kit.canaries import canary
from tests.kit.conversation import Issuer, Room, Vendor
from tests.kit.parties import BROKER, DAY_S, PAYER, VENDOR, Ring, setting_of
from tests.kit.thin.ecash import ECASH
from tests.kit.thin.fairchain import FAIRCHAIN
from tests.kit.thin.meteore import METEORE
from tests.kit.thin.mr3 import MR3
from tests.kit.thin.netbill import NETBILL
from tests.kit.thin.shape import BROKER_KEY, GOODS_KEY, SHARED_KEY
from tests.kit.thin.ticks import TICKS
from tests.kit.wallet import Wallet

FUNDS_MICRO = 100_000
PRICE_MICRO = 100
SETTLING_DAYS = 40  # longer than every window


class Stage:
    """A broker, a vendor and a funded payer of one scheme."""

    def __init__(self, scheme: Scheme) -> None:
        self.room, self.scheme = Room(), scheme
        ring = Ring(*_broker_keys())
        self.broker = Issuer(self.room, scheme.mint(setting_of(ring)), ring, MemoryMarks())
        self.vendor = Vendor(self.room, scheme, _vendor_ring(), self.broker)
        self.wallet = self.payer(PAYER)

    def payer(self, name: str) -> Wallet:
        self.room.move(End(kind="bank"), End(kind="payer", id=name), FUNDS_MICRO)
        return Wallet(self.room, self.scheme, Ring(*_public_keys()), self.broker, name)

    @property
    def earned_micro(self) -> int:
        return self.room.owned_micro("vendor")

    @property
    def spent_micro(self) -> int:
        """What payers have less, or owe."""
        have_micro = self.room.owned_micro("payer") + self.room.owned_micro("credit")
        return -self.room.owned_micro("bank") - have_micro

    def settle_up(self, days: int = SETTLING_DAYS) -> None:
        """Days pass; the vendor shows its claims on every one of them."""
        for _ in range(days):
            self.vendor.clear()
            self.broker.tick()
            assert sum(self.room.micro.values()) == 0
            self.room.now_s += DAY_S


class Case(NamedTuple):
    """A scheme, and what is loaded to buy a few pages."""

    scheme: Scheme
    load_micro: int = 1000


CASES = {
    case.scheme.traits.name: case
    for case in (
        Case(ECASH),
        Case(NETBILL),
        Case(MR3),
        Case(TICKS, 3000),
        Case(FAIRCHAIN),
        Case(METEORE),
    )
}


def stage_for(name: str, *, load_micro: int = 0) -> Stage:
    """The scheme's stage, with something loaded."""
    case = CASES[name]
    stage = Stage(case.scheme)
    stage.wallet.load(load_micro or case.load_micro)
    return stage


def _broker_keys() -> list[Key]:
    keys = [Key(id=VENDOR, purpose=SHARED_KEY, secret=canary("shared"))]
    secret = canary(BROKER_KEY)
    public = signing.public_of(secret)
    return [*keys, Key(id=BROKER, purpose=BROKER_KEY, secret=secret, public=public)]


def _public_keys() -> list[Key]:
    return [
        Key(id=key.id, purpose=key.purpose, public=key.public)
        for key in _broker_keys()
        if key.public
    ]


def _vendor_ring() -> Ring:
    ring = Ring()
    shared = Key(id=VENDOR, purpose=SHARED_KEY, secret=canary("shared"))
    for key in (*_public_keys(), shared, Key(id="1", purpose=GOODS_KEY, secret=canary("goods"))):
        ring.add(key)
    return ring
