"""What goes wrong in a world, and how often. Every chance is drawn from the seed.

In calm weather messages take a moment and arrive once, disks commit, and nobody dies.
"""

import random
from collections.abc import Callable
from types import MappingProxyType

import msgspec


class Chances(msgspec.Struct, frozen=True, kw_only=True):
    """How likely each fault is, each time it could happen."""

    lost: float = 0.0
    """A message, on either way."""
    repeated: float = 0.0
    """A request that arrives twice."""
    slow: float = 0.0
    """A message that takes up to `SLOW_S`, and is overtaken by later ones."""
    killed_before: float = 0.0
    """A process that dies with a commit before it."""
    killed_after: float = 0.0
    """A process that dies after a commit, before it has answered anybody."""

    killed: float = 0.0
    """At a step: a party, in the middle of whatever it does."""
    parted: float = 0.0
    """At a step: two parties, for up to `PARTED_S`."""
    jumped: float = 0.0
    """At a step: a party's clock, by up to a day, for up to `PARTED_S`."""
    night: float = 0.0
    """At a step: everybody's clock leaps by up to `NIGHT_S`."""
    loss: float = 0.0
    """At a step, where anything comes back: somebody loses a wallet; see `losing.py`."""
    month: float = 0.0
    """At a step: everybody finishes, in fair weather, and then weeks pass: see `months.py`."""


CALM = Chances()
ROUGH = Chances(
    lost=0.01,
    repeated=0.02,
    slow=0.01,
    killed_before=0.001,
    killed_after=0.002,
    killed=0.02,
    parted=0.01,
    jumped=0.01,
    night=0.003,
    month=0.005,
    loss=0.01,
)
HARD = Chances(
    lost=0.03, repeated=0.03, killed_before=0.03, killed_after=0.02, month=0.005, loss=0.01
)
WEATHERS = MappingProxyType({"rough": ROUGH, "hard": HARD})
"""By name: of everything something, or messages and commits that fail much more often."""
PARTED_S = 4.0  # of virtual time, in which two hundred steps are taken
DOWN_S = 1.0  # until whoever died is started again, at most
JUMP_S = 86_400
NIGHT_S = 8 * 3_600  # in which nobody clears anything
NIGHTS_S = 20 * 3_600  # in one month: less than the day that a broker waits for claims
TRAVEL_S = 0.002  # on average, one way
SLOW_S = 20.0  # longer than most time-outs
COMMIT_S = 0.002  # a group commit, at most
ANSWER_S = 0.0005  # from the commit to its answer, at most


class Faults:
    """The weather between parties, and the luck of their disks."""

    def __init__(self, luck: random.Random, time_s: Callable[[], float]) -> None:
        """Calm, until `chances` are set."""
        self._luck = luck
        self._time_s = time_s
        self.chances = CALM
        self._apart: dict[frozenset[str], float] = {}

    # --- the network ----------------------------------------------------------------------------

    def part(self, one: str, other: str, until_s: float) -> None:
        """Nothing gets from one to the other, either way, until a virtual time."""
        self._apart[frozenset({one, other})] = until_s

    def calm(self) -> None:
        """No fault from now on; what was apart is joined."""
        self.chances = CALM
        self._apart.clear()

    def travel_s(self, source: str, target: str) -> float | None:
        """As `network.Weather`."""
        luck, chances = self._luck, self.chances
        travel_s = luck.random() * 2 * TRAVEL_S
        if self._apart and self._apart.get(frozenset({source, target}), 0.0) > self._time_s():
            return None
        if chances is CALM:
            return travel_s
        draw = luck.random()
        if draw < chances.lost:
            return None
        if draw < chances.lost + chances.slow:
            return luck.random() * SLOW_S
        return travel_s

    def is_repeated(self) -> bool:
        """As `network.Weather`."""
        return self.chances is not CALM and self._luck.random() < self.chances.repeated

    # --- the disks ------------------------------------------------------------------------------

    def commit_delay_s(self) -> float:
        """As `disk.Timing`."""
        return self._luck.random() * COMMIT_S

    def answer_delay_s(self) -> float:
        """As `disk.Timing`."""
        return self._luck.random() * ANSWER_S

    def dies_before(self) -> bool:
        """Whether the process dies with this commit before it."""
        return self.chances is not CALM and self._luck.random() < self.chances.killed_before

    def dies_after(self) -> bool:
        """Whether it dies right after this commit."""
        return self.chances is not CALM and self._luck.random() < self.chances.killed_after


class Timed:
    """One party's disk: `disk.Timing`, as the weather has it for whoever is not spared."""

    def __init__(self, faults: Faults, is_spared: Callable[[], bool]) -> None:
        """`is_spared`: whether no commit is fatal just then."""
        self._faults = faults
        self._is_spared = is_spared
        self.commit_delay_s, self.answer_delay_s = faults.commit_delay_s, faults.answer_delay_s

    def dies_before(self) -> bool:
        """As `Faults.dies_before`."""
        return not self._is_spared() and self._faults.dies_before()

    def dies_after(self) -> bool:
        """As `Faults.dies_after`."""
        return not self._is_spared() and self._faults.dies_after()
