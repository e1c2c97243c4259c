"""The broker's records of the thin fair chain: escrows, the tickets of each, and what they paid.

A ticket has a fixed size and life, and what no ticket has taken of an escrow stays there.
"""

import msgspec

from farthing import codec
from farthing.errors import Forged, OutOfRange, WrongPayer
from farthing.marks import Delete, Memory
from farthing.schemes import contract as c
from farthing.schemes.contract import At
from tests.kit.thin import shape
from tests.kit.thin.shape import DAY_S
from tests.kit.thin.ticket import UNIT_MICRO, UNITS, Half, Ticket, word_of


class Escrow(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the broker remembers of a pseudonym."""

    account: str
    next: int = 0
    seed: str
    units: int


class Used(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the broker remembers of a ticket: the highest link it was shown."""

    account: str
    last: int = 0
    name: str
    ticket: Ticket

    @property
    def charged(self) -> int:
        return (self.last + 1) // 2

    @property
    def released(self) -> int:
        return self.last // 2


_ESCROW, _USED = codec.Reader(Escrow), codec.Reader(Used)


def escrow_key(name: str) -> bytes:
    return b"fair/escrow/" + name.encode()


def _end(kind: c.EndKind, name: str) -> c.End:
    return c.End(kind=kind, id=name)


def open_for(account: str, seed: str, units: int, at: At) -> c.Issued:
    """Money of an account under a fresh pseudonym."""
    name = at.entropy[:8].hex()
    flow = shape.flow(_end("payer", account), _end("outstanding", name), units * UNIT_MICRO)
    made = Escrow(account=account, seed=seed, units=units)
    record = shape.put(escrow_key(name), codec.canonical(made))
    return c.Issued(flows=(flow,), records=(record,), answer={"name": name})


def assign(name: str, vendor: str, account: str, shared: bytes, memory: Memory, at: At) -> c.Issued:
    """A ticket over the next units of the escrow."""
    escrow = _ESCROW.read(memory.records[escrow_key(name)])
    if escrow.account != account:
        raise WrongPayer("escrow_of_another", "open an escrow of your own")
    if escrow.next + UNITS > escrow.units:
        raise OutOfRange("escrow_used_up", "open another escrow")
    ticket = ticket_of(escrow, vendor, at.entropy[:16], at.now_s + DAY_S, shared)
    escrow = msgspec.structs.replace(escrow, next=escrow.next + UNITS)
    used = Used(account=account, name=name, ticket=ticket)
    return c.Issued(
        records=(
            shape.put(escrow_key(name), codec.canonical(escrow)),
            shape.put(ticket.key, codec.canonical(used)),
        ),
        due=((ticket.until + DAY_S + 1, ticket.key),),
        answer={"ticket": msgspec.to_builtins(ticket)},
    )


def ticket_of(escrow: Escrow, vendor: str, name: bytes, until: int, shared: bytes) -> Ticket:
    """The next ticket out of an escrow, MACed for its vendor."""
    first = escrow.next
    ticket = Ticket(first=first, id=codec.b64u(name), mac="", root="", until=until, vendor=vendor)
    root = codec.b64u(word_of(escrow.seed, ticket, 0))
    ticket = msgspec.structs.replace(ticket, root=root)
    return msgspec.structs.replace(ticket, mac=ticket.sealed(shared))


def pay(half: Half, memory: Memory) -> c.Redeemed:
    """Commit halves are charged, released ones paid; a lone one waits in `disputed`."""
    found = memory.records.get(half.ticket.key)
    used = _USED.read(found) if found is not None else None
    if used is None or used.ticket != half.ticket:
        raise Forged("ticket_unknown", "the broker pays by its own record only")
    now = msgspec.structs.replace(used, last=max(used.last, half.index))
    charged_micro = (now.charged - used.charged) * UNIT_MICRO
    paid_micro = (now.released - used.released) * UNIT_MICRO
    disputed = _end("disputed", half.ticket.id)
    charge = shape.flow(_end("outstanding", used.name), disputed, charged_micro)
    earn = shape.flow(disputed, _end("vendor", half.ticket.vendor), paid_micro)
    records = (shape.put(half.ticket.key, codec.canonical(now)),)
    return c.Redeemed(flows=(charge, earn), records=records, paid_micro=paid_micro)


def expire(key: bytes, value: bytes) -> c.Applied:
    """What was not committed of a ticket goes back to the payer."""
    used = _USED.read(value)
    rest_micro = (UNITS - used.charged) * UNIT_MICRO
    flow = shape.flow(_end("outstanding", used.name), _end("payer", used.account), rest_micro)
    return c.Applied(flows=(flow,), records=(Delete(key=key),))
