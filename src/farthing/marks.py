"""What a vendor and a broker remember.

- Three kinds of fact, written together in one transaction: `Once` (was this id seen?), `Advance`
  (is this counter where I think it is?), `Put`/`Delete` of a record by key, `Add` to a sum.
- A payment *holds* its marks while the origin works: a fence number and a lease. `confirm` under an
  old fence fails; another payment on a held mark is `Busy`, on a confirmed one `Replayed`.
- What becomes of a payment then is `holding.TABLE`.
- Commands are frozen structs; every store (memory, SQLite, later PostgreSQL and Redis) answers
  the same commands the same way, and one conformance suite holds them to it.
- `until_s` never shrinks, but that of a payment that is released: anybody can have many of those.
  `Forget` drops what time alone has made safe to drop.

Nothing here does I/O or reads a clock. Structs are made by the million, without cycles: `gc=False`.
"""

from typing import Any, Literal, Protocol

import msgspec

from farthing.quiet import Quiet

Moment = Literal["before", "during", "batch"]


class Once(Quiet, frozen=True, kw_only=True, tag=True, gc=False):
    """This id may be used by one payment only."""

    id: bytes
    """Unique over all schemes of a store: begins with the scheme's name."""
    until_s: int
    """Unix seconds after which the id may be forgotten."""


class Advance(Quiet, frozen=True, kw_only=True, tag=True, gc=False):
    """Move a counter from `over` to `to`; compare-and-set."""

    id: bytes
    over: int
    """What the stored counter must be now; an absent counter is 0."""
    to: int
    link: bytes
    """What the next check needs, stored beside the counter."""
    until_s: int


class Put(Quiet, frozen=True, kw_only=True, tag=True, gc=False):
    """Write one record."""

    key: bytes
    value: bytes
    until_s: int
    once: bool = False
    """Whether this says that something is used up: no later decision writes it again."""


class Delete(Quiet, frozen=True, kw_only=True, tag=True, gc=False):
    """Remove one record, if it is there; `once` as it was written."""

    key: bytes
    once: bool = False


class Add(Quiet, frozen=True, kw_only=True, tag=True, gc=False):
    """Add to a sum, which is a record of decimal digits and begins at 0; none is lost in a race."""

    key: bytes
    amount: int
    until_s: int


Mark = Once | Advance
Record = Put | Delete
Fact = Record | Add


class Keys(Quiet, frozen=True, kw_only=True, gc=False):
    """What a decision wants to read."""

    counters: tuple[bytes, ...] = ()
    records: tuple[bytes, ...] = ()
    prefixes: tuple[bytes, ...] = ()

    def __bool__(self) -> bool:
        """Whether there is anything to read at all."""
        return bool(self.counters or self.records or self.prefixes)


class Place(Quiet, frozen=True, kw_only=True, gc=False):
    """Where a counter stands."""

    to: int
    link: bytes


class Memory(Quiet, frozen=True, kw_only=True, gc=False):
    """What was found under some `Keys`; an absent key is absent here."""

    counters: dict[bytes, Place] = msgspec.field(default_factory=dict)
    records: dict[bytes, bytes] = msgspec.field(default_factory=dict)


NOTHING = Memory()
NO_KEYS = Keys()


class Claim(Quiet, frozen=True, kw_only=True, gc=False):
    """What the vendor will show the broker to be paid: one row of the outbox."""

    scheme: str
    key: bytes
    """Claims of one key supersede each other: only the highest `order` is swept."""
    order: int
    """Rises within a key; 1 for claims that stand alone."""
    value_micro: int
    """What this key is worth in all, not since the last sweep."""
    body: bytes
    """The scheme's claim message, JSON."""
    moment: Moment  # `before`: the broker has paid it already; counted, and never pending


# Texts and no `Enum`: Python 3.11 takes longer to look up a member than a till takes to hash.
State = Literal["absent", "held", "confirmed", "released"]
"""Where a payment at the gate stands."""
RELEASED_KEPT_S = 5 * 86_400  # longer than wallets doubt that nothing was charged
LEASE_S_MAX = 3_630  # an hour for the site, and what a gate adds to that
BEGUN = b"begun"  # instead of an outcome, of a hold that a broker may pay


class Read(Quiet, frozen=True, kw_only=True, gc=False):
    """Answer: `Memory`. Held but unconfirmed advances are not seen."""

    keys: Keys


class Hold(Quiet, frozen=True, kw_only=True, gc=False):
    """Take the marks for one payment. Answer: `Held` or `Settled`.

    `Reused` for the same `k` with another digest; `Expired` for one that was released long ago;
    `Busy`; `Replayed`; `Stale` when an `Advance` is not over the stored counter. A refusal changes
    nothing.
    """

    k: str
    """The key K of the payment (wire format, section 8)."""
    digest: bytes
    """Payment digest, 32 bytes."""
    marks: tuple[Mark, ...]
    kept: bytes
    """What the till wants stored with the hold; on a resume the first one's is kept."""
    now_s: int
    lease_until_s: int
    until_s: int
    """How long the outcome is remembered."""
    outcome: bytes = b""
    """`BEGUN` where a broker is asked to pay it; on a resume the first one's is kept."""
    again: bool = False
    """Whether it may come again at any time once it is released: its payer cannot make another."""


class Confirm(Quiet, frozen=True, kw_only=True, gc=False):
    """Make a hold final, with its outcome, records and claims. Answer: None; `HoldLost`."""

    k: str
    fence: int
    outcome: bytes
    records: tuple[Fact, ...] = ()
    claims: tuple[Claim, ...] = ()


class Take(Quiet, frozen=True, kw_only=True, gc=False):
    """Hold and confirm in one transaction, for origins that cannot fail. Answers as `Hold`."""

    hold: Hold
    outcome: bytes
    records: tuple[Fact, ...] = ()
    claims: tuple[Claim, ...] = ()


class Release(Quiet, frozen=True, kw_only=True, gc=False):
    """Give the marks back. Answer: None; `HoldLost` under an old fence."""

    k: str
    fence: int


class Find(Quiet, frozen=True, kw_only=True, gc=False):
    """Answer: the `Payment` under `k`, or None."""

    k: str


class Search(Quiet, frozen=True, kw_only=True, gc=False):
    """Answer: confirmed payments in whose outcome these bytes occur, oldest first.

    It reads every payment: for what a person asks now and then.
    """

    text: bytes
    count: int
    """At most so many."""


class LeaseSerials(Quiet, frozen=True, kw_only=True, gc=False):
    """Take `count` serials of a series for good. Answer: the first one, counted from 0."""

    series: str
    count: int


class Pending(Quiet, frozen=True, kw_only=True, gc=False):
    """Answer: up to `count` claims of a scheme that are not acknowledged, oldest first."""

    scheme: str
    count: int
    after: int = 0  # only rows numbered above this one; the answer is pairs (row number, claim)
    paid_too: bool = False  # acknowledged claims as well, while they are kept
    key: bytes = b""  # only the claim of this key


class Tally(Quiet, frozen=True, kw_only=True, gc=False):
    """Answer: one `Total` per scheme that has claims in the outbox, by name."""


class Total(Quiet, frozen=True, kw_only=True, gc=False):
    """What a vendor's outbox holds of one scheme."""

    scheme: str
    claims: int
    """Rows: payments, or chains for claims that supersede each other."""
    earned_micro: int  # without what the broker has refused for good
    pending_micro: int
    """Of `earned_micro`, what the broker has not acknowledged."""


class Acknowledge(Quiet, frozen=True, kw_only=True, gc=False):
    """The broker has taken these. Answer: None. A claim that has risen since stays pending."""

    scheme: str
    done: tuple[tuple[bytes, int], ...]  # pairs (claim key, order)
    refused: tuple[tuple[bytes, int], ...] = ()  # of these, for good: the rest is never earned


class Forget(Quiet, frozen=True, kw_only=True, gc=False):
    """Drop what is past its `until_s`, at most `count` of each kind. Answer: how many went."""

    now_s: int
    count: int


Command = (
    Read
    | Hold
    | Confirm
    | Take
    | Release
    | Find
    | Search
    | LeaseSerials
    | Pending
    | Tally
    | Acknowledge
    | Forget
)


class Held(Quiet, frozen=True, kw_only=True, gc=False):
    """The marks are ours until the lease ends."""

    fence: int
    kept: bytes
    resumed: bool
    """Whether an earlier attempt at the same payment left this hold."""


class Settled(Quiet, frozen=True, kw_only=True, gc=False):
    """The same payment was confirmed before; this is its outcome."""

    outcome: bytes


class Payment(Quiet, frozen=True, kw_only=True, gc=False):
    """One payment as a store remembers it."""

    k: str
    digest: bytes
    state: State
    fence: int
    lease_until_s: int
    kept: bytes
    outcome: bytes
    until_s: int

    def in_lease(self, now_s: int) -> bool:
        """Whether it is still served. A clock that was ahead when it was held freezes nothing."""
        return self.lease_until_s - LEASE_S_MAX <= now_s < self.lease_until_s


class Marks(Protocol):
    """A store of marks: answers every command, as the command's docstring says."""

    async def do(self, command: Command) -> Any:
        """The answer, after it is as durable as the store is."""

    def do_now(self, command: Command) -> Any:
        """As `do`, blocking the calling thread."""


class Stale(Exception):  # noqa: N818 - a signal to read again, not an error
    """A counter moved since it was read: the till runs once more on the new memory."""


class Unresolved(Stale):
    """A broker may have paid the payment (K) that has a mark: how it ended is found out first."""
