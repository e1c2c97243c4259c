"""A gate in a process of its own: holds and confirms without end, and says what was acknowledged.

Arguments: the store's path and a word that makes its payments different from other runs'.
"""

import asyncio
import sys
from itertools import count
from pathlib import Path

from farthing.marks import Confirm
from farthing.stores.sqlite import SqliteMarks
from tests.integration.stores.mark_stores import claim, hold

WORKERS = 8


def say(what: str, k: str) -> None:
    sys.stdout.write(f"{what} {k}\n")
    sys.stdout.flush()


async def work(store: SqliteMarks, name: str) -> None:
    for n in count():
        k = f"{name}-{n}"
        held = await store.do(hold(k))
        say("held", k)
        outcome = f"outcome of {k}".encode()
        await store.do(Confirm(k=k, fence=held.fence, outcome=outcome, claims=(claim(k.encode()),)))
        say("confirmed", k)


async def main(path: Path, word: str) -> None:
    store = SqliteMarks(path)
    await asyncio.gather(*(work(store, f"{word}-{worker}") for worker in range(WORKERS)))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
