"""eCash with two vendors and payers who have money at the broker; its keys are made once."""

import hashlib

from farthing import codec
from farthing.crypto.signing import public_of
from farthing.schemes.coin.deriving import SEED, maker_of
from farthing.schemes.coin.ecash import ECASH
from farthing.schemes.coin.ecash import coin as coins
from farthing.schemes.coin.ecash.keyset import KEYS, LIST_KEY
from farthing.schemes.coin.ecash.making import coin_of, output_of, slots
from farthing.schemes.coin.ecash.mint import RECORD_KEY
from farthing.schemes.coin.ecash.pocket import POCKETS, Pocket
from farthing.schemes.contract import (
    Accepted,
    Account,
    Asked,
    Concluded,
    Instrument,
    Json,
    Key,
    Need,
    Offer,
    Operation,
    Paid,
)
from tests.kit.canaries import canary, draw
from tests.kit.parties import (
    BROKER,
    TARGET,
    Broker,
    Clock,
    Payer,
    Ring,
    Vendor,
    binding_of,
    on_the_wire,
    payer_account,
)

LOAD_MICRO = 1_000
PRICE_MICRO = 200
ANSWER_KEY = draw("answer key", 32)


def broker_keys(name: str = "") -> tuple[Key, ...]:
    """What a broker's ring holds: the RSA keys follow from the first."""
    signers = (
        Key(id="1", purpose=purpose, secret=canary(purpose), public=public_of(canary(purpose)))
        for purpose in (LIST_KEY, RECORD_KEY)
    )
    return (Key(id=f"k{name}", purpose=KEYS, secret=canary(f"keys{name}")), *signers)


class Scene:
    """Everybody."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.broker = Broker(ECASH, Ring(*broker_keys()), self.clock)
        self.vendor = Vendor(ECASH, Ring(), self.clock)
        self.other = Vendor(ECASH, Ring(), self.clock, "daily")
        self.account: Account = payer_account()
        self.payer = self.admit("ann")
        self._numbers = 0

    def admit(self, name: str) -> Payer:
        """Somebody with a seed and an account."""
        seed = Key(id="seed", purpose=SEED, secret=hashlib.sha256(name.encode()).digest())
        return Payer(ECASH, Ring(seed), self.clock, payer_account(name))

    def asked(self, amount_micro: int = LOAD_MICRO, payer: Payer | None = None) -> Asked:
        """A withdrawal, ready to be sent: the list of keys is there."""
        payer = payer or self.payer
        self._numbers += 1
        need = Need(amount_micro=amount_micro, currency="eur")
        listing = payer.purse.ask(need, self.clock.at(self._numbers - 1))
        assert listing.bearer
        return self.following(listing, payer)

    def following(self, asked: Asked, payer: Payer | None = None) -> Asked:
        """What comes of a message that asks for more."""
        found = self._received(asked, payer or self.payer)
        assert isinstance(found, Asked)
        return found

    def received(self, asked: Asked, payer: Payer | None = None) -> Instrument:
        """What comes of a message that ends in a pocket."""
        found = self._received(asked, payer or self.payer)
        assert isinstance(found, tuple)
        return found[0]

    def _received(self, asked: Asked, payer: Payer) -> tuple[Instrument, ...] | Asked:
        account = Account(id="", role="payer") if asked.bearer else payer.account
        answer = on_the_wire(self.broker.run(asked.operation, asked.message, account).answer)
        return payer.purse.receive(asked, answer, self.clock.at())

    def withdraw(self, amount_micro: int = LOAD_MICRO, payer: Payer | None = None) -> Instrument:
        """A pocket."""
        return self.received(self.asked(amount_micro, payer), payer)

    def pay(
        self, pocket: Instrument, price_micro: int = PRICE_MICRO, vendor: Vendor | None = None
    ) -> tuple[Paid, Offer]:
        """A payment, and the offer that it pays."""
        offer = (vendor or self.vendor).offer(price_micro)
        paid = self.payer.purse.pay(pocket, offer, binding_of(), self.clock.at())
        assert isinstance(paid, Paid)
        return paid, offer

    def deposit(self, paid: Paid, offer: Offer, vendor: Vendor | None = None) -> Concluded:
        """The vendor takes it, the broker too; what is left with the payer."""
        vendor = vendor or self.vendor
        served = vendor.serve(paid.payload, offer, target=TARGET)
        assert served.change is None, "the till makes none"
        applied = self.broker.run("redeem", on_the_wire(paid.payload), _account_of(vendor))
        change = on_the_wire(applied.for_payer)
        return self.payer.purse.conclude(paid, Accepted(change=change), self.clock.at())

    def spend(
        self, pocket: Instrument, price_micro: int = PRICE_MICRO, vendor: Vendor | None = None
    ) -> Instrument | None:
        """One whole purchase; what is left of the pocket."""
        left = self.deposit(*self.pay(pocket, price_micro, vendor), vendor).instruments
        return left[0] if left else None

    def micro(self, kind: str, name: str = "") -> int:
        """What is on the ends of a kind on the broker's books."""
        names = [one for one in self.broker.balances if one.startswith(f"{kind}/{name}")]
        return sum(self.broker.balances[one] for one in names)

    def pass_time(self, seconds: int) -> None:
        """And what is due by then."""
        self.clock.now_s += seconds
        self.broker.lapse()


def _account_of(vendor: Vendor) -> Account:
    return Account(id=vendor.id, role="vendor")


def pocket_of(instrument: Instrument) -> Pocket:
    """What the wallet keeps."""
    return POCKETS.read(instrument.body)


def run(scene: Scene, operation: Operation, message: Json, account: Account | None = None) -> Json:
    return scene.broker.run(operation, message, account or scene.account).answer


def refused(scene: Scene, operation: Operation, message: Json, account: Account) -> None:
    """Run it, and see that nothing has changed by the refusal."""
    before = scene.broker.snapshot()
    try:
        scene.broker.run(operation, message, account)
    finally:
        assert scene.broker.snapshot() == before


def boxed(
    scene: Scene, pocket: Instrument, header: bytes, *, exponents: tuple[int, ...] = ()
) -> list[str]:
    """All coins of a pocket, and outputs of these exponents."""
    held = pocket_of(pocket)
    maker = maker_of(scene.payer.purse.setting.ring, BROKER, held.number)
    made, _ = slots(held.keysets, exponents, held.counters)
    box = coins.Box(
        header=header,
        answer_key=ANSWER_KEY,
        coins=tuple(coin_of(maker, one.slot, one.signature) for one in held.coins),
        outputs=tuple(output_of(maker, held.keysets, slot) for slot in made),
    )
    public = codec.unb64u(held.keysets.sealing)
    return coins.seal(public, box, scene.clock.at().entropy)
