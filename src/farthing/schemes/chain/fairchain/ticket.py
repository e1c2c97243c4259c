"""Tickets of the fair chain: a range of an escrow for one vendor, under a MAC of the broker's.

``tick = (id, N', V, a, unit, units, root, end)``, ``tau = mac16(K_VB, "farthing/fair/tick/1",
tick)``. Unit u has two links: the odd one, 2u + 1, commits to it, the even one, 2u + 2, releases
it (u from 0). The chain of 2·units links ends in ``seed = mac16(K_PB, "farthing/fair/seed/1", id,
V, a, unit, units)``, which payer and broker know. The receipts of its payments are `mac:` under
``k_t = mac32(K_VB, "farthing/fair/receipt/1", id)``. Keyed BLAKE2b throughout.

A chain of its own for each range: with one for all, a later range's links would hash down into the
units of an earlier one. The id is in the seed, so that no two tickets share a chain (ours).
"""

from functools import lru_cache
from typing import Annotated

import msgspec
from msgspec import Meta

from farthing import codec
from farthing.crypto import chain
from farthing.crypto.mac import mac, require_equal
from farthing.errors import Unfit, WrongVendor
from farthing.money import PAYMENT_MICRO_MAX
from farthing.schemes.chain.counters import CHAINS_CACHED
from farthing.schemes.chain.times import DAY_S
from farthing.schemes.contract import Traits
from farthing.schemes.losses import Loss

SUBMIT_S = DAY_S  # how long after a ticket's end its links may still be submitted
ESCROW_LIFE_S = 30 * DAY_S  # and the rest of its first day
UNITS_MAX = 100  # of one ticket: what a vendor's absence ties up
ESCROW_MICRO_MAX = 10**9  # of one pseudonym
ID_CHARS = 22  # 16 bytes in base64url
TicketId = Annotated[str, Meta(min_length=ID_CHARS, max_length=ID_CHARS)]
MAC_BYTES = 16
KEY_BYTES = 32

TICK_TAG = "farthing/fair/tick/1"
SEED_TAG = "farthing/fair/seed/1"
RECEIPT_TAG = "farthing/fair/receipt/1"
OUTCOME_TAG = "farthing/fair/outcome/1"
PAYER_TAG = "farthing/fair/payer/1"
VENDOR_KEY = "farthing/fair/vendor/1"  # K_VB; at the broker its id is the vendor's
ESCROW_KEY = PAYER_TAG  # of the broker alone: every K_PB follows from it

TRAITS = Traits(
    name="fairchain",
    wire="fairchain",
    title="The fair prepaid chain",
    source="Yang, Lang & Tan 2004; the construction is ours",
    issuer="broker",
    credit=False,
    needs_list=False,
    latest="batch",
    moments=("during", "batch"),
    losses={
        "payer": (
            Loss(by="vendor", of="price"),
            Loss(by="broker", of="float"),
            Loss(by="thief", of="wallet"),
            Loss(by="nobody", of="nothing"),
        ),
        "vendor": (
            Loss(by="payer", of="unreleased"),
            Loss(by="broker", of="unclaimed"),
            Loss(by="nobody", of="nothing"),
        ),
        "broker": (
            Loss(by="payer", of="nothing"),
            Loss(by="vendor", of="nothing"),
            Loss(by="thief", of="outstanding"),
            Loss(by="nobody", of="nothing"),
        ),
    },
)


class Ticket(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """A range of somebody's escrow for one vendor; only the broker knows whose."""

    broker: str
    currency: str
    ends_at_s: int
    first_micro: int
    """Where the range begins in its escrow (a)."""
    id: TicketId
    """16 bytes, base64url; the salt of the chain."""
    payer: str
    """A pseudonym of this ticket alone (N')."""
    root: str
    """w_0, 16 bytes, base64url."""
    tau: str
    """The broker's MAC under the vendor's key, base64url."""
    unit_micro: int
    """What a unit is worth: the price of the pages that the ticket pays for."""
    units: int
    vendor: str

    def __post_init__(self) -> None:
        """`Unfit` for a range, a worth or an end out of range."""
        if not 0 < self.units <= UNITS_MAX:
            raise Unfit("units_out_of_range", f"a ticket has 1 to {UNITS_MAX} units")
        if not 0 < self.unit_micro <= PAYMENT_MICRO_MAX:
            raise Unfit("unit_out_of_range", "a unit is worth 1 micro-unit and more")
        if not 0 <= self.first_micro <= ESCROW_MICRO_MAX:
            raise Unfit("range_out_of_range", "a range lies in its escrow")
        if not 0 < self.ends_at_s <= codec.JSON_INT_MAX:
            raise Unfit("end_out_of_range", "a ticket ends at a time in unix seconds")

    @property
    def worth_micro(self) -> int:
        """The value of every unit."""
        return self.units * self.unit_micro

    @property
    def length(self) -> int:
        """Links of its chain."""
        return 2 * self.units

    def tick(self, key: bytes) -> str:
        """What `tau` must be, under K_VB."""
        code = mac(
            MAC_BYTES,
            key,
            TICK_TAG,
            self.broker,
            self.currency,
            self.vendor,
            self.id,
            self.payer,
            self.first_micro,
            self.unit_micro,
            self.units,
            self.root,
            self.ends_at_s,
        )
        return codec.b64u(code)

    def verify(self, key: bytes, vendor: str) -> None:
        """`WrongVendor`; `Forged` unless the broker made it for this vendor, as it stands."""
        if self.vendor != vendor:
            raise WrongVendor("ticket_for_another_vendor", "get a ticket for this vendor")
        require_equal("ticket_forged", self.tau.encode(), self.tick(key).encode())

    def __repr__(self) -> str:
        """Vendor and size only."""
        return f"Ticket({self.vendor}, {self.units} x {self.unit_micro})"


def day_end_s(now_s: int) -> int:
    """When the day ends, unix seconds: every ticket does, so that none is told by its end."""
    return (now_s // DAY_S + 1) * DAY_S


@lru_cache(maxsize=CHAINS_CACHED)
def counter_id(ticket_id: str) -> bytes:
    """The mark of a ticket's chain, at the gate and at the broker."""
    return b"fairchain" + ticket_id.encode()


def ticket_key(ticket_id: str) -> bytes:
    """The record of a ticket, at the gate and at the broker."""
    return b"fairchain/ticket/" + ticket_id.encode()


def escrow_key(name: str) -> bytes:
    """The record of an escrow, at the broker."""
    return b"fairchain/escrow/" + name.encode()


def pseudonym_key(name: str) -> bytes:
    """The record that opens the name of a ticket's payer (N'), at the broker."""
    return b"fairchain/payer/" + name.encode()


def payer_key(secret: bytes, name: str) -> bytes:
    """K_PB of one escrow, 32 bytes, from the broker's own key."""
    return mac(KEY_BYTES, secret, PAYER_TAG, name)


@lru_cache(maxsize=CHAINS_CACHED)
def receipt_key(secret: bytes, ticket_id: str) -> bytes:
    """k_t, 32 bytes, from K_VB."""
    return mac(KEY_BYTES, secret, RECEIPT_TAG, ticket_id)


def outcome_key(key: bytes) -> bytes:
    """What a payer proves with that a payment is its own, 32 bytes, from k_t."""
    return mac(KEY_BYTES, key, OUTCOME_TAG)


def seed_of(key: bytes, ticket: Ticket) -> bytes:
    """The last word of a ticket's chain, 16 bytes, from K_PB."""
    return mac(
        chain.WORD_BYTES,
        key,
        SEED_TAG,
        ticket.id,
        ticket.vendor,
        ticket.first_micro,
        ticket.unit_micro,
        ticket.units,
    )


def link_key(ticket_id: str) -> bytes:
    """The key of a ticket's links; `Malformed` for an id that is none."""
    return chain.link_key(codec.unb64u(ticket_id, size_bytes=chain.SALT_BYTES))


def word_at(ticket: Ticket, seed: bytes, index: int) -> bytes:
    """One link of the chain, for who knows its seed."""
    return chain.word_of(link_key(ticket.id), seed, ticket.length, index)


def is_release(index: int) -> bool:
    """Whether a link is the second half of its unit."""
    return index % 2 == 0
