"""Payments with coins, as each scheme's own mint and purse make them."""

import secrets
from typing import ClassVar, Protocol

import msgspec

from bench.payments import BROKER, CURRENCY, RingInMemory, at_now
from farthing import codec
from farthing.crypto import signing
from farthing.marks import NOTHING
from farthing.schemes.coin.blind.messages import Payment
from farthing.schemes.coin.deriving import SEED
from farthing.schemes.coin.ecash import ECASH
from farthing.schemes.coin.netcash import NETCASH
from farthing.schemes.coin.netcash.coin import COIN_KEY
from farthing.schemes.contract import (
    Account,
    Asked,
    At,
    Binding,
    Instrument,
    Json,
    Key,
    Mint,
    Need,
    Offer,
    Paid,
    Purse,
    Scheme,
    Setting,
)

PAYER = Account(id="payer", role="payer")
POCKET_MICRO = 1_000


class CoinPayer(Protocol):
    """Somebody with coins."""

    scheme: ClassVar[Scheme]
    keys: tuple[Key, ...]
    """What the vendor has of the broker."""

    def pay(self, offer: Offer, binding: Binding) -> Json:
        """The payload of one payment."""


def _signer(purpose: str) -> Key:
    """The broker's, both halves."""
    secret = secrets.token_bytes(32)
    return Key(id="1", purpose=purpose, secret=secret, public=signing.public_of(secret))


def _bought(mint: Mint, purse: Purse, need: Need, at: At) -> Instrument:
    """The first of what a mint gives for an order, and for whatever follows from it."""
    found: tuple[Instrument, ...] | Asked = purse.ask(need, at)
    while isinstance(found, Asked):
        checked = mint.check(found.operation, found.message, PAYER, at)
        answer = mint.apply(checked, NOTHING, at).answer
        found = purse.receive(found, msgspec.to_builtins(answer), at)
    return found[0]


class NetcashPayer:
    """Buys a coin of the price for each payment, as who is another broker's payer does."""

    scheme: ClassVar[Scheme] = NETCASH

    def __init__(self) -> None:
        """With a key of the broker's."""
        key = _signer(COIN_KEY)
        self.keys: tuple[Key, ...] = (key,)
        setting = Setting(broker_id=BROKER, currency=CURRENCY, ring=RingInMemory(key))
        self._mint = NETCASH.mint(setting)
        self._purse = NETCASH.purse(msgspec.structs.replace(setting, options={"home": "another"}))

    def pay(self, offer: Offer, binding: Binding) -> Json:
        """The payload of one payment."""
        at = at_now(secrets.token_bytes(64))
        need = Need(amount_micro=offer.price_micro, currency=CURRENCY, offer=offer)
        paid = self._purse.pay(_bought(self._mint, self._purse, need, at), offer, binding, at)
        assert isinstance(paid, Paid), "a coin of the price asks nobody"
        return paid.payload


class EcashPayer:
    """Pays with the same box of coins each time, as another payer: a till sees none of them."""

    scheme: ClassVar[Scheme] = ECASH
    keys: tuple[Key, ...] = ()

    def __init__(self) -> None:
        """With a pocket full of coins."""
        mint = ECASH.mint
        brokers = [_signer(purpose) for purpose in (*mint.signing, *mint.sealing)]
        seed = Key(id="seed", purpose=SEED, secret=secrets.token_bytes(32))
        own = Setting(broker_id=BROKER, currency=CURRENCY, ring=RingInMemory(seed))
        broker = msgspec.structs.replace(own, ring=RingInMemory(*brokers))
        self._purse = ECASH.purse(own)
        at = msgspec.structs.replace(at_now(secrets.token_bytes(64)), serials=(0,))
        need = Need(amount_micro=POCKET_MICRO, currency=CURRENCY)
        self._pocket = _bought(mint(broker), self._purse, need, at)
        self._payment: Payment | None = None

    def pay(self, offer: Offer, binding: Binding) -> Json:
        """The payload of one payment."""
        if self._payment is None:
            paid = self._purse.pay(self._pocket, offer, binding, at_now(secrets.token_bytes(64)))
            assert isinstance(paid, Paid), "its list is fresh"
            self._payment = msgspec.convert(paid.payload, Payment)
        secret = secrets.token_bytes(32)
        public = codec.b64u(signing.public_of(secret))
        other = msgspec.structs.replace(self._payment, payer=public)
        payload: Json = msgspec.to_builtins(other.sign(ECASH.traits.name, secret))
        return payload
