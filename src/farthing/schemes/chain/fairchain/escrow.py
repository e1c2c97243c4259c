"""What the broker keeps of escrows and tickets, and what becomes of their money.

Records (key, then JSON)::

    fairchain/escrow/<N>          the account behind a pseudonym, and what of it is not assigned
    fairchain/ticket/<id>         a ticket, whose it is, and the highest link that was submitted
    fairchain/payer/<N'>          the account behind a ticket, as text, until nobody disputes it

| what happens | from | to |
|---|---|---|
| opened | the payer's balance | outstanding |
| an odd link is submitted | outstanding | disputed |
| its even link too | disputed, or outstanding where both come at once | the vendor |
| nothing can be submitted any more | outstanding, what was not committed to | the payer |
| 30 days later nobody has given way | disputed | unclaimed: neither side's, nor the broker's |

Units are handed out in order and never twice, so no two tickets cover one.
"""

import msgspec

from farthing import codec
from farthing.marks import Delete, Put
from farthing.schemes.chain.fairchain.ticket import (
    SUBMIT_S,
    Ticket,
    escrow_key,
    pseudonym_key,
    ticket_key,
)
from farthing.schemes.chain.times import DISPUTE_S, LAPSE_S, SKEW_S
from farthing.schemes.contract import Applied, End, Flow

KEPT_S = 2**40  # of what `lapse` deletes itself: it may come late, and money hangs on it
OUT = End(kind="outstanding")
DISPUTED = End(kind="disputed")
UNCLAIMED = End(kind="unclaimed")


class Escrow(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Money of an account under a pseudonym."""

    account: str
    ends_at_s: int
    key_id: str
    """Which of the broker's keys K_PB follows from."""
    next_micro: int = 0
    """Where the next range begins."""
    worth_micro: int
    """Where the last one must end."""

    @property
    def open_micro(self) -> int:
        """What is not assigned."""
        return self.worth_micro - self.next_micro

    def put(self, name: str) -> Put:
        """The record."""
        return Put(key=escrow_key(name), value=codec.canonical(self), until_s=KEPT_S)


class Assigned(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A ticket that is out."""

    account: str
    escrow: str
    last: int = 0
    """The highest link that was submitted."""
    over: bool = False
    """Whether its rest went back; then it is here for a lone commit half only."""
    ticket: Ticket

    @property
    def committed(self) -> int:
        """Units that are charged."""
        return (self.last + 1) // 2

    @property
    def released(self) -> int:
        """Units that are paid."""
        return self.last // 2

    @property
    def is_lone(self) -> bool:
        """Whether a unit is charged and not paid."""
        return self.committed > self.released

    @property
    def submit_until_s(self) -> int:
        """Until when links are taken."""
        return self.ticket.ends_at_s + SUBMIT_S + SKEW_S

    def put(self) -> Put:
        """The record."""
        key = ticket_key(self.ticket.id)
        return Put(key=key, value=codec.canonical(self), until_s=KEPT_S)

    def named(self) -> Put:
        """Whose ticket it is, by the name that its vendor knows; it outlives the ticket."""
        until_s = self.submit_until_s + DISPUTE_S + LAPSE_S
        key = pseudonym_key(self.ticket.payer)
        return Put(key=key, value=self.account.encode(), until_s=until_s)


ESCROWS, ASSIGNED = codec.Reader(Escrow), codec.Reader(Assigned)


def submitted(before: Assigned, index: int) -> tuple[Assigned, tuple[Flow, ...], int]:
    """A ticket after a higher link was shown, what that moves, and what its vendor is paid."""
    after = msgspec.structs.replace(before, last=index)
    unit_micro, vendor = before.ticket.unit_micro, End(kind="vendor", id=before.ticket.vendor)
    units = after.released - before.released
    settled = 1 if before.is_lone and units else 0  # what was disputed comes first
    flows = (
        _flow(DISPUTED, vendor, settled * unit_micro),
        _flow(OUT, vendor, (units - settled) * unit_micro),
        _flow(OUT, DISPUTED, unit_micro if after.is_lone else 0),
    )
    return after, tuple(flow for flow in flows if flow.amount_micro), units * unit_micro


def given_way(lone: Assigned, to: End) -> tuple[Flow, Delete]:
    """A lone commit half of a ticket that is over, to whom the other side leaves it."""
    flow = _flow(DISPUTED, to, lone.ticket.unit_micro)
    return flow, Delete(key=ticket_key(lone.ticket.id))


def closed(escrow: Escrow, name: str) -> Applied:
    """What no ticket has taken goes back."""
    back = _flow(OUT, End(kind="payer", id=escrow.account), escrow.open_micro)
    flows = (back,) if back.amount_micro else ()
    return Applied(flows=flows, records=(Delete(key=escrow_key(name)),))


def ended(assigned: Assigned) -> Applied:
    """What was not committed to goes back; a lone half waits on, and is nobody's in the end."""
    ticket, key = assigned.ticket, ticket_key(assigned.ticket.id)
    if assigned.over:
        return Applied(
            flows=(_flow(DISPUTED, UNCLAIMED, ticket.unit_micro),), records=(Delete(key=key),)
        )
    rest_micro = (ticket.units - assigned.committed) * ticket.unit_micro
    back = _flow(OUT, End(kind="payer", id=assigned.account), rest_micro)
    flows = (back,) if rest_micro else ()
    if not assigned.is_lone:
        return Applied(flows=flows, records=(Delete(key=key),))
    waiting = msgspec.structs.replace(assigned, over=True)
    due = ((assigned.submit_until_s + DISPUTE_S, key),)
    return Applied(flows=flows, records=(waiting.put(),), due=due)


def _flow(source: End, target: End, amount_micro: int) -> Flow:
    return Flow(source=source, target=target, amount_micro=amount_micro)
