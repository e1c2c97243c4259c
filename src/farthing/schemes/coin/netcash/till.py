"""The vendor's side of NetCash: a coin of the price, in its own window, checked off-line.

Two signatures: the broker's on the coin, and its payer's for this request. Until the vendor's
window is over nobody else can take the coin, so its claim may wait for the sweep.
"""

import msgspec

from farthing import codec
from farthing.crypto import signing
from farthing.errors import (
    Expired,
    OutOfRange,
    Unavailable,
    Underpaid,
    Unsupported,
    WrongVendor,
)
from farthing.marks import Claim, Memory, Once
from farthing.money import PAYMENT_MICRO_MAX
from farthing.schemes.coin.netcash.coin import (
    COIN_KEY,
    DISPUTE_S,
    GRACE_S,
    PAYS_S,
    SKEW_S,
    SUBMIT_S,
    TRAITS,
    Coin,
    mark_id,
    payment_statement,
)
from farthing.schemes.contract import At, Binding, Charged, Offer, Taken, Till
from farthing.schemes.proofs import read_proof


class Payment(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A coin, and its payer's signature for the request."""

    coin: Coin
    sig: str

    def __repr__(self) -> str:
        """The coin only."""
        return f"Payment({self.coin!r})"


_READER = codec.Reader(Payment)


class NetcashTill(Till):
    """One vendor's till."""

    traits = TRAITS

    def offer(self, price_micro: int, at: At) -> Offer:
        """`OutOfRange` for a price that no coin has."""
        if not 0 < price_micro <= PAYMENT_MICRO_MAX:
            raise OutOfRange("price_out_of_range", "a coin is worth 1 micro-unit and more")
        return Offer(
            scheme=self.traits.name,
            price_micro=price_micro,
            currency=self.setting.currency,
            vendor_id=self.setting.vendor_id,
            broker_id=self.setting.broker_id,
            broker_url=self.setting.broker_url,
            settlement="deferred",
            redeem_by_s=at.now_s + PAYS_S + SUBMIT_S,
        )

    def read(self, payload: bytes) -> Payment:
        """The payment; `Malformed`, `Unfit`."""
        return _READER.read(payload)

    def take(
        self, payment: Payment, offer: Offer, binding: Binding, memory: Memory, at: At
    ) -> Taken:
        """Verify; `WrongVendor`, `Expired`, `Underpaid`, `OutOfRange`, `Forged`, `Unavailable`."""
        coin, setting = payment.coin, self.setting
        if coin.vendor != setting.vendor_id:
            raise WrongVendor("coin_of_another_vendor", "exchange for a coin of this vendor")
        if at.now_s > coin.pays_until_s + SKEW_S:
            raise Expired("coin_window_over", "exchange for a fresh coin")
        if coin.worth_micro < offer.price_micro:
            raise Underpaid("amount_below_price", f"the price is {offer.price_micro} micro-units")
        if coin.worth_micro > offer.price_micro:
            raise OutOfRange("coin_above_price", "exchange for a coin of the price")
        coin.require_of(setting.broker_id, setting.currency)
        if setting.ring.find(COIN_KEY, coin.key_id) is None:
            raise Unavailable("coin_key_unknown", "the broker's keys are asked for; try again")
        coin.verify(setting.ring, setting.broker_id, setting.currency)
        sig = codec.unb64u(payment.sig, size_bytes=signing.SIGNATURE_BYTES)
        statement = payment_statement(coin, binding.target, binding.body_digest)
        signing.verify(coin.public, statement, sig)
        mark, until_s = mark_id(coin.serial), coin.expires_at_s + GRACE_S + DISPUTE_S
        claim = Claim(
            scheme=self.traits.name,
            key=mark,
            order=1,
            value_micro=coin.worth_micro,
            body=codec.canonical(coin),
            moment="batch",
        )
        return Taken(
            value_micro=coin.worth_micro,
            reference=f"nc:{coin.serial}",
            payer=f"p_{coin.payer}",
            owner=coin.public,
            marks=(Once(id=mark, until_s=until_s),),
            until_s=until_s,
            claims=(claim,),
        )

    def refund_series(self, charged: Charged) -> str:
        """`Unsupported`: only the broker makes coins."""
        raise Unsupported(
            "refund_unsupported",
            "a coin that was claimed is gone: sell the payer something else for less,"
            " or give the money back yourself",
        )

    def verify_owner(self, owner: bytes, statement: bytes, proof: str) -> None:
        """`Forged` unless `proof` is `ed25519:` of the coin's payer over `statement`."""
        signing.verify(owner, statement, read_proof(proof, "ed25519"))
