"""The vendor's side of blind coins: it hands the box on before the goods go out, the change back.

It sees neither coins nor change, and learns who paid from neither: the code in a payment is made
for that payment alone.
"""

from typing import Any, ClassVar

import msgspec

from farthing import codec
from farthing.crypto import signing
from farthing.errors import Mismatch, OutOfRange, Underpaid, WrongVendor
from farthing.marks import Claim, Memory, Once
from farthing.money import PAYMENT_MICRO_MAX
from farthing.schemes.coin.blind.coinage import Coinage
from farthing.schemes.coin.blind.messages import PAYMENTS, Payment, order_of
from farthing.schemes.coin.epochs import DISPUTE_S, SKEW_S
from farthing.schemes.contract import At, Binding, Finished, Json, Offer, Taken, Till
from farthing.schemes.proofs import read_proof


class BlindTill(Till):
    """One vendor's till."""

    coinage: ClassVar[Coinage[Any]]

    def offer(self, price_micro: int, at: At) -> Offer:
        """`OutOfRange` for a price of nothing."""
        if not 0 < price_micro <= PAYMENT_MICRO_MAX:
            raise OutOfRange("price_out_of_range", "coins begin at 1 micro-unit")
        return Offer(
            scheme=self.traits.name,
            price_micro=price_micro,
            currency=self.setting.currency,
            vendor_id=self.setting.vendor_id,
            broker_id=self.setting.broker_id,
            broker_url=self.setting.broker_url,
            settlement="final",
        )

    def read(self, payload: bytes) -> Payment:
        """The payment; `Malformed`, `OutOfRange`."""
        return PAYMENTS.read(payload)

    def take(
        self, payment: Payment, offer: Offer, binding: Binding, memory: Memory, at: At
    ) -> Taken:
        """What the broker is asked about; `WrongVendor`, `Underpaid`, `Mismatch`, `Forged`.

        `Expired`, `NotYetValid` for coins that are over, or begin later.
        """
        if payment.vendor != self.setting.vendor_id:
            raise WrongVendor("payment_for_another_vendor", "these coins are for another vendor")
        if payment.price_micro < offer.price_micro:
            raise Underpaid("coins_below_price", "pay the price of the offer")
        if payment.price_micro != offer.price_micro:
            raise Mismatch("price_not_the_offer_s", "pay the price of the offer")
        self.coinage.require_spendable(payment.period, at.now_s)
        if codec.unb64u(payment.order, size_bytes=32) != order_of(self.traits.name, binding):
            raise Mismatch("payment_for_another_order", "these coins are for another request")
        header = payment.verify(self.traits.name)
        until_s = self.coinage.pays_until_s(payment.period) + SKEW_S + DISPUTE_S
        mark = Once(id=f"{self.traits.name}/".encode() + header, until_s=until_s)
        name = codec.b64u(header[:16])
        return Taken(
            value_micro=payment.price_micro,
            reference=f"{self.coinage.short}:{name}",
            payer=payment.payer[:22],
            owner=codec.unb64u(payment.payer, size_bytes=32),
            marks=(mark,),
            until_s=until_s,
            claims=(self.claim_of(mark, payment.price_micro, payment),),
            moment="before",
        )

    def claim_of(self, mark: Once, value_micro: int, message: msgspec.Struct) -> Claim:
        """What the broker is shown before the goods go out."""
        return Claim(
            scheme=self.traits.name,
            key=mark.id,
            order=1,
            value_micro=value_micro,
            body=codec.canonical(message),
            moment="before",
        )

    def finish(self, taken: Taken, redeemed: Json, at: At) -> Finished:
        """The broker's box for the payer, unopened."""
        return Finished(change=redeemed)

    def verify_owner(self, owner: bytes, statement: bytes, proof: str) -> None:
        """`Forged` unless `proof` is `ed25519:` of the key that the payment names."""
        signing.verify(owner, statement, read_proof(proof, "ed25519"))
