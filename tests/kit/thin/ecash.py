"""eCash, paper-thin: the broker makes the change after it has redeemed the coins.

Only the shape is real; the cryptography is the toy of `blind.py`.
"""

import msgspec

from farthing import codec
from farthing.errors import Mismatch, OutOfRange, Underpaid
from farthing.marks import Memory, Once
from farthing.schemes import contract as c
from farthing.schemes.contract import At, Binding, Instrument, Json, Offer
from tests.kit.thin.blind import Coin, Point, blind, sign, split, unblind, verify
from tests.kit.thin.shape import FOREVER_S, instrument_of, offer_of, traits_of

TRAITS = traits_of("thin-ecash", "DigiCash", latest="before")
OUT = c.End(kind="outstanding")


class Payment(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A withdrawal has no coins."""

    coins: tuple[Coin, ...]
    outputs: tuple[Point, ...]
    """Blinded messages: what is to come back."""

    @property
    def worth_micro(self) -> int:
        return sum(coin[0] for coin in self.coins) - sum(micro for micro, _ in self.outputs)

    @property
    def marks(self) -> tuple[Once, ...]:
        ids = (b"ecash" + serial.encode() for _, serial, _ in self.coins)
        return tuple(Once(id=found, until_s=FOREVER_S) for found in ids)


_PAYMENT = codec.Reader(Payment)
_POCKET = codec.Reader(tuple[Coin, ...])


class Mint(c.Mint):
    traits = TRAITS

    def check(self, operation: c.Operation, message: Json, account: c.Account, at: At) -> c.Checked:
        payment = _PAYMENT.convert(message)
        for coin in payment.coins:
            verify(coin)
        if (payment.worth_micro > 0) != (operation == "redeem"):
            raise Mismatch("coins_and_change_differ", "sum of coins = price + change")
        return c.Checked(operation=operation, message=payment, account=account)

    def apply(self, checked: c.Checked, memory: Memory, at: At) -> c.Applied:
        payment: Payment = checked.message
        signed = {"signatures": sign(payment.outputs)}
        if checked.operation == "issue":
            payer = c.End(kind="payer", id=checked.account.id)
            flow = c.Flow(source=payer, target=OUT, amount_micro=-payment.worth_micro)
            return c.Issued(flows=(flow,), answer=signed)
        vendor = c.End(kind="vendor", id=checked.account.id)
        return c.Redeemed(
            flows=(c.Flow(source=OUT, target=vendor, amount_micro=payment.worth_micro),),
            marks=payment.marks,
            for_payer=signed,
            paid_micro=payment.worth_micro,
        )


def _pocket(name: str, coins: tuple[Coin, ...]) -> Instrument:
    return instrument_of(TRAITS, name, sum(coin[0] for coin in coins), codec.canonical(coins))


class Purse(c.Purse):
    traits = TRAITS

    def ask(self, need: c.Need, at: At) -> c.Asked:
        seed = at.entropy[:16]
        message = {"coins": [], "outputs": blind(seed, need.amount_micro)}
        return c.Asked(operation="issue", message=message, kept=seed)

    def receive(self, asked: c.Asked, answer: Json, at: At) -> tuple[Instrument, ...]:
        total_micro = sum(micro for micro, _ in asked.message["outputs"])
        coins = unblind(asked.kept, total_micro, answer["signatures"])
        return (_pocket("ec:" + asked.kept.hex(), coins),)

    def pay(
        self, instrument: Instrument, offer: Offer, binding: Binding, at: At, answer: Json = None
    ) -> c.Paid:
        rest, shown = list(_POCKET.read(instrument.body)), list[Coin]()
        while sum(coin[0] for coin in shown) < offer.price_micro:
            if not rest:
                raise OutOfRange("pocket_below_price", "withdraw more coins")
            shown.append(rest.pop(0))
        change_micro = sum(coin[0] for coin in shown) - offer.price_micro
        seed = at.entropy[:16]
        return c.Paid(
            payload={"coins": shown, "outputs": blind(seed, change_micro)},
            spent=instrument,
            after=_pocket(instrument.id, tuple(rest)),
            kept=seed + change_micro.to_bytes(8, "big"),
        )

    def conclude(self, paid: c.Paid, conclusion: c.Conclusion, at: At) -> c.Concluded:
        assert paid.after is not None, "a pocket stays, if empty"
        if isinstance(conclusion, c.Rolled):
            return c.Concluded(instruments=(paid.spent,))
        if isinstance(conclusion, c.Burned):
            return c.Concluded(instruments=(paid.after,))
        seed, change_micro = paid.kept[:16], int.from_bytes(paid.kept[16:])
        change = unblind(seed, change_micro, conclusion.change["signatures"])
        coins = change + _POCKET.read(paid.after.body)
        return c.Concluded(instruments=(_pocket(paid.spent.id, coins),))


class Till(c.Till):
    traits = TRAITS

    def offer(self, price_micro: int, at: At) -> Offer:
        split(price_micro)
        return offer_of(TRAITS, self.setting, price_micro, settlement="final")

    def read(self, payload: bytes) -> Payment:
        return _PAYMENT.read(payload)

    def take(
        self, payment: Payment, offer: Offer, binding: Binding, memory: Memory, at: At
    ) -> c.Taken:
        if payment.worth_micro < offer.price_micro:
            raise Underpaid("coins_below_price", "the price, and change for the rest")
        return c.Taken(
            value_micro=payment.worth_micro,
            reference=f"ec:{payment.coins[0][1][:16]}",
            payer="",
            marks=payment.marks,
            until_s=FOREVER_S,
            moment="before",
        )

    def finish(self, taken: c.Taken, redeemed: Json, at: At) -> c.Finished:
        return c.Finished(change=redeemed)


ECASH = c.Scheme(traits=TRAITS, mint=Mint, purse=Purse, till=Till)
