"""The vendor's side of MilliCent: scrip in, goods and change out, no broker asked.

The checks run in the paper's order: vendor, currency, expiry, certificate, request signature,
then the single-use serial, which the store marks. The change is a new serial of the vendor's own
series with the same payer_id, props and expiry, so the payer's secret goes on working.

Protocols (the vendor's option `protocol`): "signed" (C) by default, "clear" (A) inside TLS only,
"private" (B) beside C: payers who can seal do, for the others the 402 offers C as ever.
Source: the paper's sections on protocols; the claim rows are ours.
"""

import binascii
from functools import lru_cache
from hmac import compare_digest

import msgspec

from farthing import codec
from farthing.crypto import sealing
from farthing.crypto.mac import mac, require_equal
from farthing.errors import (
    Forged,
    Misconfigured,
    OutOfRange,
    Underpaid,
    Unsupported,
    WrongPayer,
    WrongVendor,
)
from farthing.marks import Claim, Memory, Once
from farthing.schemes import conditions, subscriptions
from farthing.schemes.conditions import REDUCED, REQUIRES
from farthing.schemes.contract import (
    At,
    Binding,
    Charged,
    Finished,
    Json,
    Offer,
    Refund,
    Replier,
    Setting,
    Taken,
    Till,
)
from farthing.schemes.mac.millicent import refund, subscription
from farthing.schemes.mac.millicent.claims import claim_row, message_of
from farthing.schemes.mac.millicent.payment import Payment
from farthing.schemes.mac.millicent.private import PAYER_BYTES, seal_answer, unseal_request
from farthing.schemes.mac.millicent.reply import replier
from farthing.schemes.mac.millicent.scrip import (
    BURN_KEY,
    PROTOCOLS,
    SCRIP_MICRO_MAX,
    SECRETS_CACHED,
    TRAITS,
    Scrip,
    fresh_expiry_s,
    mark_of,
    mint_change,
    receipt_key,
    request_sig,
    require_current,
    require_left,
    serial_in,
    sign_key,
)
from farthing.schemes.mac.millicent.vendor_keys import VendorKeys, require_certified
from farthing.schemes.proofs import read_proof
from farthing.schemes.subscriptions import SUBSCRIPTION

_READER = codec.Reader(Payment)


class MillicentTill(Till):
    """One vendor's till."""

    traits = TRAITS

    def __init__(self, setting: Setting) -> None:
        """`Misconfigured` for an unknown protocol."""
        super().__init__(setting)
        self._keys = VendorKeys(setting.ring)
        self._protocol = setting.options.get("protocol", "signed")
        if self._protocol not in PROTOCOLS:
            raise Misconfigured(
                "protocol_unknown",
                f"protocol is one of {', '.join(PROTOCOLS)}",
                option="protocol",
            )
        self.is_private = self._protocol == "private"
        self._offered = "signed" if self.is_private else self._protocol
        self.subscribes = self._protocol != "clear"
        self._shared = lru_cache(maxsize=SECRETS_CACHED)(self._derive)

    def _derive(self, payer: str) -> tuple[bytes, bytes, bytes]:
        """What payer and vendor share: the secret, and its keys for requests and receipts."""
        secret = self._keys.secret(self.setting.vendor_id, payer)
        return secret, sign_key(secret), receipt_key(secret)

    def _secret(self, payer: str) -> bytes:
        return self._shared(payer)[0]

    def offer(self, price_micro: int, at: At) -> Offer:
        """Final, since the vendor's own money comes back; `OutOfRange` above the largest piece."""
        if not 0 < price_micro <= SCRIP_MICRO_MAX:
            raise OutOfRange("price_out_of_range", f"MilliCent pays 1 to {SCRIP_MICRO_MAX} micro")
        return Offer(
            scheme=self.traits.name,
            price_micro=price_micro,
            currency=self.setting.currency,
            vendor_id=self.setting.vendor_id,
            broker_id=self.setting.broker_id,
            broker_url=self.setting.broker_url,
            settlement="final",
            terms={"protocol": self._offered},
        )

    def read(self, payload: bytes) -> Payment:
        """The payment; `Malformed`, `Unfit`."""
        return _READER.read(payload)

    def take(
        self, payment: Payment, offer: Offer, binding: Binding, memory: Memory, at: At
    ) -> Taken:
        """Verify; `WrongVendor`, `WrongPayer`, `Expired`, `Revoked`, `Forged`.

        Then the price: `Denied` to who lacks a property that it takes, `Underpaid`. Under a plan
        no money moves.
        """
        scrip = payment.scrip
        vendor = self.setting.vendor_id
        if scrip.vendor != vendor:
            raise WrongVendor("scrip_for_another_vendor", "this scrip is spent at its own vendor")
        if scrip.currency != self.setting.currency:
            raise WrongVendor("scrip_in_another_currency", f"pay in {self.setting.currency}")
        require_current(scrip, at.now_s)
        require_certified(self._keys, scrip)
        secret, k_sig, k_receipt = self._shared(scrip.payer)
        if payment.plan:
            return self._take_subscribed(payment, offer, binding, secret, at)
        if binding.dialect == "private":
            _require_owner(scrip, binding)
        elif self._offered == "signed":
            expected = request_sig(
                k_sig,
                vendor,
                binding.target,
                binding.body_digest,
                scrip.cert,
                payment.nonce,
            )
            if not compare_digest(expected.encode(), payment.sig.encode()):
                raise Forged("request_signature_wrong", "sign the request with the payer's secret")
        price_micro = offer.price_micro
        if REDUCED in offer.terms or REQUIRES in offer.terms:
            conditions.require_eligible(offer, scrip.props)
            price_micro = conditions.due_micro(offer, scrip.props)
        change_micro = scrip.value_micro - price_micro
        if change_micro < 0:
            raise Underpaid("amount_below_price", f"the price is {price_micro} micro-units")
        mark = mark_of(scrip)
        changed = scrip if change_micro else None
        if SUBSCRIPTION in offer.terms:
            changed = _subscribed(scrip, change_micro, offer, at.now_s)
        return Taken(
            value_micro=price_micro,
            reference=f"mc:{scrip.serial}",
            payer=scrip.payer,
            owner=binascii.unhexlify(scrip.payer),
            marks=(mark,),
            until_s=mark.until_s,
            claims=self._claims(scrip, mark, price_micro, changed),
            kept=scrip.props.encode(),  # for a refund
            finishing=changed,
            mac_key=k_receipt,
        )

    def _take_subscribed(
        self, payment: Payment, offer: Offer, binding: Binding, secret: bytes, at: At
    ) -> Taken:
        """A page that the payer's plan covers: nothing is earned, and no serial is used up.

        `Unsupported` without a signature, `Forged`, `Denied`, `Expired` once the plan has ended.
        """
        scrip = payment.scrip
        if binding.dialect == "private":
            _require_owner(scrip, binding)
        elif not self.subscribes:
            raise Unsupported("plan_needs_signature", "subscriptions are shown signed")
        else:
            expected = subscription.request_sig(
                sign_key(secret),
                scrip.vendor,
                binding.target,
                binding.body_digest,
                scrip.cert,
                payment.plan,
                payment.nonce,
            )
            if not compare_digest(expected.encode(), payment.sig.encode()):
                raise Forged("request_signature_wrong", "sign the request with the payer's secret")
        until_s = subscription.require_covered(scrip, payment.plan, offer, at.now_s)
        mark = subscription.mark_of(scrip, payment.nonce, until_s)
        return Taken(
            value_micro=0,
            reference=f"sub:{scrip.serial}:{payment.nonce}",
            payer=scrip.payer,
            owner=binascii.unhexlify(scrip.payer),
            marks=(mark,),
            until_s=mark.until_s,
            mac_key=receipt_key(secret),
        )

    def _claims(
        self, scrip: Scrip, mark: Once, price_micro: int, changed: Scrip | None
    ) -> tuple[Claim, ...]:
        """One claim; none for scrip of a warehouse, which was paid up front.

        Change that lives longer than the scrip did moves what it is worth to a later pool.
        """
        if scrip.is_stock:
            return ()
        if changed is not None and changed.expires_at_s != scrip.expires_at_s:
            row = claim_row(
                mark,
                serial=scrip.serial,
                price_micro=price_micro,
                expires_at_s=scrip.expires_at_s,
                moved_micro=scrip.value_micro - price_micro,
                moved_to_s=changed.expires_at_s,
            )
            return (row,)
        return (
            claim_row(
                mark,
                serial=scrip.serial,
                price_micro=price_micro,
                expires_at_s=scrip.expires_at_s,
            ),
        )

    def series(self, taken: Taken) -> str:
        """Change comes from the vendor's current series of the same lineage."""
        old = taken.finishing
        return f"millicent/{self._keys.change_series(old).id}" if old else ""

    def finish(self, taken: Taken, redeemed: Json, at: At) -> Finished:
        """The change, minted now; it counts once it is confirmed with the receipt."""
        old: Scrip | None = taken.finishing
        if old is None:
            return Finished()
        key = self._keys.change_series(old)
        require_left(at.serials[0])
        change = mint_change(
            key.secret,
            old,
            value_micro=old.value_micro - taken.value_micro,
            serial=serial_in(key.id, at.serials[0]),
        )
        return Finished(change=change)

    def replier(self, payment: Payment) -> Replier | None:
        """Under the payer's signing key, where the payer signed the request."""
        return replier(sign_key(self._secret(payment.scrip.payer)), payment.sig)

    def sweep(self, claims: tuple[Claim, ...], memory: Memory, at: At) -> list[Json]:
        """The claims, MACed for the broker."""
        k_burn, vendor = self.setting.ring.current(BURN_KEY).secret, self.setting.vendor_id
        return [
            refund.message_of(claim, vendor, k_burn)
            if refund.is_refund(claim)
            else message_of(claim, vendor, k_burn)
            for claim in claims
        ]

    def refund_series(self, charged: Charged) -> str:
        """The vendor's current one, of the lineage of what was paid with."""
        return f"{self.traits.name}/{refund.series_key(self.setting.ring, charged).id}"

    def refund(self, charged: Charged, at: At) -> Refund:
        """New scrip for the price, and the claim that moves it back; `Misconfigured`."""
        return refund.give(charged, self.setting, self._secret(charged.payer), at)

    def verify_owner(self, owner: bytes, statement: bytes, proof: str) -> None:
        """`Forged` unless `proof` is `mac:` of the payer's key over `statement`."""
        expected = mac(16, sign_key(self._secret(owner.hex())), statement)
        require_equal("outcome_proof_wrong", read_proof(proof, "mac"), expected)

    def unseal(self, owner: bytes, sealed: bytes) -> bytes:
        """The request that this payer sealed in protocol B; `Forged`, `TooLarge`."""
        if len(owner) != PAYER_BYTES:
            raise Forged("seal_broken", "a payer_id has 8 bytes")
        secret = self._secret(owner.hex())
        return unseal_request(secret, self.setting.vendor_id, owner, sealed)

    def seal_answer(self, owner: bytes, request: bytes, message: bytes, at: At) -> bytes:
        """`message` sealed in protocol B, for whoever sealed `request`; `TooLarge`."""
        secret, nonce = self._secret(owner.hex()), at.entropy[: sealing.NONCE_BYTES]
        return seal_answer(secret, self.setting.vendor_id, owner, request, nonce, message)


def _subscribed(scrip: Scrip, change_micro: int, offer: Offer, now_s: int) -> Scrip:
    """What the change of a page that sells a plan is minted of: with the plan, and a fresh expiry.

    `Denied` where a plan runs in it already; `Underpaid` where there is no change to carry one.
    """
    plan = subscriptions.sold_by(offer)
    assert plan is not None, "its terms were looked at"
    if not change_micro:
        raise Underpaid("subscription_needs_change", "pay with scrip that is worth a little more")
    return msgspec.structs.replace(
        scrip,
        expires_at_s=max(scrip.expires_at_s, fresh_expiry_s(now_s)),
        props=subscription.begun(scrip, plan, now_s),
    )


def _require_owner(scrip: Scrip, binding: Binding) -> None:
    """`WrongPayer` unless who sealed the request is who owns the scrip: the seal is the proof."""
    if binascii.unhexlify(scrip.payer) != binding.owner:
        raise WrongPayer("scrip_of_another_payer", "pay with scrip of the payer who seals")
