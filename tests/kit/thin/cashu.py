"""Cashu, paper-thin: a till that hands a token on and the change back.

Only the shape is real: what a token is worth is its own word, and nothing is signed.
"""

import msgspec

from farthing import codec
from farthing.errors import Mismatch, Underpaid
from farthing.marks import Memory, Once
from farthing.schemes import contract as c
from farthing.schemes.coin.cashu import tokens
from farthing.schemes.contract import At, Binding, Json, Offer
from tests.kit.thin.shape import FOREVER_S, offer_of, traits_of

TRAITS = traits_of("cashu", "NUT-24", latest="before")
MINT = "https://broker.example/cashu/microeur"


class Payment(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """As the dialect makes it."""

    token: tuple[str, ...]


_PAYMENT = codec.Reader(Payment)


class Till(c.Till):
    traits = TRAITS

    def offer(self, price_micro: int, at: At) -> Offer:
        return offer_of(TRAITS, self.setting, price_micro, settlement="final")

    def read(self, payload: bytes) -> tuple[str, tokens.Token]:
        text = "".join(_PAYMENT.read(payload).token)
        return text, tokens.read(text)

    def take(
        self,
        payment: tuple[str, tokens.Token],
        offer: Offer,
        binding: Binding,
        memory: Memory,
        at: At,
    ) -> c.Taken:
        text, token = payment
        if token.mint != MINT:
            raise Mismatch("token_of_another_mint", "bring a token of the mint that was named")
        if token.amount < offer.price_micro:
            raise Underpaid("coins_below_price", "pay the price of the offer")
        return c.Taken(
            value_micro=offer.price_micro,
            reference=f"cs:{binding.k[:22]}",
            payer="",
            marks=(Once(id=b"cashu/" + tokens.digest(text), until_s=FOREVER_S),),
            until_s=FOREVER_S,
            moment="before",
        )

    def endorse(
        self, payment: tuple[str, tokens.Token], taken: c.Taken, memory: Memory, at: At
    ) -> Json:
        return {"token": payment[0], "change": payment[1].amount - taken.value_micro}

    def finish(self, taken: c.Taken, redeemed: Json, at: At) -> c.Finished:
        return c.Finished(change=redeemed)


CASHU = c.Scheme(traits=TRAITS, mint=c.Mint, purse=c.Purse, till=Till)
