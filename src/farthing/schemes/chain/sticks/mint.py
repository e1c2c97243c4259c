"""The broker's side of sticks: a serial clears once, and an on-line stick is paid out of a reserve.

Records (key, then JSON or text; `<tag>` is the member's)::

    <tag>/serial/<pseudonym>/<vendor>/<serial>   the one stick that has it
    <tag>/stick/<id>                             what is reserved for an on-line stick

A serial is one vendor's: that vendor has seen all that was paid with it, and refuses another stick
that has it. Were it one for all vendors, a payer who used it twice would leave the second unpaid,
who could not know (ours).

The reserve (`credit/reserve.py`) is made by the first claim of a stick.
"""

import msgspec

from farthing.errors import Closed, Conflict, Revoked
from farthing.marks import Memory
from farthing.schemes.chain.credit import contradictions
from farthing.schemes.chain.credit import reserve as reserves
from farthing.schemes.chain.credit.reserve import Reserve
from farthing.schemes.chain.sticks.stick import Stick
from farthing.schemes.chain.words.mint import ClaimMessage, WordMint
from farthing.schemes.contract import Applied, Flow


class StickMint(WordMint):
    """A member gives what `WordMint` asks for."""

    def noted(self, claim: ClaimMessage[Stick]) -> tuple[bytes, ...]:
        """Its serial; what is reserved for it, and the hot list where that is to be done."""
        stick = claim.commitment
        if stick.auth == "offline":
            return (stick.serial_key,)
        revoked = self.family.revoked_key(stick.certificate.serial)
        return (stick.serial_key, self.reserve_key(stick), revoked)

    def charge(
        self, claim: ClaimMessage[Stick], account_id: str, due_micro: int, memory: Memory
    ) -> Applied:
        """Off-line the guarantee pays; on-line the reserve, which the first claim makes.

        `Conflict` for a serial of another stick; `Revoked` before anything is reserved; `Late`,
        `Finalized` once the rest went back. `Unfunded` and `Overlimit` are the ledger's.
        """
        stick = claim.commitment
        first = contradictions.other(memory, (stick.serial_key,), stick)
        if first:
            told = "another stick for this vendor has this serial"
            return contradictions.refuted(first, stick, Conflict("serial_used_twice", told))
        until_s = stick.billed_until_s
        (serial,) = contradictions.naming(memory, (stick.serial_key,), stick, until_s)
        if stick.auth == "offline":
            charged = super().charge(claim, account_id, due_micro, memory)
            return msgspec.structs.replace(charged, records=(serial,))
        key = self.reserve_key(stick)
        kept = memory.records.get(key)
        if kept is None and claim.closing:
            raise Closed("stick_unknown", "nothing was reserved for it, and nothing is")
        if kept is None and self.family.revoked_key(stick.certificate.serial) in memory.records:
            raise Revoked("certificate_revoked", "its payer has revoked this certificate")
        if kept is not None:
            drawn = reserves.drawn(reserves.read(kept), key, stick.vendor, due_micro)
            return msgspec.structs.replace(drawn, records=(serial, *drawn.records))
        whole = Reserve(
            account=account_id, rest_micro=stick.worth_micro, until_s=stick.billed_until_s
        )
        drawn = reserves.drawn(whole, key, stick.vendor, due_micro)
        rest_micro = stick.worth_micro - due_micro
        # In one step: what the first claim is paid comes from its payer at once.
        paid = tuple(msgspec.structs.replace(flow, source=whole.payer) for flow in drawn.flows)
        rest = Flow(source=whole.payer, target=whole.apart, amount_micro=rest_micro)
        return Applied(
            flows=(*paid, rest) if rest_micro else paid,
            records=(serial, *drawn.records),
            due=((stick.claimed_until_s + 1, key),),
        )

    def reserve_key(self, pledge: Stick) -> bytes:
        """Of an on-line stick its own; empty for credit."""
        return f"{self.family.tag}/stick/{pledge.id}".encode() if pledge.auth == "online" else b""
