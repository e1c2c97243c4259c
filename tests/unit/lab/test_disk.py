"""The world's writer: batches at virtual times, answers after them, and what a power cut leaves."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import apsw
import pytest

from farthing.errors import Broken, Unfunded
from farthing.lab.disk import InlineWriter
from farthing.lab.loop import Process, VirtualLoop

SCHEMA = "CREATE TABLE t (n INTEGER PRIMARY KEY)"


class Luck:
    def __init__(self) -> None:
        self.before = self.after = False

    def commit_delay_s(self) -> float:
        return 1.0

    def answer_delay_s(self) -> float:
        return 0.5

    def dies_before(self) -> bool:
        return self.before

    def dies_after(self) -> bool:
        return self.after


class Disk:
    def __init__(self, folder: Path) -> None:
        self.loop = VirtualLoop()
        self.luck = Luck()
        self.deaths: list[str] = []
        self.batches: list[bool] = []
        self.path = folder / "t.db"
        self.process = Process("p")
        self.writer = self.open()

    def open(self) -> InlineWriter:
        return InlineWriter(
            self.path,
            SCHEMA,
            application_id=0x46745465,
            version=1,
            timing=self.luck,
            die=self._die,
            seen=lambda _, *, done: self.batches.append(done),
        )

    def _die(self, why: str) -> None:
        self.deaths.append(why)
        self.process.kill()

    def run(self, work: Callable[[], Awaitable[Any]]) -> Any:
        async def run() -> Any:
            return await work()

        return self.loop.run(self.loop.create_task(run()))


@pytest.fixture
def disk(tmp_path: Path) -> Disk:
    return Disk(tmp_path)


def insert(n: int, then: Exception | None = None) -> Callable[[apsw.Connection], int]:
    def work(connection: apsw.Connection) -> int:
        connection.execute("INSERT INTO t VALUES (?)", (n,))
        if then is not None:
            raise then
        return n

    return work


def rows(connection: apsw.Connection) -> list[int]:
    return [int(n) for (n,) in connection.execute("SELECT n FROM t ORDER BY n")]


def test_what_queues_up_is_one_batch_answered_after_its_commit(disk: Disk) -> None:
    async def work() -> list[int]:
        return await asyncio.gather(*(disk.writer.do(insert(n)) for n in range(3)))

    assert disk.run(work) == [0, 1, 2]
    assert disk.batches == [True]
    assert disk.loop.time() == 1.5


def test_a_refusal_after_writing_is_undone_alone(disk: Disk) -> None:
    async def work() -> tuple[object, ...]:
        refused = disk.writer.do(insert(1, Unfunded("none", "left")), atomic=True)
        return await asyncio.gather(refused, disk.writer.do(insert(2)), return_exceptions=True)

    answers = disk.run(work)
    assert isinstance(answers[0], Unfunded)
    assert disk.writer.read(rows) == [2]


@pytest.mark.parametrize(("when", "left"), [("before", []), ("after", [1])])
def test_a_death_around_a_commit_loses_the_answer_and_maybe_the_work(
    disk: Disk, when: str, left: list[int]
) -> None:
    setattr(disk.luck, when, True)

    async def work() -> None:
        task = disk.loop.spawn(disk.process, disk.writer.do(insert(1)))
        await asyncio.sleep(10)
        assert not task.done()
        disk.process.bury()

    disk.run(work)
    assert disk.deaths == [f"{when} a commit"]
    disk.writer.close()
    assert disk.open().read(rows) == left


def test_what_was_queued_when_the_power_went_is_lost(disk: Disk) -> None:
    async def work() -> None:
        disk.loop.spawn(disk.process, disk.writer.do(insert(1)))
        await asyncio.sleep(0.5)
        disk.process.kill()
        disk.writer.close()
        await asyncio.sleep(5)
        disk.process.bury()
        with pytest.raises(Broken):
            await disk.writer.do(insert(2))

    disk.run(work)
    assert disk.open().read(rows) == []


def test_blocking_works_are_done_at_once(disk: Disk) -> None:
    async def work() -> int:
        with pytest.raises(Unfunded):
            disk.writer.do_now(insert(8, Unfunded("none", "left")), atomic=True)
        return disk.writer.do_now(insert(7))

    assert disk.run(work) == 7
    assert disk.loop.time() == 0
    assert disk.batches == [False, True]
