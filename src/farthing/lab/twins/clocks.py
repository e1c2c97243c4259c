"""Clocks where somebody cheats: nights and days pass, everybody's is off a little, one's by more.

Everybody's clock leaps only while nobody honest is about to get a page: whoever asks for a page
another day buys it anew. Days on which a payer has paid are counted vendor by vendor: so a scheme
declares what its credit may cost.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable
from typing import TYPE_CHECKING

from farthing.lab.faults import JUMP_S, NIGHT_S, NIGHTS_S
from farthing.lab.parties import Party
from farthing.lab.recount import open_to_honest
from farthing.schemes.chain.times import SKEW_S

if TYPE_CHECKING:
    from farthing.lab.twins.stage import Stage

DAY_S = 86_400
OFF_S = SKEW_S // 2  # of one clock, either way: so two of them differ by what is allowed
WRONG_S = 20.0  # that a clock is off by more, at most
PAUSE_S = 8.0  # between two faults of clocks, on average
DAYS_MAX = 3  # that pass between two tricks
TRIES_MAX = 30  # of waiting until nobody honest has anything open
WAIT_S = 15.0  # between two of them: a gate sweeps each minute


class Days:
    """The days on which each source of requests has paid, by the clock of each vendor."""

    def __init__(self, now_of: Callable[[str], int]) -> None:
        """`now_of`: what the clock of a party shows, in unix seconds."""
        self._now_of = now_of
        self._paid: dict[str, set[tuple[str, int]]] = defaultdict(set)

    def note(self, source: str, vendor: str) -> None:
        """A payment is on its way: its day may be another one by the payer's clock."""
        now_s = self._now_of(vendor)
        self._paid[source] |= {
            (vendor, (now_s + off_s) // DAY_S) for off_s in (-2 * SKEW_S, 2 * SKEW_S)
        }

    def of(self, payer: str) -> int:
        """How many, of a payer and its twins, of all vendors together."""
        return len(self._of(payer))

    def vendors_of(self, payer: str) -> set[str]:
        """Whom a payer and its twins have paid."""
        return {vendor for vendor, _ in self._of(payer)}

    def _of(self, payer: str) -> set[tuple[str, int]]:
        found = (days for name, days in self._paid.items() if name.partition("-")[0] == payer)
        return set[tuple[str, int]]().union(*found)


def set_off(stage: "Stage") -> None:
    """Everybody's clock is off, by no more than is allowed."""
    for party in stage.world.parties:
        party.ahead_s = stage.luck.randint(-OFF_S, OFF_S)
        stage.world.ground.trace.note("off", party.name, str(party.ahead_s))


async def wander(stage: "Stage") -> None:
    """Have nights pass, and single clocks jump and come back, until this is cancelled."""
    nights_s = 0
    while True:
        await asyncio.sleep(stage.luck.expovariate(1 / PAUSE_S))
        if stage.luck.random() < 0.5:
            party = stage.luck.choice(stage.world.parties)
            if party.ahead_s in range(-OFF_S, OFF_S + 1):
                stage.beside(_jump(stage, party))
            continue
        night_s = stage.luck.randrange(NIGHT_S)
        if nights_s + night_s <= NIGHTS_S and is_quiet(stage):
            nights_s += night_s
            stage.world.leap(night_s)


async def _jump(stage: "Stage", party: Party) -> None:
    """One clock goes ahead or back by up to a day, for some seconds.

    A broker's goes back only: with books from tomorrow it would not start until then.
    """
    before_s, party.was_wrong = party.ahead_s, True
    ahead_s = 0 if party in stage.world.brokers else JUMP_S
    party.ahead_s = stage.luck.randrange(-JUMP_S, ahead_s)
    stage.world.ground.trace.note("jumped", party.name, str(party.ahead_s))
    await asyncio.sleep(stage.luck.random() * WRONG_S)
    party.ahead_s = before_s
    stage.world.ground.trace.note("righted", party.name)


async def pass_days(stage: "Stage") -> None:
    """As `pass_time`: some days, in fair weather."""
    stage.world.ground.faults.calm()
    await pass_time(stage, stage.luck.randrange(DAYS_MAX * DAY_S))


async def pass_time(stage: "Stage", by_s: int) -> bool:
    """Let time pass once the honest have ended what they began; False where they cannot."""
    for _ in range(TRIES_MAX):
        await stage.fetch_missing()
        if is_quiet(stage) and not open_matters(stage):
            stage.world.leap(by_s)
            return True
        await asyncio.sleep(WAIT_S)
    return False


def is_quiet(stage: "Stage") -> bool:
    """Whether nobody honest waits for a page."""
    return not any(stage.buying.values()) and not stage.missing


def open_matters(stage: "Stage") -> list[str]:
    """What the honest have not ended yet."""
    world = stage.world
    vendors = [one for one in world.vendors if one.name not in stage.crooks]
    if not all(one.is_up for one in (*world.brokers, *stage.honest, *vendors)):
        return ["somebody is down"]
    return open_to_honest(world, stage.honest, vendors, stage.crooks)
