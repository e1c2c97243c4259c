"""From the outbox to the broker: claims are swept in batches until they are acknowledged.

A batch has an id made of its claims, so that a reply lost on the way is fetched again and not paid
again; a claim that the broker refuses for good is acknowledged and reported.
"""

import hashlib
from typing import Any, Protocol

import msgspec

from farthing import codec, marks
from farthing.schemes.contract import At, Json, Till
from farthing.vendor.driver import MarkStore

BATCH_ITEMS_MAX = 1000  # of one request to the broker; its own limit is 10,000


class Redeemer(Protocol):
    """The broker's redeem endpoint, as a client."""

    async def redeem(self, scheme: str, batch_id: str, claims: list[Json]) -> list[dict[str, Any]]:
        """One result per claim, `state` paid or refused, in their order; `Unavailable`."""


class Cleared(msgspec.Struct, frozen=True, kw_only=True):
    """What one sweep did."""

    scheme: str
    claims: int = 0
    paid_micro: int = 0
    refused: dict[str, int] = {}
    """Refusals by code; their claims will not be shown again."""


async def sweep(scheme: str, till: Till, store: MarkStore, broker: Redeemer, at: At) -> Cleared:
    """Clear everything that is pending of one scheme; `Unavailable` where the broker is not."""
    claims = paid_micro = after = 0
    refused: dict[str, int] = {}
    while True:
        rows: list[tuple[int, marks.Claim]] = await store.do(
            marks.Pending(scheme=scheme, count=BATCH_ITEMS_MAX, after=after)
        )
        if not rows:
            break
        after = rows[-1][0]
        batch = tuple(claim for _, claim in rows)
        keys = till.archive(batch)
        memory = await store.do(marks.Read(keys=keys)) if keys else marks.NOTHING
        messages = till.sweep(batch, memory, at)
        digest = hashlib.sha256(codec.canonical(messages)).digest()
        results = await broker.redeem(scheme, "batch-" + codec.b64u(digest), messages)
        done: list[tuple[bytes, int]] = []
        for claim, result in zip(batch, results, strict=True):
            if result["state"] == "paid":
                paid_micro += int(result["paidMicro"])
            elif result["state"] == "refused" and result["retry"] != "same":
                refused[result["code"]] = refused.get(result["code"], 0) + 1
            else:
                continue
            done.append((claim.key, claim.order))
        claims += len(done)
        await store.do(marks.Acknowledge(scheme=scheme, done=tuple(done)))
    return Cleared(scheme=scheme, claims=claims, paid_micro=paid_micro, refused=refused)
