"""From the outbox to the broker: claims are swept in batches until they are acknowledged.

A batch has an id made of its claims, so that a reply lost on the way is fetched again and not paid
again; a claim that the broker refuses for good is acknowledged and reported. While an earlier claim
is open no refusal is for good: that claim may be what a later one draws on, as the renewal of a
piece of scrip is for the payments with it.
"""

import hashlib
from typing import Literal, Protocol

import msgspec

from farthing import codec, marks
from farthing.errors import Broken
from farthing.schemes.contract import At, Json, Till
from farthing.vendor.driver import MarkStore

BATCH_ITEMS_MAX = 1000  # of one request to the broker; its own limit is 10,000


class Result(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What became of one claim; `challenge` and `waiting` leave it open."""

    state: Literal["paid", "refused", "challenge", "waiting"]
    paid_micro: int = 0
    taken_micro: int = 0
    refusal: str = ""
    """The class by name; empty like the three below where it was not refused."""
    code: str = ""
    detail: str = ""
    retry: Literal["same", "new", "never", ""] = ""
    until_s: int = 0
    """Of one that waits: when it is worth while to show it again."""
    facts: dict[str, int | str] = {}

    @property
    def is_open(self) -> bool:
        """Whether it may end otherwise when it is shown again."""
        return self.state in {"challenge", "waiting"} or self.retry == "same"

    @property
    def waits_until_s(self) -> int:
        """When what it waits for is over, as far as the broker says; 0: it does not."""
        said = self.facts.get("untilS", 0)
        return max(self.until_s, said if isinstance(said, int) else 0)


class Redeemer(Protocol):
    """The broker's redeem endpoint, as a client."""

    async def redeem(self, scheme: str, batch_id: str, claims: list[Json]) -> Json:
        """One result per claim, in their order; `Unavailable`, `Undecided`."""


class Cleared(msgspec.Struct, frozen=True, kw_only=True):
    """What one sweep did."""

    scheme: str
    claims: int = 0
    paid_micro: int = 0
    """Less what was given back; below zero where that is more."""
    refused: dict[str, int] = {}
    """Refusals by code; their claims will not be shown again."""
    waiting: dict[str, int] = {}
    """Claims that are open still, by why; they are shown again with the next sweep."""
    waits_until_s: int = 0
    """When the last of them can be decided, as far as the broker says; 0: it does not."""


async def sweep(
    scheme: str, till: Till, store: MarkStore, broker: Redeemer, at: At, *, again: bool = False
) -> Cleared:
    """Clear everything that is due of one scheme; with `again` what was acknowledged as well.

    `Unavailable`, `Undecided` where the broker does not answer: the same claims are shown again,
    and it pays each of them once. `Broken` for an answer that does not fit.
    """
    claims = paid_micro = after = waits_until_s = 0
    refused: dict[str, int] = {}
    waiting: dict[str, int] = {}
    while True:
        rows: tuple[tuple[int, marks.Claim], ...] = await store.do(
            marks.Pending(scheme=scheme, count=BATCH_ITEMS_MAX, after=after, paid_too=again)
        )
        if not rows:
            break
        after = rows[-1][0]
        batch = tuple(claim for _, claim in rows)
        keys = till.archive(batch)
        memory = await store.do(marks.Read(keys=keys)) if keys else marks.NOTHING
        messages = till.sweep(batch, memory, at)
        shown = [pair for pair in zip(batch, messages, strict=True) if pair[1] is not None]
        if not shown:
            continue
        done: list[tuple[bytes, int]] = []
        lost: list[tuple[bytes, int]] = []
        results = await show(scheme, broker, [message for _, message in shown])
        for (claim, _), result in zip(shown, results, strict=True):
            if result.state == "paid":
                paid_micro += result.paid_micro - result.taken_micro
            elif result.is_open or waiting:
                why = result.code or result.state
                waiting[why] = waiting.get(why, 0) + 1
                waits_until_s = max(waits_until_s, result.waits_until_s)
                continue
            else:
                refused[result.code] = refused.get(result.code, 0) + 1
                lost.append((claim.key, claim.order))
            done.append((claim.key, claim.order))
        claims += len(done)
        await store.do(marks.Acknowledge(scheme=scheme, done=tuple(done), refused=tuple(lost)))
    return Cleared(
        scheme=scheme,
        claims=claims,
        paid_micro=paid_micro,
        refused=refused,
        waiting=waiting,
        waits_until_s=waits_until_s,
    )


async def show(scheme: str, broker: Redeemer, messages: list[Json]) -> list[Result]:
    """One batch, under an id that is its content."""
    digest = hashlib.sha256(codec.canonical(messages)).digest()
    answer = await broker.redeem(scheme, "batch-" + codec.b64u(digest), messages)
    try:
        results = msgspec.convert(answer, list[Result])
    except msgspec.ValidationError:
        results = []
    if len(results) != len(messages):
        raise Broken("broker_answered_strangely", "expected one result for each claim")
    return results
