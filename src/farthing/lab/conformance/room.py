"""What everybody on a stage shares: time, luck and keys, all of them from one seed."""

import asyncio
import hashlib
import shutil
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Any, TypeVar

import apsw

from farthing.errors import Misconfigured
from farthing.lab.disk import InlineWriter
from farthing.lab.loop import VirtualLoop
from farthing.lab.scratch import new_folder
from farthing.schemes.contract import At, Key

T = TypeVar("T")

START_S = 1_795_176_000  # 2026-11-20T12:00:00Z: a noon, so that no day ends by accident
ENTROPY_BYTES = 512  # for one call of a purse, as the wallet's driver gives


class Room:
    """Virtual time, randomness that repeats, a loop, and a folder that goes when it is closed."""

    def __init__(self, seed: str) -> None:
        """Everything drawn follows from `seed`."""
        self.now_ms = START_S * 1000
        self._seed, self._drawn = seed.encode(), 0
        self._loop = VirtualLoop()
        self.folder = new_folder("stage")

    @property
    def now_s(self) -> int:
        """Unix seconds."""
        return self.now_ms // 1000

    def later(self, seconds: int) -> None:
        """Let time pass."""
        self.now_ms += seconds * 1000

    def entropy(self, count: int) -> bytes:
        """`count` bytes that nobody was given before."""
        self._drawn += 1
        return hashlib.shake_256(self._seed + b"/%d" % self._drawn).digest(count)

    def at(self, count: int = ENTROPY_BYTES) -> At:
        """The time, with fresh entropy."""
        return At(now_s=self.now_s, entropy=self.entropy(count))

    def number(self, below: int) -> int:
        """A whole number from 0 to below `below`."""
        return int.from_bytes(self.entropy(8)) % below

    def wait_for(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of a coroutine."""
        return self._loop.run(self._loop.create_task(work))

    def begin(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """A coroutine that goes on while others are waited for."""
        return self._loop.create_task(work)

    def open_writer(
        self, path: Path, schema: str, *, application_id: int, version: int
    ) -> InlineWriter:
        """A database whose commits take no time and never fail."""
        return InlineWriter(
            path,
            schema,
            application_id=application_id,
            version=version,
            timing=_Prompt(),
            die=_never,
            seen=_unseen,
        )

    def close(self) -> None:
        """Remove every file."""
        shutil.rmtree(self.folder, ignore_errors=True)


class Ring:
    """Keys by purpose in memory, the newest last added."""

    def __init__(self, *keys: Key) -> None:
        """With these keys."""
        self._keys: dict[tuple[str, str], Key] = {}
        for key in keys:
            self.add(key)

    def add(self, key: Key) -> None:
        """Keep a key; `Misconfigured` if its id is taken."""
        if (key.purpose, key.id) in self._keys:
            raise Misconfigured("key_id_taken", f"{key.purpose} has a key {key.id} already")
        self._keys[key.purpose, key.id] = key

    def live(self, purpose: str) -> Sequence[Key]:
        """The current key and the one before; `Misconfigured`."""
        found = [key for (of, _), key in reversed(self._keys.items()) if of == purpose]
        if not found:
            raise Misconfigured("key_missing", f"no key for {purpose}")
        return found[:2]

    def known(self, purpose: str) -> Sequence[Key]:
        """Every key of a purpose, newest first."""
        return [key for (of, _), key in reversed(self._keys.items()) if of == purpose]

    def current(self, purpose: str) -> Key:
        """The newest key; `Misconfigured`."""
        return self.live(purpose)[0]

    def find(self, purpose: str, key_id: str) -> Key | None:
        """The key with this id, or None."""
        return self._keys.get((purpose, key_id))


class _Prompt:
    """A disk that has no time to lose and never dies: cases end parties themselves."""

    def commit_delay_s(self) -> float:
        """At once."""
        return 0.0

    def answer_delay_s(self) -> float:
        """At once."""
        return 0.0

    def dies_before(self) -> bool:
        """Never."""
        return False

    def dies_after(self) -> bool:
        """Never."""
        return False


def _never(why: str) -> None:
    raise AssertionError(f"nobody dies of a commit here: {why}")


def _unseen(connection: apsw.Connection, *, done: bool) -> None:
    """What is committed is looked at by the cases."""
