"""The vendor's side of Cashu: our wallets' sealed payments, and the tokens of all others.

A token comes in the dialect `cashu` only, where nothing binds it. The gate has the broker hold its
coins before the page is asked for, so of a page that fails nothing is spent.
"""

from typing import Any

from farthing import codec
from farthing.errors import Mismatch, Underpaid, Unfit
from farthing.marks import Memory, Once
from farthing.schemes.coin.blind.messages import Payment
from farthing.schemes.coin.blind.till import BlindTill
from farthing.schemes.coin.cashu import tokens
from farthing.schemes.coin.cashu.at_gate import (
    CHANGE_KEY,
    PAID,
    ChangeMaker,
    TokenClaim,
    TokenPaid,
    change_of,
)
from farthing.schemes.coin.cashu.coinage import COINAGE, PLACE
from farthing.schemes.coin.cashu.keysets import unit_micro
from farthing.schemes.coin.cashu.traits import TRAITS
from farthing.schemes.coin.epochs import DISPUTE_S
from farthing.schemes.contract import At, Binding, Finished, Json, Offer, Taken

REFERENCE_BYTES = 16
_TOKEN = b'{"token":'  # what a token's payload begins with, as canonical JSON


class CashuTill(BlindTill):
    """One vendor's till."""

    traits = TRAITS
    coinage = COINAGE
    sealing = (CHANGE_KEY,)

    def read(self, payload: bytes) -> Payment | TokenPaid:  # type: ignore[override]  # - or token
        """The payment; `Malformed`, `OutOfRange`."""
        return PAID.read(payload) if payload.startswith(_TOKEN) else super().read(payload)

    def take(self, payment: Any, offer: Offer, binding: Binding, memory: Memory, at: At) -> Taken:
        """As of all blind coins; of a token `Mismatch`, `Underpaid`, `Malformed`."""
        if not isinstance(payment, TokenPaid):
            return super().take(payment, offer, binding, memory, at)
        if binding.dialect != "cashu":
            raise Unfit("token_unbound", "a token is sent in the header X-Cashu")
        token = tokens.read(payment.text)
        self._require_ours(token)
        change_micro = token.amount * unit_micro(token.unit) - offer.price_micro
        if change_micro < 0:
            raise Underpaid("coins_below_price", "pay the price of the offer")
        amounts = change_of(self.setting.currency, token.unit, change_micro)
        digest = tokens.digest(payment.text)
        maker = ChangeMaker(self.setting.ring.current(CHANGE_KEY).secret, digest)
        claim = TokenClaim(
            blanks=maker.blanks(amounts),
            price_micro=offer.price_micro,
            token=payment.token,
            vendor=self.setting.vendor_id,
        )
        until_s = at.now_s + DISPUTE_S
        mark = Once(id=b"cashu/" + digest, until_s=until_s)
        name = codec.b64u(digest[:REFERENCE_BYTES])
        return Taken(
            value_micro=offer.price_micro,
            reference=f"ca:{name}",
            payer=name,
            marks=(mark,),
            until_s=until_s,
            claims=(self.claim_of(mark, offer.price_micro, claim),),
            finishing=(maker, amounts),
            moment="before",
        )

    def _require_ours(self, token: tokens.Token) -> None:
        """`Mismatch` unless it is of the broker's mint of its unit."""
        if token.mint != self.setting.broker_url + PLACE + token.unit:
            raise Mismatch("token_of_another_mint", "this page takes coins of its broker's mint")

    def finish(self, taken: Taken, redeemed: Json, at: At) -> Finished:
        """The broker's box for the payer, unopened; of a token its change, as tokens."""
        if taken.finishing is None:
            return super().finish(taken, redeemed, at)
        maker, amounts = taken.finishing
        if not amounts:
            return Finished()
        return Finished(change=maker.tokens(amounts, redeemed, self.setting.broker_url))
