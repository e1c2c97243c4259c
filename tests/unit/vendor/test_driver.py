"""Walks against real stores: commands whole or not at all, cancellation remembered."""

import asyncio
from collections.abc import Generator
from typing import Any

import pytest

from farthing import marks
from farthing.errors import Broken, Unavailable
from farthing.schemes.contract import At
from farthing.stores.memory import MemoryMarks
from farthing.vendor.commands import (
    Aborted,
    Answer,
    AskBroker,
    AskOrigin,
    GateCommand,
    Look,
    SpareSerial,
    TakeSerial,
    Walk,
)
from farthing.vendor.driver import ENTROPY_BYTES, SERIALS_LEASED, Exchange, Serials, to_the_end

DONE = Answer(status=200, headers=(), body=b"")
ORIGIN = AskOrigin(add=(), timeout_s=1)
FIND = marks.Find(k="k")


class Store:
    """Memory that takes its time, and says what it was asked."""

    def __init__(self) -> None:
        self.store, self.said = MemoryMarks(), list[str]()
        self.gate = asyncio.Event()
        self.gate.set()

    async def do(self, command: marks.Command) -> Any:
        self.said.append(f"begins {type(command).__name__}")
        await to_the_end(asyncio.ensure_future(self.gate.wait()))
        found = self.store.do_now(command)
        self.said.append(f"ends {type(command).__name__}")
        return found


class Broker:
    async def facilitate(self, call: str, message: Any) -> Any:
        await asyncio.sleep(0)
        if call == "void":
            raise Unavailable("broker_unreachable")
        return {"call": call}


def exchange(walk: Walk, store: Store, reports: list[str] | None = None) -> Exchange:
    heard = reports if reports is not None else []
    return Exchange(walk, store, Serials(store), Broker(), lambda: heard.append("due"))


def asks(*commands: GateCommand) -> Generator[GateCommand, object, Answer]:
    """A walk that gives these commands and keeps what came back."""
    for command in commands:  # noqa: UP028 - a tuple takes no answers
        yield command
    return DONE


def test_a_walk_runs_to_its_end_or_to_the_origin() -> None:
    async def run() -> None:
        assert await exchange(asks(Look(), FIND), Store()).start() == DONE
        under_way = exchange(asks(FIND, ORIGIN, FIND), Store())
        assert await under_way.start() is None
        assert under_way.wanted == ORIGIN
        assert await under_way.resume("page") == DONE

    asyncio.run(run())


def test_a_look_is_the_time_and_fresh_entropy() -> None:
    seen: list[At] = []

    def walk() -> Walk:
        for _ in range(2):
            at = yield Look()
            assert isinstance(at, At)
            seen.append(at)
        return DONE

    asyncio.run(exchange(walk(), Store()).start())
    assert len(seen[0].entropy) == ENTROPY_BYTES
    assert seen[0].entropy != seen[1].entropy


def test_what_a_command_meets_is_thrown_into_the_walk() -> None:
    met: list[str] = []

    def walk() -> Walk:
        for command in (AskBroker(call="void", message={}), marks.Release(k="k", fence=1)):
            try:
                yield command
            except (Unavailable, marks.Stale, Broken) as wrong:
                met.append(type(wrong).__name__)
            except Exception as wrong:  # noqa: BLE001 - whatever it is, it is noted
                met.append(type(wrong).__name__)
        return DONE

    assert asyncio.run(exchange(walk(), Store()).start()) == DONE
    assert met == ["Unavailable", "HoldLost"]


def test_an_exception_goes_to_the_walk_instead_of_the_origins_answer() -> None:
    def walk() -> Walk:
        try:
            yield ORIGIN
        except Broken:
            return DONE
        raise AssertionError("it was thrown")

    async def run() -> None:
        under_way = exchange(walk(), Store())
        await under_way.start()
        assert await under_way.resume(Broken("disk_full")) == DONE

    asyncio.run(run())


def test_a_command_is_finished_when_its_request_is_cancelled() -> None:
    async def run() -> None:
        store = Store()
        store.gate.clear()
        under_way = exchange(asks(FIND, FIND, ORIGIN), store)
        task = asyncio.ensure_future(under_way.start())
        await asyncio.sleep(0)
        for _ in range(3):
            task.cancel()
            await asyncio.sleep(0)
        assert not task.done()
        store.gate.set()
        with pytest.raises(Aborted):
            await task
        assert under_way.cancelled
        assert store.said == ["begins Find", "ends Find", "begins Find", "ends Find"]

    asyncio.run(run())


def test_an_abort_reaches_the_walk_at_the_origin_and_ends_there() -> None:
    cleaned: list[str] = []

    def walk() -> Walk:
        try:
            yield ORIGIN
        except Aborted:
            yield FIND
            cleaned.append("released")
            raise
        return DONE

    async def run() -> None:
        store = Store()
        under_way = exchange(walk(), store)
        await under_way.start()
        await under_way.abort()
        await under_way.abort()
        assert cleaned == ["released"]
        assert under_way.cancelled

    asyncio.run(run())


def test_a_walk_that_refuses_while_it_is_aborted_ends_too() -> None:
    def walk() -> Walk:
        try:
            yield ORIGIN
        except Aborted:
            raise Broken("disk_full") from None
        return DONE

    async def run() -> None:
        under_way = exchange(walk(), Store())
        await under_way.start()
        await under_way.abort()

    asyncio.run(run())


def claim(moment: marks.Moment) -> marks.Claim:
    return marks.Claim(scheme="s", key=b"k", order=1, value_micro=1, body=b"{}", moment=moment)


@pytest.mark.parametrize(("moment", "reports"), [("during", ["due"]), ("batch", [])])
def test_claims_that_are_due_at_once_are_reported(moment: marks.Moment, reports: list[str]) -> None:
    hold = marks.Hold(k="k", digest=b"d", marks=(), kept=b"", now_s=0, lease_until_s=1, until_s=1)
    heard: list[str] = []
    take = marks.Take(hold=hold, outcome=b"", claims=(claim(moment),))
    asyncio.run(exchange(asks(take), Store(), heard).start())
    assert heard == reports


def test_a_claim_that_was_not_taken_is_not_reported() -> None:
    heard: list[str] = []

    def walk() -> Walk:
        with pytest.raises(Exception, match="hold_lost"):
            yield marks.Confirm(k="k", fence=1, outcome=b"", claims=(claim("during"),))
        return DONE

    asyncio.run(exchange(walk(), Store(), heard).start())
    assert heard == []


def test_serials_come_in_leased_blocks_and_never_twice() -> None:
    async def run() -> None:
        store = Store()
        first, second = Serials(store), Serials(store)
        taken = [await first.take("a") for _ in range(3)]
        taken += [await second.take("a") for _ in range(3)]
        assert taken == [0, 1, 2, SERIALS_LEASED, SERIALS_LEASED + 1, SERIALS_LEASED + 2]
        assert await first.take("b") == 0
        assert store.said.count("begins LeaseSerials") == 3

    asyncio.run(run())


def test_a_used_up_block_is_followed_by_a_fresh_one() -> None:
    async def run() -> None:
        serials = Serials(Store())
        taken = [await serials.take("a") for _ in range(SERIALS_LEASED + 2)]
        assert taken == list(range(SERIALS_LEASED + 2))
        assert serials.take_now("a") == SERIALS_LEASED + 2
        assert serials.take_now("b") is None

    asyncio.run(run())


def test_a_serial_that_is_given_back_is_given_out_again() -> None:
    async def run() -> None:
        serials = Serials(Store())
        first = await serials.take("a")
        walked = exchange(asks(SpareSerial("a", first)), Store())
        walked._serials = serials
        assert await walked.start() == DONE
        assert [serials.take_now("a"), serials.take_now("a")] == [first, first + 1]

    asyncio.run(run())


def test_serials_taken_at_once_share_one_lease() -> None:
    async def run() -> None:
        store = Store()
        serials = Serials(store)
        taken = await asyncio.gather(*[serials.take("a") for _ in range(50)])
        assert sorted(taken) == list(range(50))
        assert store.said.count("begins LeaseSerials") == 1
        walked = exchange(asks(TakeSerial("a")), store)
        assert await walked.start() == DONE

    asyncio.run(run())


def test_work_is_waited_for_to_its_end() -> None:
    async def run() -> None:
        event = asyncio.Event()
        work = asyncio.ensure_future(event.wait())
        waiting = asyncio.ensure_future(to_the_end(work))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.sleep(0)
        assert not waiting.done()
        event.set()
        assert await waiting is True
        assert work.result() is True
        assert await to_the_end(work) is False

    asyncio.run(run())
