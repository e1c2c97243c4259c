"""The broker's side of sticks: a serial clears once, and an on-line stick is paid out of a reserve.

Records (key, then JSON or text; `<tag>` is the member's)::

    <tag>/serial/<pseudonym>/<serial>    id of the one stick that has it
    <tag>/stick/<id>                     what is reserved for an on-line stick

The reserve is `liability/outstanding/<scheme>/<account>`: what a payer has given and its vendor has
not claimed yet. It comes out of the payer's balance, then of its credit, and goes back when nothing
can be claimed any more. So reserved = paid + released, for each stick.
"""

import msgspec

from farthing import codec
from farthing.errors import Conflict, Late, Revoked
from farthing.marks import Memory, Put
from farthing.schemes.chain.sticks.stick import Stick
from farthing.schemes.chain.words.mint import ClaimMessage, WordMint
from farthing.schemes.contract import Applied, At, End, Flow


class Reserve(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What lies ready for one authorised stick."""

    account: str
    """Whose money it is."""
    is_over: bool = False
    """Whether the rest went back: nothing is paid any more."""
    rest_micro: int
    """Reserved and not claimed yet."""
    until_s: int
    """How long this is remembered."""


_RESERVE = codec.Reader(Reserve)


class StickMint(WordMint):
    """A member gives what `WordMint` asks for."""

    def noted(self, claim: ClaimMessage[Stick]) -> tuple[bytes, ...]:
        """Its serial; what is reserved for it, and the hot list where that is to be done."""
        stick = claim.commitment
        if stick.auth == "offline":
            return (stick.serial_key,)
        revoked = self.family.revoked_key(stick.certificate.serial)
        return (stick.serial_key, self._reserve_key(stick), revoked)

    def charge(
        self, claim: ClaimMessage[Stick], account_id: str, due_micro: int, memory: Memory
    ) -> Applied:
        """Off-line the guarantee pays; on-line the reserve, which the first claim makes.

        `Conflict` for a serial of another stick; `Revoked` before anything is reserved; `Late` once
        the rest went back. `Unfunded` and `Overlimit` are the ledger's.
        """
        stick = claim.commitment
        own_id = stick.id.encode()
        if memory.records.get(stick.serial_key, own_id) != own_id:
            raise Conflict("serial_used_twice", "another stick of this payer has this serial")
        serial = Put(key=stick.serial_key, value=own_id, until_s=stick.billed_until_s)
        if stick.auth == "offline":
            charged = super().charge(claim, account_id, due_micro, memory)
            return msgspec.structs.replace(charged, records=(serial,))
        kept = memory.records.get(self._reserve_key(stick))
        if kept is None and self.family.revoked_key(stick.certificate.serial) in memory.records:
            raise Revoked("certificate_revoked", "its payer has revoked this certificate")
        reserve = _RESERVE.read(kept) if kept is not None else None
        if reserve is not None and reserve.is_over:
            raise Late("claim_after_submit_window", "what was left of it went back to its payer")
        payer = End(kind="credit", id=account_id)
        apart = End(kind="outstanding", id=account_id)
        vendor = End(kind="vendor", id=stick.vendor)
        before_micro = stick.worth_micro if reserve is None else reserve.rest_micro
        left = Reserve(
            account=account_id,
            rest_micro=before_micro - due_micro,
            until_s=stick.billed_until_s,
        )
        paid = Flow(source=apart, target=vendor, amount_micro=due_micro)
        flows: tuple[Flow, ...] = (paid,)
        if reserve is None:
            paid = Flow(source=payer, target=vendor, amount_micro=due_micro)
            rest = Flow(source=payer, target=apart, amount_micro=left.rest_micro)
            flows = (paid, rest) if left.rest_micro else (paid,)
        key = self._reserve_key(stick)
        put = Put(key=key, value=codec.canonical(left), until_s=left.until_s)
        due = ((stick.claimed_until_s + 1, key),) if reserve is None else ()
        return Applied(flows=flows, records=(serial, put), due=due)

    def lapse(self, key: bytes, value: bytes, at: At) -> Applied | None:
        """What is left of a stick goes back to its payer: its debt first, then its balance."""
        reserve = _RESERVE.read(value)
        if not reserve.rest_micro:
            return None
        back = Flow(
            source=End(kind="outstanding", id=reserve.account),
            target=End(kind="credit", id=reserve.account),
            amount_micro=reserve.rest_micro,
        )
        over = msgspec.structs.replace(reserve, is_over=True, rest_micro=0)
        put = Put(key=key, value=codec.canonical(over), until_s=reserve.until_s)
        return Applied(flows=(back,), records=(put,))

    def _reserve_key(self, stick: Stick) -> bytes:
        return f"{self.family.tag}/stick/{stick.id}".encode()
