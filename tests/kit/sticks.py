"""Sticks with one vendor and one payer who has credit at the broker, for any scheme of them."""

from typing import Any

import msgspec

from farthing import codec
from farthing.crypto import chain, signing
from farthing.schemes.chain.credit.purse import Card
from farthing.schemes.chain.netcard import NETCARD
from farthing.schemes.chain.sticks.stick import Stick
from farthing.schemes.contract import Instrument, Json, Key, Scheme
from tests.kit.canaries import canary
from tests.kit.parties import Broker, Clock, Payer, Ring, Served, Vendor, payer_account

CREDIT_MICRO = 8_000_000
SLOT_MICRO = 100_000  # a stick of 1,000 coins of 100
CERTIFYING_SECRET = canary("certifying-key")


def certifying_key(scheme: Scheme) -> Key:
    (purpose,) = scheme.mint.signing
    public = signing.public_of(CERTIFYING_SECRET)
    return Key(id="1", purpose=purpose, secret=CERTIFYING_SECRET, public=public)


class Scene:
    """Everybody, and the payer certified."""

    def __init__(self, scheme: Scheme = NETCARD, *, auth: str = "online") -> None:
        key = certifying_key(scheme)
        self.scheme, self.ring = scheme, Ring(msgspec.structs.replace(key, secret=b""))
        self.clock = Clock()
        self.broker = Broker(scheme, Ring(key), self.clock)
        self.vendor = Vendor(scheme, self.ring, self.clock, auth=auth)
        self.payer = Payer(
            scheme, self.ring, self.clock, payer_account(credit_limit_micro=CREDIT_MICRO)
        )
        self.certificate = self.payer.buy(self.broker, SLOT_MICRO, "")

    def shop(self, auth: str) -> Vendor:
        """The same vendor, as if it had set its option so from the beginning."""
        return Vendor(self.scheme, self.ring, self.clock, auth=auth)

    def open(self, vendor: Vendor | None = None, price_micro: int = 100) -> Instrument:
        """A stick for a vendor and today, out of the payer's certificate."""
        offer = (vendor or self.vendor).offer(price_micro)
        self.certificate, opened = self.payer.purse.open(self.certificate, offer, self.clock.at())
        return opened

    def pay(self, stick: Instrument, price_micro: int = 100) -> tuple[Json, Instrument]:
        """The payload of the next payment, and the stick after it."""
        paid = self.payer.pay(stick, self.vendor.offer(price_micro))
        assert paid.after is not None
        return paid.payload, paid.after

    def buy(self, stick: Instrument, price_micro: int = 100) -> tuple[Served, Instrument]:
        """A payment that the vendor takes, whatever has to be cleared before."""
        payload, after = self.pay(stick, price_micro)
        return self.vendor.serve(payload, self.vendor.offer(price_micro)), after

    def revoke(self) -> None:
        """The payer's certificate is on the hot list."""
        serial = msgspec.json.decode(self.certificate.body, type=Card).certificate.serial
        self.broker.run("take_back", {"serial": serial}, self.payer.account)


def stick_of(scene: Scene, instrument: Instrument) -> Stick:
    """What was signed."""
    purse: Any = scene.payer.purse
    stick: Stick = purse.chains.read(instrument.body).commitment
    return stick


def claim_of(scene: Scene, instrument: Instrument, index: int) -> dict[str, Json]:
    """What a vendor shows that got the coin at `index`."""
    purse: Any = scene.payer.purse
    opened = purse.chains.read(instrument.body)
    stick = opened.commitment
    denomination, length, _ = stick.chains[0]
    key = chain.link_key(codec.unb64u(stick.salt))
    word = chain.descend(key, codec.unb64u(opened.seed), length, index)
    link = [denomination, index, codec.b64u(word)]
    return {"commitment": msgspec.to_builtins(stick), "links": [link]}


def resigned(scene: Scene, instrument: Instrument, **changes: Any) -> Instrument:
    """The same with other fields, signed by its payer."""
    purse: Any = scene.payer.purse
    opened = purse.chains.read(instrument.body)
    stick = msgspec.structs.replace(opened.commitment, **changes)
    opened = msgspec.structs.replace(opened, commitment=stick.sign(codec.unb64u(opened.secret)))
    return msgspec.structs.replace(instrument, body=codec.canonical(opened))
