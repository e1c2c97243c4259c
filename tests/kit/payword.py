"""A scheme on credit with one vendor and one payer who has credit at the broker: PayWord."""

import msgspec

from farthing import codec
from farthing.crypto import chain, signing
from farthing.schemes.chain import tick
from farthing.schemes.chain.credit.purse import Card
from farthing.schemes.chain.payword import FAMILY, PAYWORD, PaywordCommitment
from farthing.schemes.chain.words.purse import Opened
from farthing.schemes.contract import Account, Instrument, Json, Key, Scheme
from tests.kit.canaries import canary
from tests.kit.parties import (
    DAY_S,
    NOW_S,
    Broker,
    Clock,
    Payer,
    Ring,
    Vendor,
    payer_account,
)

CREDIT_MICRO = 8_000_000
SLOT_MICRO = 100_000  # a chain of 1,000 words of 100
TODAY = NOW_S // DAY_S
CERTIFYING_SECRET = canary("certifying-key")


def certifying_key(
    key_id: str = "1", secret: bytes = CERTIFYING_SECRET, purpose: str = FAMILY.certificate_key
) -> Key:
    return Key(
        id=key_id,
        purpose=purpose,
        secret=secret,
        public=signing.public_of(secret),
    )


def public_ring(*keys: Key) -> Ring:
    """What a vendor or payer holds of the broker's keys."""
    return Ring(*(msgspec.structs.replace(key, secret=b"") for key in keys or (certifying_key(),)))


class Scene:
    """Everybody, and the payer certified."""

    def __init__(
        self,
        *,
        scheme: Scheme = PAYWORD,
        credit_micro: int = CREDIT_MICRO,
        keys: tuple[Key, ...] = (),
        **options: Json,
    ) -> None:
        """`keys`: the vendor's own, beside the public halves of its broker's."""
        self.clock = Clock()
        known = [certifying_key(purpose=purpose) for purpose in scheme.mint.signing]
        self.broker = Broker(scheme, Ring(*known), self.clock)
        ring = public_ring(*known)
        for key in keys:
            ring.add(key)
        self.vendor = Vendor(scheme, ring, self.clock, **options)
        self.account: Account = payer_account(credit_limit_micro=credit_micro)
        self.payer = Payer(scheme, public_ring(*known), self.clock, self.account)
        self.certificate = self.certify()

    def certify(self, slot_micro: int = SLOT_MICRO) -> Instrument:
        """Another certificate, with so much credit for each slot."""
        return self.payer.buy(self.broker, slot_micro, "")

    def open(self, vendor: Vendor | None = None, price_micro: int = 100) -> Instrument:
        """A chain for a vendor and today, out of the payer's certificate."""
        offer = (vendor or self.vendor).offer(price_micro)
        self.certificate, opened = self.payer.purse.open(self.certificate, offer, self.clock.at())
        return opened

    def clear(self) -> int:
        """Every pending claim shown to the broker; what they earned."""
        return sum(self.broker.redeem(message) for message in self.vendor.claims())


def public_keys() -> list[Key]:
    """What a gate has of the broker, for PayWord and for ticks."""
    keys = (certifying_key(), certifying_key(purpose=tick.FAMILY.certificate_key))
    return [msgspec.structs.replace(key, secret=b"") for key in keys]


def rich(scheme: str, credit_micro: int) -> Scene:
    """A scene of PayWord or of ticks."""
    if scheme == "tick":
        return Scene(scheme=tick.TICK, credit_micro=credit_micro)
    return Scene(credit_micro=credit_micro)


class Hand:
    """A payer who writes commitments and payments by hand, right or wrong."""

    def __init__(
        self,
        certificate: Instrument,
        *,
        chains: tuple[tuple[int, int], ...] = ((100, 50),),
        slots: tuple[int, int] = (0, 1),
        day: int = TODAY,
        vendor: str = "news",
        seed: bytes = b"",
    ) -> None:
        card = msgspec.json.decode(certificate.body, type=Card)
        self.salt = canary("salt", 16)
        self.lengths = dict(chains)
        self.seeds = {value: seed or canary(f"seed-{value}", 16) for value, _ in chains}
        unsigned = PaywordCommitment(
            certificate=card.certificate,
            chains=tuple(
                (value, length, codec.b64u(chain.root_of(self.salt, self.seeds[value], length)))
                for value, length in chains
            ),
            day=day,
            salt=codec.b64u(self.salt),
            sig="",
            slots=slots,
            vendor=vendor,
        )
        self.secret = codec.unb64u(card.secret)
        self.commitment = self.sign(unsigned)

    def sign(self, commitment: PaywordCommitment) -> PaywordCommitment:
        """The commitment under the payer's signature, whatever it says."""
        sig = codec.b64u(signing.sign(self.secret, commitment.signed()))
        return msgspec.structs.replace(commitment, sig=sig)

    def link(self, index: int, value: int = 100) -> Json:
        """The true word at an index, as it travels."""
        length = self.lengths[value]
        word = chain.descend(chain.link_key(self.salt), self.seeds[value], length, index)
        return [value, index, codec.b64u(word)]

    def first(self, *links: Json) -> Json:
        """A payment with the commitment itself."""
        return {"commitment": msgspec.to_builtins(self.commitment), "links": list(links)}

    def later(self, *links: Json) -> Json:
        """A payment with the commitment's id."""
        return {"commitment": self.commitment.id, "links": list(links)}


def opened_of(instrument: Instrument) -> Opened[PaywordCommitment]:
    """What the wallet keeps of a chain."""
    return msgspec.json.decode(instrument.body, type=Opened[PaywordCommitment])
