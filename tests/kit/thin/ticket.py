"""Tickets and links of the thin fair chain: keyed hashes only, no public key anywhere."""

import msgspec

from farthing import codec
from farthing.crypto import chain
from farthing.crypto.mac import mac, require_equal
from farthing.errors import Forged, OutOfRange, WrongVendor

UNIT_MICRO = 100
UNITS = 10  # of one ticket


class Ticket(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A range of a payer's units, for one vendor; the broker's MAC under the vendor's key."""

    first: int
    id: str
    mac: str
    root: str
    until: int
    vendor: str

    def sealed(self, shared: bytes) -> str:
        signed = codec.canonical(msgspec.structs.replace(self, mac=""))
        return codec.b64u(mac(16, shared, signed))

    def verify(self, shared: bytes, vendor: str) -> None:
        if self.vendor != vendor:
            raise WrongVendor("ticket_for_another_vendor", "a ticket is for one vendor")
        require_equal("ticket_forged", self.mac.encode(), self.sealed(shared).encode())

    @property
    def key(self) -> bytes:
        return b"fair/ticket/" + self.id.encode()


class Half(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One link: odd commits to a unit, even releases it. A payment, a release and a claim."""

    index: int
    ticket: Ticket
    word: str

    def verify(self, last_word: bytes, last: int) -> None:
        if self.index > 2 * UNITS:
            raise OutOfRange("index_above_length", f"a ticket has {UNITS} units")
        key = chain.link_key(codec.unb64u(self.ticket.id))
        chain.verify_word(key, codec.unb64u(self.word), self.index, last_word, last)


class Pouch(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the wallet keeps: an escrow, and by vendor a ticket with the units spent of it."""

    name: str
    seed: str
    tickets: dict[str, tuple[Ticket, int]] = {}
    units: int

    def ticket_for(self, vendor: str) -> tuple[Ticket, int] | None:
        """A ticket that has a unit left, and how many are spent."""
        found = self.tickets.get(vendor)
        return found if found is not None and found[1] < UNITS else None

    def with_ticket(self, answer: object) -> "Pouch":
        ticket = codec.Reader(Ticket).convert(answer)
        if ticket.root != codec.b64u(word_of(self.seed, ticket, 0)):
            raise Forged("ticket_not_ours", "this chain is not of our seed")
        tickets = self.tickets | {ticket.vendor: (ticket, 0)}
        return msgspec.structs.replace(self, tickets=tickets)

    def with_unit_spent(self, vendor: str) -> "Pouch":
        ticket, spent = self.tickets[vendor]
        tickets = self.tickets | {vendor: (ticket, spent + 1)}
        return msgspec.structs.replace(self, tickets=tickets, units=self.units - 1)


def word_of(seed: str, ticket: Ticket, index: int) -> bytes:
    """One link of a ticket's chain; payer and broker know the seed."""
    end = mac(16, codec.unb64u(seed), ticket.id, ticket.vendor, ticket.first)
    return chain.descend(chain.link_key(codec.unb64u(ticket.id)), end, 2 * UNITS, index)


def half_of(pouch: Pouch, ticket: Ticket, index: int) -> Half:
    word = word_of(pouch.seed, ticket, index)
    return Half(index=index, ticket=ticket, word=codec.b64u(word))
