import asyncio

import pytest

from farthing import faults


def fail() -> None:
    raise KeyError("a secret")


def caught(depth: int = 0) -> BaseException:
    def deep(left: int) -> None:
        deep(left - 1) if left else fail()

    with pytest.raises(KeyError) as wrong:
        deep(depth)
    return wrong.value


def test_a_place_has_the_kind_and_the_lines_and_not_the_text() -> None:
    kind, _, *lines = faults.place_of(caught()).split()
    assert kind == "KeyError"
    assert [line.split(":")[0] for line in lines] == ["test_faults.py"] * 3
    assert "secret" not in faults.place_of(caught())


def test_no_more_lines_are_told_than_help() -> None:
    assert faults.place_of(caught(20)).count("test_faults.py") == faults.FRAMES_TOLD


def test_whoever_asked_hears_nothing_of_it_and_may_ask_again() -> None:
    refusal = faults.refusal_of(caught())
    assert (refusal.code, refusal.fault) == ("internal_fault", "us")
    assert "secret" not in f"{refusal} {refusal.detail} {refusal.facts}"


def test_what_runs_beside_requests_goes_on_after_a_mistake_and_ends_when_cancelled(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    begun: list[str] = []
    monkeypatch.setattr(faults, "AGAIN_S", 0)

    async def work(name: str) -> None:
        begun.append(name)
        if len(begun) < 3:
            fail()
        await asyncio.sleep(3_600)

    async def run() -> None:
        task = asyncio.create_task(faults.keep_on(work, "one"))
        while len(begun) < 3:
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(run())
    assert begun == ["one"] * 3
    assert len(caplog.messages) == 2
    assert "work: KeyError at " in caplog.messages[0]
