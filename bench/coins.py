"""Payments with coins of NetCash, as its own mint and purse make them."""

import secrets

import msgspec

from bench.payments import BROKER, CURRENCY, RingInMemory, at_now
from farthing.crypto import signing
from farthing.marks import NOTHING
from farthing.schemes.coin.netcash import NETCASH
from farthing.schemes.coin.netcash.coin import COIN_KEY
from farthing.schemes.contract import Account, Binding, Json, Key, Need, Offer, Paid, Setting

PAYER = Account(id="payer", role="payer")


def coin_key() -> Key:
    """The broker's, both halves."""
    secret = secrets.token_bytes(32)
    return Key(id="1", purpose=COIN_KEY, secret=secret, public=signing.public_of(secret))


class CoinPayer:
    """Buys a coin of the price for each payment, as who is another broker's payer does."""

    def __init__(self, key: Key) -> None:
        """`key`: the broker's."""
        setting = Setting(broker_id=BROKER, currency=CURRENCY, ring=RingInMemory(key))
        self._mint = NETCASH.mint(setting)
        self._purse = NETCASH.purse(msgspec.structs.replace(setting, options={"home": "another"}))

    def pay(self, offer: Offer, binding: Binding) -> Json:
        """The payload of one payment."""
        at = at_now(secrets.token_bytes(64))
        need = Need(amount_micro=offer.price_micro, currency=CURRENCY, offer=offer)
        asked = self._purse.ask(need, at)
        checked = self._mint.check("issue", asked.message, PAYER, at)
        applied = self._mint.apply(checked, NOTHING, at)
        received = self._purse.receive(asked, msgspec.to_builtins(applied.answer), at)
        assert isinstance(received, tuple), "an answer has instruments in it"
        paid = self._purse.pay(received[0], offer, binding, at)
        assert isinstance(paid, Paid), "a coin of the price asks nobody"
        return paid.payload
