"""The life of one payment at the gate: `TABLE` is the whole of it.

Stores ask `decide_hold` and `decide_mark`, which read it. Nothing here does I/O or reads a clock.
"""

from typing import Literal

from farthing.errors import Busy, Expired, HoldLost, Replayed, Reused
from farthing.marks import (
    BEGUN,
    LEASE_S_MAX,
    Advance,
    Hold,
    Mark,
    Payment,
    Place,
    Stale,
    State,
    Unresolved,
)

Event = Literal[
    "taken",
    "taken late",
    "taken in lease",
    "other",
    "other in lease",
    "origin ok",
    "origin failed",
]
"""What can happen to a payment.

- taken, taken in lease: the same payment arrives; in lease, while an earlier one is still served.
- taken late: the same payment arrives `AGAIN_S` after the lease of the hold that was released.
- other, other in lease: another payment wants one of its marks, after the lease or within it.
- origin ok: the origin answered 2xx or 304, under the current fence.
- origin failed: any other answer, a time-out, or an early close before the head.
"""

Step = Literal[
    "hold",
    "resume",
    "repeat",
    "confirm",
    "release",
    "take over",
    "busy",
    "refuse",
    "replayed",
    "lost",
]
"""What the gate does about it."""

# (state, event) -> (what happens, next state). A pair that is not here is a hold that was lost.
TABLE: dict[tuple[State, Event], tuple[Step, State]] = {
    ("absent", "taken"): ("hold", "held"),
    ("released", "taken"): ("hold", "held"),
    ("released", "taken late"): ("refuse", "released"),
    ("held", "taken"): ("resume", "held"),
    ("held", "taken in lease"): ("busy", "held"),
    ("held", "origin ok"): ("confirm", "confirmed"),
    ("held", "origin failed"): ("release", "released"),
    ("held", "other"): ("take over", "released"),
    ("held", "other in lease"): ("busy", "held"),
    ("confirmed", "taken"): ("repeat", "confirmed"),
    ("confirmed", "other"): ("replayed", "confirmed"),
}
AGAIN_S = 300  # as long as an offer stands
LOST: tuple[Step, State] = ("lost", "absent")
_NEW = TABLE["absent", "taken"]  # looked up once: it is what nearly every payment is


def decide_hold(stored: Payment | None, hold: Hold) -> tuple[Step, State]:
    """What the table says of a payment that arrives; `Reused`, `Busy`, `Expired` as refusals.

    One that was released is over some time later: its payer has paid anew by then, or does not want
    it any more, and a copy of it charges nobody.
    """
    if stored is None:
        return _NEW
    if stored.digest != hold.digest:
        raise Reused("idempotency_conflict", "this key was used for another payment or target")
    event: Event = "taken"
    if stored.state == "held" and stored.in_lease(hold.now_s):
        event = "taken in lease"
    elif stored.state == "released" and not (hold.again or _may_come(stored, hold.now_s)):
        event = "taken late"
    step, state = TABLE[stored.state, event]
    if step == "busy":
        raise Busy("in_progress", "this payment is being served; send the same bytes again")
    if step == "refuse":
        raise Expired("payment_released", "it came to nothing, and is over by now; make another")
    return step, state


def _may_come(released: Payment, now_s: int) -> bool:
    """Whether it is good for another try. A lease of a clock that was ahead counts for nothing."""
    lease_s = released.lease_until_s - now_s
    return -AGAIN_S < lease_s <= LEASE_S_MAX


def decide_mark(holder: Payment | None, *, now_s: int) -> Step:
    """What the table says of a mark that another payment has; `Replayed`, `Busy`; `Unresolved`.

    A holder that is forgotten or absent was confirmed once: the mark outlives it.
    """
    if holder is None or holder.state == "confirmed":
        raise Replayed("instrument_already_spent", "this was paid with before")
    other: Event = "other in lease" if holder.in_lease(now_s) else "other"
    step, _ = TABLE.get((holder.state, other), LOST)
    if step == "busy":
        raise Busy("mark_held", "another payment with this instrument is being served")
    if step == "take over" and holder.outcome == BEGUN:
        raise Unresolved(holder.k)
    return step


def require_distinct(marks: tuple[Mark, ...]) -> None:
    """`Replayed` if one payment uses an id twice."""
    if len(marks) > 1 and len({(type(mark), mark.id) for mark in marks}) != len(marks):
        raise Replayed("mark_repeated", "this payment spends one instrument twice")


FENCES_PER_S = 2**20  # more holds of one payment in a second than any store takes


def next_fence(stored: Payment | None, now_s: int) -> int:
    """The fence of the next hold, above every earlier one of the same payment.

    The first depends on the time, so that a payment that was forgotten and comes back does not
    meet its old fences again. Below 2^53 until the year 2242.
    """
    return now_s * FENCES_PER_S if stored is None else stored.fence + 1


def require_fence(stored: Payment | None, fence: int) -> Payment:
    """The held payment; `HoldLost` unless it is held under `fence`."""
    if stored is None or stored.state != "held" or stored.fence != fence:
        raise HoldLost("hold_lost", "the hold ended before the answer came; nothing was charged")
    return stored


def require_over(mark: Advance, place: Place | None) -> None:
    """`Stale` unless the counter stands at `mark.over`."""
    if (place.to if place is not None else 0) != mark.over:
        raise Stale
