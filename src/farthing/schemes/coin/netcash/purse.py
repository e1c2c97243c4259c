"""The payer's side of NetCash: coins that pay anywhere, and one for each page, with windows.

A coin without windows is bought of the account. Before a payment the broker is asked (`AskFirst`)
to exchange it: for a coin of the price with windows for the vendor, and a coin of the rest. The
exchange names no account. A coin whose page never came is the payer's again when the vendor's
window is over.

At a vendor of another broker the account buys a coin of the price, through the payer's own broker.
"""

from typing import Literal

import msgspec

from farthing import codec
from farthing.crypto import signing
from farthing.crypto.mac import mac
from farthing.errors import Expired, Forged, NotYetValid, OutOfRange, Unsupported
from farthing.schemes.coin.netcash.coin import (
    COIN_MICRO_MAX,
    PAYER_WINDOW_S,
    PAYS_S,
    SKEW_S,
    SUBMIT_S,
    TRAITS,
    Coin,
    payment_statement,
)
from farthing.schemes.coin.netcash.orders import ANSWERS, ORDERS, Order, Return, Shown, Want
from farthing.schemes.contract import (
    Asked,
    AskFirst,
    At,
    Binding,
    Burned,
    Concluded,
    Conclusion,
    Instrument,
    Json,
    Need,
    Offer,
    Paid,
    Purse,
    Rolled,
)
from farthing.schemes.proofs import write_proof

SECRET_BYTES = 32
_SECRET_TAG = "farthing/netcash/secret/1"


class Held(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A coin and what goes with it."""

    coin: Coin
    secret: str
    """32 bytes, base64url: the payer's key of a coin with windows; of another coin, what the
    secrets of those follow from that it is exchanged for."""

    def __repr__(self) -> str:
        """The coin only."""
        return f"Held({self.coin!r})"


_HELD = codec.Reader(Held)


class NetcashPurse(Purse):
    """One wallet's coins of one broker."""

    traits = TRAITS
    returns_after_s = PAYS_S + SUBMIT_S + SKEW_S + 1

    @property
    def _is_abroad(self) -> bool:
        """Whether the broker with the account only sells these coins on."""
        own = self.setting.broker_id
        return str(self.setting.options.get("home", own)) != own

    def ask(self, need: Need, at: At) -> Asked:
        """A coin of the need; of another broker one of the price, with windows; `OutOfRange`."""
        if not 0 < need.amount_micro <= COIN_MICRO_MAX:
            raise OutOfRange("worth_out_of_range", f"at most {COIN_MICRO_MAX} micro-units a coin")
        seed = at.entropy[:SECRET_BYTES]
        want = Want(payer="", vendor="", worth_micro=need.amount_micro)
        if self._is_abroad:
            if need.offer is None:
                raise Unsupported("offer_missing", "coins of another broker are for an offer of it")
            want = _want_for(need.offer, seed)
        return self._asked((), (want,), seed)

    def _asked(self, coins: tuple[Shown, ...], wants: tuple[Want, ...], seed: bytes) -> Asked:
        order = Order(broker=self.setting.broker_id, coins=coins, wants=wants)
        message = msgspec.to_builtins(order)
        return Asked(operation="issue", message=message, bearer=bool(coins), kept=seed)

    def receive(self, asked: Asked, answer: Json, at: At) -> tuple[Instrument, ...]:
        """The coins; `Forged` for others than were wanted, `Malformed`.

        Of what is given back nothing is left here.
        """
        if asked.operation == "take_back":
            return ()
        return tuple(_instrument(held) for held in self._got(asked, answer))

    def _got(self, asked: Asked, answer: Json) -> tuple[Held, ...]:
        """What was wanted, whatever the time is here: a wrong clock must not lose a coin."""
        wants = ORDERS.convert(asked.message).wants
        coins = ANSWERS.convert(answer).coins
        if len(coins) != len(wants):
            raise Forged("coin_not_as_wanted", "the broker gave another number of coins")
        for want, coin in zip(wants, coins, strict=True):
            if not want.is_met_by(coin, self.setting.broker_id, self.setting.currency):
                raise Forged("coin_not_as_wanted", "the broker gave another coin")
            if coin.vendor and coin.payer_until_s - coin.vendor_until_s < PAYER_WINDOW_S:
                raise Forged("payer_window_too_short", "the payer would come too late")
        secrets = (_secret_of(asked.kept, number) for number in range(len(coins)))
        return tuple(
            Held(coin=coin, secret=codec.b64u(secret))
            for coin, secret in zip(coins, secrets, strict=True)
        )

    def pay(
        self, instrument: Instrument, offer: Offer, binding: Binding, at: At, answer: Json = None
    ) -> Paid | AskFirst:
        """The coin of the price, signed for this request; the exchange that makes one comes first.

        `OutOfRange` for a coin of another worth, `Expired`, `Forged`.
        """
        held = _HELD.read(instrument.body)
        if held.coin.vendor:
            return _paid(held, instrument, offer, binding, at)
        asked = self._exchange(held, offer)
        if answer is None:
            return AskFirst(asked=asked)
        bound, *rest = self._got(asked, answer)
        paid = _paid(bound, _instrument(bound), offer, binding, at)
        return msgspec.structs.replace(paid, general=_instrument(rest[0]) if rest else None)

    def _exchange(self, held: Held, offer: Offer) -> Asked:
        """For a coin of the price at this vendor, and one of the rest."""
        seed = codec.unb64u(held.secret, size_bytes=SECRET_BYTES)
        rest_micro = held.coin.worth_micro - offer.price_micro
        if rest_micro < 0:
            raise OutOfRange("coin_below_price", "this coin is worth less than the price")
        rest = (Want(payer="", vendor="", worth_micro=rest_micro),) if rest_micro else ()
        wants = (_want_for(offer, seed), *rest)
        return self._asked((Shown(coin=held.coin, sig=""),), wants, seed)

    def conclude(self, paid: Paid, conclusion: Conclusion, at: At) -> Concluded:
        """The coin itself if it was not taken; else nothing."""
        return Concluded(instruments=(paid.spent,) if isinstance(conclusion, Rolled) else ())

    def inquire(self, paid: Paid, at: At) -> Asked:
        """What became of the coin."""
        coin = _HELD.read(paid.spent.body).coin
        message = {"coin": msgspec.to_builtins(coin)}
        return Asked(operation="status", message=message, bearer=True)

    def learn(self, paid: Paid, answer: Json, at: At) -> Conclusion | None:
        """The payer's again if nobody took it in the vendor's window, by the broker's clock.

        What its vendor took the vendor owes a receipt for, and is asked again. What a holder took,
        as an older copy of the wallet would, is gone.
        """
        said = _SAID.convert(answer)
        if said.state == "holders":
            return Rolled()
        return Burned() if said.state == "taken" and not said.by else None

    def prove(self, instrument: Instrument, statement: bytes) -> str:
        """`ed25519:` under the payer's key of a coin with windows."""
        held = _HELD.read(instrument.body)
        if not held.coin.vendor:
            return ""
        return write_proof("ed25519", signing.sign(_key_of(held), statement))

    def give_back(self, instrument: Instrument, at: At) -> Asked:
        """The coin, for money; `NotYetValid` while only its vendor may have it."""
        held = _HELD.read(instrument.body)
        coin, sig = held.coin, ""
        if at.now_s <= coin.vendor_until_s:
            raise NotYetValid("coin_is_its_vendors", "it is yours a day after it last paid")
        back = Return(broker=self.setting.broker_id, coins=(Shown(coin=coin, sig=""),))
        if coin.vendor:
            sig = codec.b64u(signing.sign(_key_of(held), back.statement(coin)))
        back = msgspec.structs.replace(back, coins=(Shown(coin=coin, sig=sig),))
        return Asked(operation="take_back", message=msgspec.to_builtins(back))


def _want_for(offer: Offer, seed: bytes) -> Want:
    """A coin that pays this offer, first of those that follow from `seed`."""
    payer = codec.b64u(signing.public_of(_secret_of(seed, 0)))
    return Want(payer=payer, vendor=offer.vendor_id, worth_micro=offer.price_micro)


def _secret_of(seed: bytes, number: int) -> bytes:
    return mac(SECRET_BYTES, seed, _SECRET_TAG, number)


def _key_of(held: Held) -> bytes:
    return codec.unb64u(held.secret, size_bytes=SECRET_BYTES)


def _instrument(held: Held) -> Instrument:
    coin = held.coin
    return Instrument(
        id=f"nc:{coin.serial}",
        scheme=TRAITS.name,
        vendor_id=coin.vendor,
        currency=coin.currency,
        worth_micro=coin.worth_micro,
        expires_at_s=coin.pays_until_s if coin.vendor else coin.expires_at_s,
        body=codec.canonical(held),
    )


def _paid(held: Held, spent: Instrument, offer: Offer, binding: Binding, at: At) -> Paid:
    coin = held.coin
    if at.now_s >= coin.pays_until_s:
        raise Expired("coin_window_over", "it comes back when the vendor's window is over")
    if coin.worth_micro != offer.price_micro:
        raise OutOfRange("coin_is_not_the_price", "exchange for a coin of the price")
    statement = payment_statement(coin, binding.target, binding.body_digest)
    sig = codec.b64u(signing.sign(_key_of(held), statement))
    return Paid(payload={"coin": msgspec.to_builtins(coin), "sig": sig}, spent=spent, after=None)


class Said(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What the purse wants of the mint's answer to `status`."""

    by: str = ""
    state: Literal["vendors", "holders", "taken"]


_SAID = codec.Reader(Said)
