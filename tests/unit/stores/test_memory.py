"""What is the memory store's own; what it shares with the others is the conformance suite's."""

import asyncio

from farthing.marks import Find, Held, Hold, LeaseSerials
from farthing.stores.memory import MemoryMarks


def test_do_and_do_now_answer_from_the_same_memory() -> None:
    store = MemoryMarks()
    assert store.do_now(LeaseSerials(series="s", count=2)) == 0
    assert asyncio.run(store.do(LeaseSerials(series="s", count=2))) == 2


def test_two_stores_share_nothing() -> None:
    hold = Hold(k="p", digest=b"", marks=(), kept=b"", now_s=1, lease_until_s=2, until_s=3)
    stores = MemoryMarks(), MemoryMarks()
    assert all(isinstance(store.do_now(hold), Held) for store in stores)
    stores[0].close()
    assert stores[1].do_now(Find(k="p")) is not None
