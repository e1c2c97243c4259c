"""Blind coins with two vendors and payers who have money at the broker; RSA keys are made once."""

import hashlib
from typing import Any

import msgspec

from farthing import codec
from farthing.crypto.signing import public_of
from farthing.marks import Memory
from farthing.schemes.coin.blind import boxes
from farthing.schemes.coin.blind.coinage import Coinage, slots, tag
from farthing.schemes.coin.blind.messages import return_header
from farthing.schemes.coin.blind.mint import BlindMint
from farthing.schemes.coin.blind.pocket import Pocket
from farthing.schemes.coin.blind.purse import BlindPurse
from farthing.schemes.coin.cashu import CASHU, tokens
from farthing.schemes.coin.cashu.at_gate import CHANGE_KEY
from farthing.schemes.coin.cashu.keysets import KEYSET_KEY, MintKeys, unit_micro
from farthing.schemes.coin.deriving import SEED, maker_of
from farthing.schemes.coin.ecash import ECASH
from farthing.schemes.coin.ecash.keyset import KEYS
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
    Scheme,
    Taken,
)
from tests.kit import cashu
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

SCHEMES = (ECASH, CASHU)
LOAD_MICRO = 1_000
PRICE_MICRO = 200
ANSWER_KEY = draw("answer key", 32)


def broker_keys(scheme: Scheme = ECASH, name: str = "") -> tuple[Key, ...]:
    """What a broker's ring holds: its keys for coins follow from the first."""
    signers = (
        Key(id="1", purpose=purpose, secret=canary(purpose), public=public_of(canary(purpose)))
        for purpose in scheme.mint.signing
    )
    (purpose,) = scheme.mint.sealing
    return (Key(id=f"k{name}", purpose=purpose, secret=canary(f"keys{name}")), *signers)


def newer_key(scheme: str) -> Key:
    """What the operator rotates them with."""
    purpose = {"ecash": KEYS, "cashu": KEYSET_KEY}[scheme]
    return Key(id="knew", purpose=purpose, secret=canary("newer keys"))


def vendor_ring() -> Ring:
    """With what makes change."""
    return Ring(Key(id="1", purpose=CHANGE_KEY, secret=canary("change")))


def coinage_of(scheme: Scheme) -> Coinage[Any]:
    assert issubclass(scheme.purse, BlindPurse)
    return scheme.purse.coinage


class Scene:
    """Everybody."""

    def __init__(self, scheme: Scheme = ECASH) -> None:
        self.scheme = scheme
        self.coinage = coinage_of(scheme)
        self.clock = Clock()
        self.broker = Broker(scheme, Ring(*broker_keys(scheme)), self.clock)
        self.vendor = Vendor(scheme, vendor_ring(), self.clock)
        self.other = Vendor(scheme, vendor_ring(), self.clock, "daily")
        self.account: Account = payer_account()
        self.payer = self.admit("ann")
        self._numbers = 0

    def admit(self, name: str) -> Payer:
        """Somebody with a seed and an account."""
        seed = Key(id="seed", purpose=SEED, secret=hashlib.sha256(name.encode()).digest())
        return Payer(self.scheme, Ring(seed), self.clock, payer_account(name))

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

    @property
    def mint(self) -> BlindMint:
        assert isinstance(self.broker.mint, BlindMint)
        return self.broker.mint

    @property
    def returning(self) -> bytes:
        """What a box of coins for the account is bound to."""
        return return_header(self.coinage.name, BROKER)

    def pass_time(self, seconds: int) -> None:
        """And what is due by then."""
        self.clock.now_s += seconds
        self.broker.lapse()


def _account_of(vendor: Vendor) -> Account:
    return Account(id=vendor.id, role="vendor")


def pocket_of(instrument: Instrument) -> Pocket[Any]:
    """What the wallet keeps."""
    (scheme,) = (one for one in SCHEMES if one.traits.name == instrument.scheme)
    assert issubclass(scheme.purse, BlindPurse)
    found: Pocket[Any] = scheme.purse.readers.pockets.read(instrument.body)
    return found


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
    held, coinage = pocket_of(pocket), scene.coinage
    maker = maker_of(scene.payer.purse.setting.ring, BROKER, held.number)
    made, _ = slots(held.keysets, exponents, held.counters)
    box = boxes.Box(
        header=header,
        answer_key=ANSWER_KEY,
        coins=tuple(coinage.coin(maker, one.slot, one.signature) for one in held.coins),
        outputs=tuple(coinage.output(maker, held.keysets, slot) for slot in made),
    )
    public = codec.unb64u(held.keysets.sealing)
    return boxes.seal(tag(coinage.name, "sealed"), public, box, scene.clock.at().entropy)


class Shop(Scene):
    """A broker's mint and a vendor who takes the tokens of any Cashu wallet."""

    def __init__(self) -> None:
        super().__init__(CASHU)
        self.mint_keys = {unit: self._keys(unit) for unit in ("eur", "microeur")}

    def _keys(self, unit: str) -> MintKeys:
        return MintKeys(self.broker.ring.current(KEYSET_KEY), unit)

    def token(self, amount: int, unit: str = "eur", keys: MintKeys | None = None) -> str:
        """Coins that somebody has loaded."""
        keys = keys or self.mint_keys[unit]
        made = cashu.blanks(keys.id, amount)
        signed = [cashu.sign(keys, one.output) for one in made]
        self.broker.balances[f"outstanding/{unit}"] += amount * unit_micro(unit)
        self.broker.balances["payer/ann"] -= amount * unit_micro(unit)
        proofs = cashu.coins(made, signed, keys.public.keys)
        mint = f"https://broker.example/cashu/{unit}"
        return tokens.write(tokens.Token(mint=mint, unit=unit, proofs=proofs))

    def take(self, token: str, price_micro: int = PRICE_MICRO) -> Taken:
        """What the till makes of it."""
        till, at = self.vendor.till, self.clock.at()
        payment = till.read(codec.canonical({"token": [token]}))
        offer = till.offer(price_micro, at)
        binding = msgspec.structs.replace(binding_of(), dialect="cashu")
        return till.take(payment, offer, binding, Memory(), at)

    def redeem(self, taken: Taken) -> list[tokens.Token]:
        """The broker takes it; the change."""
        (claim,) = taken.claims
        applied = self.broker.run("redeem", codec.read_json(claim.body), _account_of(self.vendor))
        finished = self.vendor.till.finish(taken, on_the_wire(applied.for_payer), self.clock.at())
        return [tokens.read(text) for text in finished.change or ()]
