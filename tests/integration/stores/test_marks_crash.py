"""What was acknowledged is there after a kill, and a cancelled task harms nobody."""

import asyncio
import os
import random
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import apsw
import pytest

from farthing.errors import Busy, Replayed
from farthing.marks import Confirm, Find, Held, Pending
from farthing.stores.sqlite import SqliteMarks
from tests.integration.stores import holding_child
from tests.integration.stores.mark_stores import LATER_S, claim, hold, once

KILLS = 3
CHILDREN = 2  # on one file
LIVE_S = 0.3
TASKS = 200


def start(path: Path, word: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, holding_child.__file__, str(path), word],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )


def last_words(child: subprocess.Popen[str]) -> dict[str, str]:
    """The last acknowledged state of each payment of a child that is killed meanwhile."""
    assert child.stdout is not None
    killer = threading.Timer(LIVE_S, child.kill)
    acknowledged: dict[str, str] = {}
    with child.stdout as lines:
        for line in lines:
            if not acknowledged:
                killer.start()
            if line.endswith("\n"):  # the last one may be cut
                what, k = line.split()
                acknowledged[k] = what
    assert child.wait() == -signal.SIGKILL
    return acknowledged


def test_what_was_acknowledged_survives_sigkill(tmp_path: Path) -> None:
    path = tmp_path / "marks.db"
    acknowledged: dict[str, str] = {}
    for kill in range(KILLS):
        children = [start(path, f"{kill}-{child}") for child in range(CHILDREN)]
        with ThreadPoolExecutor(CHILDREN) as threads:
            for words in threads.map(last_words, children):
                assert "confirmed" in words.values()
                acknowledged |= words
        check(path, acknowledged)


def check(path: Path, acknowledged: dict[str, str]) -> None:
    store = SqliteMarks(path)
    claims = {row.key for _, row in store.do_now(Pending(scheme="payword", count=10**6))}
    for k, what in acknowledged.items():
        found = store.do_now(Find(k=k))
        if what == "confirmed":
            assert found.state == "confirmed"
        else:
            assert found.state in {"held", "confirmed"}
        confirmed = found.state == "confirmed"
        assert confirmed == (k.encode() in claims)
        assert found.outcome == (f"outcome of {k}".encode() if confirmed else b"")
        with pytest.raises(Replayed if confirmed else Busy):
            store.do_now(hold("thief", once(k.encode())))
    store.close()
    require_sound(path)


def require_sound(path: Path) -> None:
    connection = apsw.Connection(str(path))
    assert connection.pragma("integrity_check") == "ok"
    connection.close()


def test_a_payment_cancelled_at_any_moment_is_whole_and_can_be_finished(tmp_path: Path) -> None:
    path = tmp_path / "marks.db"
    store = SqliteMarks(path)
    luck = random.Random(20)

    async def pay(k: str) -> None:
        held = await store.do(hold(k))
        await store.do(Confirm(k=k, fence=held.fence, outcome=b"o", claims=(claim(k.encode()),)))

    async def cancel_them() -> list[BaseException | None]:
        tasks = [asyncio.ensure_future(pay(f"p{n}")) for n in range(TASKS)]
        for task in luck.sample(tasks, TASKS):
            if luck.random() < 0.5:
                await asyncio.sleep(luck.random() * 0.0005)
                task.cancel()
        return await asyncio.gather(*tasks, return_exceptions=True)

    answers = asyncio.run(cancel_them())
    assert {type(answer) for answer in answers} == {type(None), asyncio.CancelledError}
    for n, answer in enumerate(answers):
        if answer is None:
            assert store.do_now(Find(k=f"p{n}")).state == "confirmed"
    for n in range(TASKS):
        again = store.do_now(hold(f"p{n}", now_s=LATER_S))
        if isinstance(again, Held):
            key = f"p{n}".encode()
            store.do_now(Confirm(k=f"p{n}", fence=again.fence, outcome=b"o", claims=(claim(key),)))
    claims = store.do_now(Pending(scheme="payword", count=10**6))
    assert {row.key for _, row in claims} == {f"p{n}".encode() for n in range(TASKS)}
    assert len(claims) == TASKS
    store.close()
    require_sound(path)
