"""The vendor's side of sticks: taken as its option `auth` says, each serial once.

With `auth = "online"` the opening of a stick clears before the page goes out, which reserves its
whole value; all that it pays later is as good as money. With "offline" a stick is credit.
"""

from typing import cast

import msgspec

from farthing.errors import Conflict, Misconfigured, Mismatch
from farthing.marks import Keys, Memory, Moment
from farthing.schemes.chain.credit import contradictions
from farthing.schemes.chain.sticks.stick import AUTHS, Auth, Stick
from farthing.schemes.chain.words.commitment import Commitment
from farthing.schemes.chain.words.till import Payment, WordTill
from farthing.schemes.contract import At, Binding, Json, Offer, Setting, Taken


class StickTill(WordTill):
    """A member gives what `WordTill` asks for."""

    def __init__(self, setting: Setting) -> None:
        """`Misconfigured` for a unit that is not an amount, or a way to authorise that is none."""
        super().__init__(setting)
        auth = setting.options.get("auth", AUTHS[0])
        if auth not in AUTHS:
            told = f"auth is {' or '.join(AUTHS)}"
            raise Misconfigured("auth_unknown", told, option="auth")
        self.auth = cast(Auth, auth)
        if self.auth == "online":
            self.soonest = "before"

    def terms(self, at: At) -> dict[str, Json]:
        """How a stick is to be made out."""
        return {"auth": self.auth}

    def recall(self, payment: Payment[Commitment]) -> Keys:
        """At an opening also which stick has its serial."""
        keys, stick = super().recall(payment), payment.commitment
        if not isinstance(stick, Stick):
            return keys
        return Keys(counters=keys.counters, records=(*keys.records, stick.serial_key))

    def take(
        self, payment: Payment[Commitment], offer: Offer, binding: Binding, memory: Memory, at: At
    ) -> Taken:
        """As words; `Mismatch` for a stick of the other kind, `Conflict` for a serial again."""
        stick = payment.commitment
        if not isinstance(stick, Stick):
            return super().take(payment, offer, binding, memory, at)
        if stick.auth != self.auth:
            raise Mismatch("stick_of_another_kind", f"sticks are authorised {self.auth} here")
        first = contradictions.other(memory, (stick.serial_key,), stick)
        if first:
            self.admit(stick, at)  # only what its payer has signed is kept
            refusal = Conflict("serial_used_twice", "another stick has this serial")
            raise contradictions.shown(first, stick, refusal)
        taken = super().take(payment, offer, binding, memory, at)
        if not taken.records:  # it was opened before
            return taken
        serials = contradictions.naming(memory, (stick.serial_key,), stick, taken.until_s)
        moment: Moment = "before" if stick.auth == "online" else "batch"
        records = (*taken.records, *serials)
        return msgspec.structs.replace(taken, records=records, moment=moment)
