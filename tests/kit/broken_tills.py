"""Tills, each with one rule broken."""

import time
from typing import Any

import msgspec

from farthing import codec
from farthing.errors import Refusal, Replayed, Unsupported
from farthing.marks import Memory
from farthing.schemes.chain.ecoupon.till import EcouponTill
from farthing.schemes.chain.payword import PaywordTill
from farthing.schemes.chain.tick import TickPayment, TickTill
from farthing.schemes.contract import (
    At,
    Finished,
    Taken,
)
from farthing.schemes.mac.millicent.till import MillicentTill

replace = msgspec.structs.replace
DAY_S = 86_400


def later(at: At, seconds: int) -> At:
    return replace(at, now_s=at.now_s + seconds)


# --- tills ------------------------------------------------------------------------------------


class NoMark(MillicentTill):
    """Forgets to mark the serial."""

    def take(self, *arguments: Any) -> Taken:
        return replace(super().take(*arguments), marks=())


class NoSignature(MillicentTill):
    """Skips the request signature."""

    def take(self, *arguments: Any) -> Taken:
        self._offered, kept = "clear", self._offered
        try:
            return super().take(*arguments)
        finally:
            self._offered = kept


class NoVendor(PaywordTill):
    """Takes commitments to any vendor."""

    def _open(self, commitment: Any, at: At) -> Any:
        setting = replace(self.setting, vendor_id=commitment.vendor)
        return PaywordTill(setting)._open(commitment, at)


class NoCurrency(MillicentTill):
    """Takes scrip of any currency, one for one."""

    def take(self, payment: Any, *rest: Any) -> Taken:
        kept, self.setting = self.setting, replace(self.setting, currency=payment.scrip.currency)
        try:
            return super().take(payment, *rest)
        finally:
            self.setting = kept


class TooLong(MillicentTill):
    """Takes scrip for a second too long."""

    def take(self, payment: Any, offer: Any, binding: Any, memory: Any, at: At) -> Taken:
        return super().take(payment, offer, binding, memory, later(at, -1))


class TooShort(MillicentTill):
    """Refuses scrip a second too early."""

    def take(self, payment: Any, offer: Any, binding: Any, memory: Any, at: At) -> Taken:
        return super().take(payment, offer, binding, memory, later(at, 1))


class TooSoon(PaywordTill):
    """Takes commitments of tomorrow a second too soon."""

    def take(self, payment: Any, offer: Any, binding: Any, memory: Any, at: At) -> Taken:
        return super().take(payment, offer, binding, memory, later(at, 1))


class SameIndex(PaywordTill):
    """Is off by one: takes the last word once more."""

    def take(self, payment: Any, offer: Any, binding: Any, memory: Memory, at: At) -> Taken:
        try:
            return super().take(payment, offer, binding, memory, at)
        except Replayed:
            return super().take(payment, offer, binding, Memory(), at)


class Dear(MillicentTill):
    """Charges one micro-unit more than it posts."""

    def take(self, payment: Any, offer: Any, *rest: Any) -> Taken:
        dearer = replace(offer, price_micro=offer.price_micro + 1)
        return super().take(payment, dearer, *rest)


class ShortChange(MillicentTill):
    """Keeps a micro-unit of the change."""

    def finish(self, taken: Taken, redeemed: Any, at: At) -> Finished:
        return super().finish(replace(taken, value_micro=taken.value_micro + 1), redeemed, at)


class Lax(MillicentTill):
    """Reads payments with members that it does not know."""

    def read(self, payload: bytes) -> Any:
        value: Any = codec.read_json(payload)
        known = {"nonce", "plan", "scrip", "sig"}
        kept = {name: each for name, each in value.items() if name in known}
        return super().read(codec.canonical(kept))


class Crashing(PaywordTill):
    """Raises what is no refusal."""

    def read(self, payload: bytes) -> Any:
        try:
            return super().read(payload)
        except Refusal as wrong:
            raise ValueError(wrong.code) from None


class Clocked(MillicentTill):
    """Reads the clock."""

    def finish(self, taken: Taken, redeemed: Any, at: At) -> Finished:
        assert time.time() > 0
        return super().finish(taken, redeemed, at)


class Remembering(PaywordTill):
    """Keeps what it has seen in memory, and not in marks."""

    def __init__(self, setting: Any) -> None:
        super().__init__(setting)
        self.seen = 0

    def take(self, *arguments: Any) -> Taken:
        self.seen += 1
        return replace(super().take(*arguments), reference=f"pw:{self.seen}")


class Wasteful(MillicentTill):
    """Uses randomness that its traits do not ask for."""

    def take(self, payment: Any, offer: Any, binding: Any, memory: Any, at: At) -> Taken:
        taken = super().take(payment, offer, binding, memory, at)
        return replace(taken, reference=f"mc:{at.entropy[40:].hex()}")


class Forgetful(MillicentTill):
    """Has its marks forgotten before the dispute window is over."""

    def take(self, *arguments: Any) -> Taken:
        taken = super().take(*arguments)
        return replace(taken, until_s=taken.until_s - DAY_S)


class NoSweep(PaywordTill):
    """Never finds a claim due."""

    def sweep(self, claims: Any, memory: Memory, at: At) -> list[Any]:
        return [None for _ in claims]


class NoBefore(PaywordTill):
    """Cannot clear before the page, whatever its traits say."""

    def endorse(self, *arguments: Any) -> Any:
        raise Unsupported("settle_unsupported", "clear these payments in batches")


class TwoForOne(TickTill):
    """Counts each payment twice."""

    def take(self, *arguments: Any) -> Taken:
        taken = super().take(*arguments)
        return replace(taken, value_micro=2 * taken.value_micro)


class StillOpen(TickTill):
    """Knows no chain that was closed."""

    def take(self, payment: Any, offer: Any, binding: Any, memory: Memory, at: At) -> Taken:
        before = {
            key: replace(place, to=payment.links[0][1] - 1)
            for key, place in memory.counters.items()
        }
        return super().take(payment, offer, binding, replace(memory, counters=before), at)


class NoWithdrawal(EcouponTill):
    """Looks at no list."""

    def take(self, payment: Any, offer: Any, binding: Any, memory: Memory, at: At) -> Taken:
        return super().take(payment, offer, binding, replace(memory, records={}), at)


class OneChain(TickTill):
    """Knows a stream by the chain that opened it, and not by the voucher's own word."""

    def stream_of(self, payment: TickPayment) -> str:
        if payment.action == "pay":
            return ""
        found = payment.commitment
        return f"tick:{found if isinstance(found, str) else found.id}:1"
