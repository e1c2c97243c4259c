"""Weeks in which nobody buys: what has its time ends, or is made anew.

Before them everybody finishes, since a vendor that shows its claims a month late has itself to
blame. After them vendors license their brokers anew, as people do when the old licence ends.
"""

import asyncio
import random
from typing import TYPE_CHECKING

from farthing.lab.acts import license_anew
from farthing.lab.liveness import PAUSE_S, rest

if TYPE_CHECKING:
    from farthing.lab.world import World

DAY_S = 86_400
DAYS_MAX = 45  # instruments live for thirty, and thirty more as something to be exchanged
LAPSED_DAYS = 75  # after which what nobody gave back is its issuer's
LAPSED_IN = 3  # of so many times, once


async def pass_weeks(world: "World", luck: random.Random) -> None:
    """Let everybody finish, and some weeks pass, or some months."""
    await rest(world)
    days = luck.randrange(1, DAYS_MAX)
    if luck.randrange(0, LAPSED_IN) == 0:
        days += LAPSED_DAYS
    world.leap(days * DAY_S)
    await asyncio.sleep(PAUSE_S)
    for vendor in world.vendors:
        license_anew(world, vendor)
        if vendor.vendor is not None:  # as gates do each minute, many times by now
            world.begin(vendor, "fetch lists", vendor.vendor.fetch_lists())
    await world.settle()
