"""What every party of a world stands on: one seed, one clock, one network, one place for disks."""

import random
from collections.abc import Callable
from pathlib import Path

from farthing.lab.faults import Faults
from farthing.lab.invariants import Invariants
from farthing.lab.loop import VirtualLoop
from farthing.lab.network import Network
from farthing.lab.trace import Trace

START_S = 1_800_000_000  # the wall clock when a world begins: a Friday in January 2027


class Ground:
    """Shared by all parties of one world."""

    def __init__(self, seed: int, folder: Path, *, lines_max: int | None) -> None:
        """`folder` holds the disks; `lines_max` as of `Trace`."""
        self.folder = folder
        self.luck = random.Random(f"luck {seed}")
        self._entropy = random.Random(f"entropy {seed}")
        self.loop = VirtualLoop()
        self.trace = Trace(self.loop.time, lines_max)
        self.faults = Faults(random.Random(f"faults {seed}"), self.loop.time)
        self.network = Network(self.loop, self.faults, self.trace)
        self.checks = Invariants(self.loop.time, self.wall_s, self.trace)
        self.leap_s = 0
        """How far everybody's wall clock has leapt: nights in which nobody does anything."""
        self.lives = 0
        self.died: Callable[[str], None] = lambda _: None
        """Told who was killed; the world sets it."""

    def wall_s(self) -> int:
        """The right time, in unix seconds."""
        return START_S + self.leap_s + int(self.loop.time())

    def entropy(self, count: int) -> bytes:
        """Random bytes that the seed decides."""
        return self._entropy.randbytes(count)
