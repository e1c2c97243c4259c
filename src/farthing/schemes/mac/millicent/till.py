"""The vendor's side of MilliCent: scrip in, goods and change out, no broker asked.

The checks run in the paper's order: vendor, currency, expiry, certificate, request signature,
then the single-use serial, which the store marks. The change is a new serial of the vendor's own
series with the same payer_id, props and expiry, so the payer's secret goes on working.

Protocols (the vendor's option `protocol`): "signed" (C) by default, "clear" (A) inside TLS only.
Source: the paper's sections on protocols; the claim rows are ours.
"""

from functools import lru_cache
from hmac import compare_digest

import msgspec

from farthing import codec
from farthing.crypto.mac import mac, require_equal
from farthing.errors import (
    Forged,
    Malformed,
    Misconfigured,
    OutOfRange,
    Underpaid,
    WrongVendor,
)
from farthing.marks import Claim, Memory, Once
from farthing.schemes.contract import (
    At,
    Binding,
    Finished,
    Json,
    Offer,
    Setting,
    Taken,
    Till,
)
from farthing.schemes.mac.millicent.claims import CLAIMS, ClaimBody, claim_mac, claim_of
from farthing.schemes.mac.millicent.payment import Payment
from farthing.schemes.mac.millicent.scrip import (
    BURN_KEY,
    PROTOCOLS,
    SCRIP_MICRO_MAX,
    SECRETS_CACHED,
    STOCK_BIT,
    TRAITS,
    Scrip,
    VendorKeys,
    mark_of,
    mint_scrip,
    receipt_key,
    request_sig,
    require_certified,
    require_current,
    require_left,
    serial_of,
    sign_key,
)

_ENCODE = msgspec.json.Encoder().encode
_READER = codec.Reader(Payment)


class Change(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What is kept with the hold: the piece that was paid with, and what goes back of it."""

    old: Scrip
    value_micro: int


_CHANGE = msgspec.json.Decoder(Change)


class MillicentTill(Till):
    """One vendor's till."""

    traits = TRAITS

    def __init__(self, setting: Setting) -> None:
        """`Misconfigured` for an unknown protocol."""
        super().__init__(setting)
        self._keys = VendorKeys(setting.ring)
        self._protocol = setting.options.get("protocol", "signed")
        if self._protocol not in PROTOCOLS:
            raise Misconfigured("protocol_unknown", f"protocol is one of {', '.join(PROTOCOLS)}")
        self._secret = lru_cache(maxsize=SECRETS_CACHED)(self._derive)

    def _derive(self, payer: str) -> bytes:
        return self._keys.secret(self.setting.vendor_id, payer)

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
            terms={"protocol": self._protocol},
        )

    def read(self, payload: bytes) -> Payment:
        """The payment; `Malformed`, `Unfit`."""
        return _READER.read(payload)

    def take(
        self, payment: Payment, offer: Offer, binding: Binding, memory: Memory, at: At
    ) -> Taken:
        """Verify; `WrongVendor`, `Expired`, `Revoked`, `Forged`, `Underpaid`."""
        scrip = payment.scrip
        vendor = self.setting.vendor_id
        if scrip.vendor != vendor:
            raise WrongVendor("scrip_for_another_vendor", "this scrip is spent at its own vendor")
        if scrip.currency != self.setting.currency:
            raise WrongVendor("scrip_in_another_currency", f"pay in {self.setting.currency}")
        require_current(scrip, at.now_s)
        require_certified(self._keys, scrip)
        secret = self._secret(scrip.payer)
        if self._protocol == "signed":
            expected = request_sig(
                sign_key(secret),
                vendor,
                binding.target,
                binding.body_digest,
                scrip.cert,
                payment.nonce,
            )
            if not compare_digest(expected.encode(), payment.sig.encode()):
                raise Forged("request_signature_wrong", "sign the request with the payer's secret")
        change_micro = scrip.value_micro - offer.price_micro
        if change_micro < 0:
            raise Underpaid("amount_below_price", f"the price is {offer.price_micro} micro-units")
        mark = mark_of(scrip)
        return Taken(
            value_micro=offer.price_micro,
            reference=f"mc:{scrip.serial}",
            payer=scrip.payer,
            owner=bytes.fromhex(scrip.payer),
            marks=(mark,),
            until_s=mark.until_s,
            claims=self._claims(scrip, mark, offer.price_micro),
            kept=_ENCODE(Change(old=scrip, value_micro=change_micro)) if change_micro else b"",
            mac_key=receipt_key(secret),
        )

    def _claims(self, scrip: Scrip, mark: Once, price_micro: int) -> tuple[Claim, ...]:
        """One claim; none for scrip of a warehouse, which was paid up front."""
        if scrip.series & STOCK_BIT:
            return ()
        body = ClaimBody(
            expires_at_s=scrip.expires_at_s,
            price_micro=price_micro,
            serial=scrip.serial,
            vendor=scrip.vendor,
        )
        return (claim_of(self.traits.name, mark, body),)

    def series(self, taken: Taken) -> str:
        """Change comes from the vendor's current series of the same lineage."""
        if not taken.kept:
            return ""
        old = _CHANGE.decode(taken.kept).old
        return f"{self.traits.name}/{self._keys.change_series(old.series).id}"

    def finish(self, taken: Taken, redeemed: Json, at: At) -> Finished:
        """The change, minted now; it counts once it is confirmed with the receipt."""
        if not taken.kept:
            return Finished()
        change = _CHANGE.decode(taken.kept)
        old = change.old
        key = self._keys.change_series(old.series)
        require_left(at.serials[0])
        fresh = mint_scrip(
            key.secret,
            vendor=old.vendor,
            currency=old.currency,
            value_micro=change.value_micro,
            serial=serial_of(int(key.id, 16), at.serials[0]),
            payer=old.payer,
            expires_at_s=old.expires_at_s,
            props=old.props,
        )
        return Finished(change=msgspec.to_builtins(fresh))

    def sweep(self, claims: tuple[Claim, ...], memory: Memory, at: At) -> list[Json]:
        """The claims, MACed for the broker."""
        key = self.setting.ring.current(BURN_KEY)
        bodies = [CLAIMS.read(claim.body) for claim in claims]
        return [
            msgspec.to_builtins(msgspec.structs.replace(body, mac=claim_mac(key.secret, body)))
            for body in bodies
        ]

    def verify_owner(self, owner: bytes, statement: bytes, proof: str) -> None:
        """`Forged` unless `proof` is `mac:` of the payer's key over `statement`."""
        kind, _, text = proof.partition(":")
        if kind != "mac":
            raise Malformed("outcome_proof_malformed", "MilliCent proves with mac:")
        expected = mac(16, sign_key(self._secret(owner.hex())), statement)
        require_equal("outcome_proof_wrong", codec.unb64u(text, size_bytes=16), expected)
