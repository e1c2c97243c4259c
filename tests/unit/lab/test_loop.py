"""Virtual time, processes that die, and nothing that waits for the real clock."""

import asyncio
import time

import pytest

from farthing.lab.loop import Process, VirtualLoop


def test_a_day_of_sleep_takes_no_time() -> None:
    loop = VirtualLoop()
    began = time.monotonic()

    async def sleep() -> float:
        await asyncio.sleep(86_400)
        return loop.time()

    assert loop.run(loop.create_task(sleep())) == 86_400
    assert time.monotonic() - began < 5


def test_time_outs_and_threads_work_as_programs_expect() -> None:
    loop = VirtualLoop()

    async def work() -> str:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(3):
                await asyncio.sleep(10)
        assert loop.time() == 3
        return await asyncio.to_thread(str, 7)

    assert loop.run(loop.create_task(work())) == "7"


def test_a_killed_process_runs_no_step_more_and_others_go_on() -> None:
    loop = VirtualLoop()
    steps: list[str] = []

    async def live(name: str) -> None:
        try:
            for _ in range(4):
                await asyncio.sleep(1)
                steps.append(name)
        finally:
            steps.append(f"{name} ends")

    async def world() -> None:
        one, other = Process("one"), Process("other")
        loop.spawn(one, live("one"))
        task = loop.spawn(other, live("other"))
        await asyncio.sleep(2.5)
        one.kill()
        await task
        assert steps.count("one") == 2
        assert "one ends" not in steps
        one.bury()

    loop.run(loop.create_task(world()))
    assert steps.count("other") == 4
    assert steps[-1] == "one ends"


def test_who_waits_for_what_never_comes_is_told() -> None:
    loop = VirtualLoop()

    async def wait() -> None:
        await loop.create_future()

    with pytest.raises(RuntimeError, match="everybody waits"):
        loop.run(task := loop.create_task(wait()))
    process = Process("of nobody")
    process.add(task)
    process.kill()
    process.bury()


def test_what_no_task_has_caught_is_remembered() -> None:
    loop = VirtualLoop()

    async def fail() -> None:
        raise KeyError("ours")

    async def world() -> None:
        loop.create_task(fail())
        await asyncio.sleep(1)

    loop.run(loop.create_task(world()))
    assert [type(wrong) for wrong in loop.faults] == [KeyError]
