"""Cryptography before the writer: single messages at once, batches in workers.

A worker process builds its own mints when it starts, from the same function; messages and what was
checked travel between processes, keys do not. Without workers a batch is checked in a thread.
"""

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import msgspec

from farthing import codec
from farthing.errors import Refusal
from farthing.schemes.contract import Account, At, Checked, Json, Mint, Operation

TASKS_PER_CALL = 50  # some 5 ms of signatures: large against the cost of a call between processes

# What a worker builds its mints with: the mints, and what to call before they look at their keys.
LoadMints = Callable[[], tuple[Mapping[str, Mint], Callable[[], object]]]


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """One message to check."""

    message: bytes
    """JSON."""
    account: Account
    at: At


Outcome = Checked | Refusal


def check_tasks(mint: Mint, operation: Operation, tasks: list[Task]) -> list[Outcome]:
    """What the mint says of each message, in order; a refusal stands for its own message only."""
    unread: list[Refusal | None] = []
    asked: list[tuple[Json, Account, At]] = []
    for task in tasks:
        try:
            asked.append((codec.read_json(task.message), task.account, task.at))
            unread.append(None)
        except Refusal as refusal:
            unread.append(refusal)
    checked = iter(mint.check_all(operation, asked))
    return [next(checked) if refusal is None else refusal for refusal in unread]


_mints: Mapping[str, Mint] = {}  # of a worker process, loaded once when it starts
_refresh: Callable[[], object] = bool  # likewise


def _load(load_mints: LoadMints) -> None:
    global _mints, _refresh
    _mints, _refresh = load_mints()


def _check_in_worker(scheme: str, operation: Operation, tasks: list[Task]) -> list[Outcome]:
    _refresh()
    return check_tasks(_mints[scheme], operation, tasks)


class Checks:
    """Checks batches, in worker processes if there are any."""

    def __init__(
        self, mints: Mapping[str, Mint], *, load_mints: LoadMints | None = None, workers: int = 0
    ) -> None:
        """`workers` processes build their mints with `load_mints`, which must be picklable."""
        self._mints = mints
        self._pool: ProcessPoolExecutor | None = None
        if workers and load_mints is not None:
            self._pool = ProcessPoolExecutor(
                workers,
                mp_context=get_context("spawn"),  # this process has threads, which a fork loses
                initializer=_load,
                initargs=(load_mints,),
            )

    async def check_all(
        self, scheme: str, operation: Operation, tasks: list[Task]
    ) -> list[Outcome]:
        """What the scheme's mint says of each message, in order."""
        if self._pool is None:
            return await asyncio.to_thread(check_tasks, self._mints[scheme], operation, tasks)
        loop = asyncio.get_running_loop()
        parts = await asyncio.gather(
            *(
                loop.run_in_executor(
                    self._pool,
                    _check_in_worker,
                    scheme,
                    operation,
                    tasks[first : first + TASKS_PER_CALL],
                )
                for first in range(0, len(tasks), TASKS_PER_CALL)
            )
        )
        return [outcome for part in parts for outcome in part]

    def close(self) -> None:
        """End the workers."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
