"""An event loop whose clock is virtual: time passes only when nobody has anything left to do.

Whatever runs belongs to a process (`Process`), or to the world itself. A process that is killed
runs no step more: its tasks stay where they are, as those of a program that got `kill -9`, and
only its disk is left. There are no threads: what asks for one is run at once. Source: ours.
"""

import asyncio
import contextvars
import heapq
from collections import deque
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, TypeVar

import apsw
import msgspec

from farthing.errors import Refusal

T = TypeVar("T")

CLOSES_MAX = 16  # of one coroutine, each of whose `finally` clauses may await something once more
TASKS_KEPT = 64  # of a process, before it is looked which of them are done
STEPS_MAX = 50_000_000  # of one run: a loop that never ends is an error, and not a hang


class Process:
    """One life of a party: what runs in it stops for good when it is killed."""

    def __init__(self, name: str) -> None:
        """Alive."""
        self.name = name
        self.is_alive = True
        self.context = contextvars.Context()
        """What its tasks begin with."""
        self.context.run(PROCESS.set, self)
        self.tasks: dict[asyncio.Task[Any], None] = {}
        """All that are under way, and some that are done."""
        self._many = TASKS_KEPT

    def add(self, task: asyncio.Task[Any]) -> None:
        """A task more."""
        self.tasks[task] = None
        if len(self.tasks) > self._many:
            self.tasks = {task: None for task in self.tasks if not task.done()}
            self._many = 2 * len(self.tasks) + TASKS_KEPT

    def kill(self) -> None:
        """No step more."""
        self.is_alive = False

    def bury(self) -> None:
        """Let go of what a killed process has left in memory; nothing of it may have an effect."""
        assert not self.is_alive, "only the dead are buried"
        while self.tasks:
            task, _ = self.tasks.popitem()
            if task.done():
                continue
            task._log_destroy_pending = False  # type: ignore[attr-defined] # - it never ends
            coroutine: Any = task.get_coro()
            for _ in range(CLOSES_MAX):
                # What its `finally` clauses want of a closed store, or await, gets nothing.
                with suppress(RuntimeError, Refusal, apsw.Error):
                    coroutine.close()
                if coroutine.cr_frame is None:
                    break


PROCESS: contextvars.ContextVar[Process | None] = contextvars.ContextVar("process", default=None)


class Call(msgspec.Struct):
    """What is to be called: asyncio's handle, without what debugging asks."""

    callback: Any
    args: tuple[Any, ...]
    context: contextvars.Context
    """Of the process that it belongs to."""
    is_cancelled: bool = False

    def cancel(self) -> None:
        """Not to be called any more."""
        self.is_cancelled = True

    def cancelled(self) -> bool:
        """Whether it is not."""
        return self.is_cancelled


class VirtualLoop:
    """Runs callbacks in the order of their virtual time, and of their making within one.

    It has what asyncio's tasks, futures and time-outs ask of a loop, and no more: nothing here
    reads a socket or starts a program.
    """

    def __init__(self) -> None:
        """At time 0."""
        self._self: Any = self  # what asyncio takes for one of its own
        self._now_s = 0.0
        self._count = 0
        self._ready: deque[Call] = deque()
        self._timers: list[tuple[float, int, Call]] = []
        self._outside = contextvars.Context()
        self.faults: list[BaseException] = []
        """What no task has caught."""

    # --- what asyncio asks of a loop ------------------------------------------------------------

    def time(self) -> float:
        """Virtual seconds since the beginning."""
        return self._now_s

    def call_soon(
        self, callback: Any, *args: Any, context: contextvars.Context | None = None
    ) -> Call:
        """Before anything that is due later."""
        call = Call(callback, args, contextvars.copy_context() if context is None else context)
        self._ready.append(call)
        return call

    call_soon_threadsafe = call_soon

    def call_at(
        self, when: float, callback: Any, *args: Any, context: contextvars.Context | None = None
    ) -> Call:
        """At a virtual time. What is cancelled stays in the heap until then, and does nothing."""
        call = Call(callback, args, contextvars.copy_context() if context is None else context)
        self._count += 1
        heapq.heappush(self._timers, (when, self._count, call))
        return call

    def call_later(
        self, delay: float, callback: Any, *args: Any, context: contextvars.Context | None = None
    ) -> Call:
        """After some virtual seconds."""
        call = Call(callback, args, contextvars.copy_context() if context is None else context)
        self._count += 1
        heapq.heappush(self._timers, (self._now_s + delay, self._count, call))
        return call

    def create_future(self) -> asyncio.Future[Any]:
        """A future of this loop."""
        return asyncio.Future(loop=self._self)

    def create_task(
        self,
        coro: Coroutine[Any, Any, T],
        *,
        name: str | None = None,
        context: contextvars.Context | None = None,
    ) -> asyncio.Task[T]:
        """A task of the process that makes it."""
        task: asyncio.Task[T] = asyncio.Task(coro, loop=self._self, name=name, context=context)
        process = PROCESS.get() if context is None else context.get(PROCESS)
        if process is not None:
            process.add(task)
        return task

    def run_in_executor(
        self, executor: Any, func: Callable[..., T], *args: Any
    ) -> asyncio.Future[T]:
        """At once: there are no threads."""
        future: asyncio.Future[T] = self.create_future()
        future.set_result(func(*args))
        return future

    def get_debug(self) -> bool:
        """Never."""
        return False

    def is_running(self) -> bool:
        """While `run` runs."""
        return asyncio._get_running_loop() is self._self

    def is_closed(self) -> bool:
        """Never: there is nothing to close."""
        return False

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Remember what nobody caught."""
        wrong = context.get("exception")
        self.faults.append(wrong or RuntimeError(str(context.get("message"))))

    # --- what the world asks of it --------------------------------------------------------------

    def spawn(self, process: Process, coroutine: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Begin a task in a process."""
        return self.create_task(coroutine, context=process.context.copy())

    def outside(self, delay_s: float, callback: Callable[..., object], *args: Any) -> None:
        """Have the world itself do something later, whoever is dead by then."""
        self.outside_at(self._now_s + delay_s, callback, *args)

    def outside_at(self, when_s: float, callback: Callable[..., object], *args: Any) -> None:
        """As `outside`, at a virtual time: of several at one, in the order in which they come."""
        self._count += 1
        call = Call(callback, args, self._outside)
        heapq.heappush(self._timers, (when_s, self._count, call))

    def run(self, until: asyncio.Future[T]) -> T:
        """Run until `until` is done; its result. `RuntimeError` where nothing is left to do."""
        asyncio._set_running_loop(self._self)
        ready, is_done = self._ready, until.done
        try:
            for _ in range(STEPS_MAX):
                if is_done():
                    return until.result()
                call = ready.popleft() if ready else self._next_due()
                if call.is_cancelled:
                    continue
                context = call.context
                process = context.get(PROCESS)
                if not (process is None or process.is_alive):
                    continue
                try:
                    context.run(call.callback, *call.args)
                except (SystemExit, KeyboardInterrupt):
                    raise
                except BaseException as wrong:  # noqa: BLE001 - told as a finding, whatever it is
                    self.faults.append(wrong)
        finally:
            asyncio._set_running_loop(None)
        raise RuntimeError("the world does not come to an end")

    def _next_due(self) -> Call:
        """What is due next, once nothing is due now; the clock is there then."""
        if not self._timers:
            raise RuntimeError("everybody waits, and nothing is under way")
        when, _, call = heapq.heappop(self._timers)
        self._now_s = max(self._now_s, when)
        return call
