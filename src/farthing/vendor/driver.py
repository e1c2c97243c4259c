"""Runs a gate's generator against real stores, a real origin and a real clock.

One `Exchange` a request. Store commands are shielded: a payer who leaves does not tear a commit;
the next command then throws `Aborted` into the gate, which releases the hold.
"""

import asyncio
import logging
import secrets
import time
from collections.abc import Awaitable, Callable, Generator
from types import coroutine
from typing import Any, Protocol, TypeVar

from farthing import marks
from farthing.errors import Refusal
from farthing.schemes.contract import At, Json
from farthing.vendor import metering
from farthing.vendor.booking import OUTCOME_KEPT_S_MIN
from farthing.vendor.commands import (
    Aborted,
    Answer,
    AskBroker,
    AskOrigin,
    Look,
    SpareSerial,
    TakeSerial,
    Walk,
    expect,
)
from farthing.wire.attempts import FAULTS

_log = logging.getLogger("farthing.gate")

ENTROPY_BYTES = 48  # 32 for the till and the challenge, the rest for a seal
CLAIMING = (marks.Confirm, marks.Take)  # what may leave claims
SERIALS_LEASED = 1024  # a crash skips at most this many of 16.7 million


T = TypeVar("T")


class MarkStore(Protocol):
    """Any store that answers `marks.Command`."""

    def do(self, command: marks.Command) -> Awaitable[Any]:
        """The answer; refusals and `marks.Stale` as exceptions.

        A task that is cancelled while it waits learns it after the answer, and not before.
        """


class Broker(Protocol):
    """The facilitator API, as a client."""

    async def facilitate(self, call: str, message: Json) -> Json:
        """The JSON answer; `Unavailable`, `Undecided`."""


class Serials:
    """Leased blocks of serials, one block a series, shared by every request of a process."""

    def __init__(self, store: MarkStore) -> None:
        """Leases come from `store`."""
        self._store = store
        self._blocks: dict[str, tuple[int, int]] = {}
        self._spared: dict[str, list[int]] = {}
        self._lock = asyncio.Lock()

    def take_now(self, series: str) -> int | None:
        """A serial index, or None where the block is used up."""
        spared = self._spared.get(series)
        if spared:
            return spared.pop()
        block = self._blocks.get(series)
        if block is None or block[0] >= block[1]:
            return None
        self._blocks[series] = (block[0] + 1, block[1])
        return block[0]

    def spare(self, series: str, index: int) -> None:
        """Have it given out again: whoever took it made nothing of it."""
        self._spared.setdefault(series, []).append(index)

    async def take(self, series: str) -> int:
        """A serial index, from a fresh block if need be."""
        async with self._lock:
            index = self.take_now(series)
            if index is None:
                lease = marks.LeaseSerials(series=series, count=SERIALS_LEASED)
                first = int(await self._store.do(lease))
                self._blocks[series] = (first + 1, first + SERIALS_LEASED)
                index = first
            return index


def now() -> At:
    """The real time, with fresh entropy."""
    return At(now_s=int(time.time()), entropy=secrets.token_bytes(ENTROPY_BYTES))


class Exchange:
    """One request on its way through the gate.

    `start` runs to the first `AskOrigin` or to the end; after the origin's answer (or failure)
    `resume` runs to the end. Both give the final `Answer`, or None while the origin is wanted.
    """

    def __init__(
        self,
        walk: Walk,
        store: MarkStore,
        serials: Serials,
        broker: Broker,
        report: Callable[[], None],
        answers: dict[int, int] | None = None,
        look: Callable[[], At] | None = None,
    ) -> None:
        """`walk` is a fresh generator of the gate; `report` hears of claims to clear at once.

        `answers` counts the answers by status; `look` tells time and gives fresh entropy.
        """
        self._look = now if look is None else look
        self._walk = walk
        self._store = store
        self._serials = serials
        self._broker = broker
        self._report = report
        self._answers = {} if answers is None else answers
        self._has_asked = False
        self.wanted: AskOrigin | None = None
        self.cancelled = False
        self.refused = False
        """Whether it was the gate that refused, and the origin was never asked."""

    async def start(self) -> Answer | None:
        """Run from the beginning."""
        return await self._run(None)

    async def resume(self, answer: object) -> Answer | None:
        """Go on with the origin's answer, or with the exception that came instead."""
        if isinstance(answer, BaseException):
            return await self._run(None, answer)
        return await self._run(answer)

    async def read(self, keys: marks.Keys) -> marks.Memory:
        """What the store has; any refusal of it."""
        memory = expect(marks.Memory, await self._carry_out(marks.Read(keys=keys)))
        if self.cancelled:
            raise asyncio.CancelledError
        return memory

    async def end_stream(self, stream: metering.Stream, ticks: int) -> None:
        """Write that it is over, of which so many ticks have gone out: what they cost is owed.

        Where that fails it is topped up as long as it is known, as after a crash.
        """
        now_s = self._look().now_s
        until_s = now_s + OUTCOME_KEPT_S_MIN
        try:
            await self._store.do(metering.ended(stream, ticks, now_s, until_s))
        except Refusal as wrong:
            _log.warning("a stream was not marked as over: %s", wrong)

    async def abort(self) -> None:
        """The payer has gone, or the server stops: let the gate clean up."""
        self.cancelled = True
        try:
            await self.resume(Aborted())
        except (Aborted, Refusal):
            return

    async def _run(self, value: object, wrong: BaseException | None = None) -> Answer | None:
        """Carry out commands until the walk ends or wants the origin."""
        self.wanted = None
        walk = self._walk
        while True:
            try:
                command = walk.send(value) if wrong is None else walk.throw(wrong)
            except StopIteration as end:
                answer: Answer = end.value
                self.refused = not self._has_asked and answer.status in FAULTS
                self._answers[answer.status] = self._answers.get(answer.status, 0) + 1
                return answer
            value = wrong = None
            try:
                if isinstance(command, Look):
                    value = self._look()
                elif isinstance(command, TakeSerial):
                    value = self._serials.take_now(command.series)
                    if value is None:
                        value = await self._whole(self._serials.take(command.series))
                elif isinstance(command, AskOrigin):
                    if not self.cancelled:
                        self.wanted = command
                        self._has_asked = True
                        return None
                    wrong = Aborted()
                elif isinstance(command, SpareSerial):
                    self._serials.spare(command.series, command.index)
                else:
                    value = await self._carry_out(command)
            except (Refusal, marks.Stale) as met:
                wrong = met

    async def _carry_out(self, command: marks.Command | AskBroker) -> object:
        """What the broker or the store answers."""
        if isinstance(command, AskBroker):
            return await self._whole(self._broker.facilitate(command.call, command.message))
        found = await self._stored(self._store.do(command))
        if isinstance(command, CLAIMING):
            for claim in command.claims:
                if claim.moment == "during":
                    self._report()
        return found

    @coroutine
    def _stored(self, work: Awaitable[T]) -> Generator[Any, Any, T]:
        """As `_whole`, for what no cancellation breaks off: a step of it costs no task."""
        steps = work.__await__()
        while True:
            try:
                waited = steps.send(None)
            except StopIteration as done:
                answer: T = done.value
                return answer
            try:
                yield waited
            except asyncio.CancelledError:
                self.cancelled = True

    async def _whole(self, work: Awaitable[T]) -> T:
        """The result of `work`; remember where we were cancelled meanwhile."""
        task = asyncio.ensure_future(work)
        if await to_the_end(task):
            self.cancelled = True
        return task.result()


async def to_the_end(task: asyncio.Future[T]) -> bool:
    """Wait until `task` is done, cancelled or not; whether we were cancelled meanwhile."""
    cancelled = False
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError:
            cancelled = True
    return cancelled
