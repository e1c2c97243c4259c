"""How much each suite does, and the seed that repeats a run."""

import os
import secrets
from typing import NamedTuple

SUITE_VARIABLE = "FARTHING_SUITE"
SEED_VARIABLE = "FARTHING_SEED"
SEED_BELOW = 2**32


class Size(NamedTuple):
    kills: int
    kill_s: float
    """The loop ends here even if kills are left, once half of them are done."""
    pause_s: float
    """Between two pages of a wallet, so that its history stays short enough to be read whole."""
    faults: int = 4
    """Of the ways in which a disk fails, how many each request meets."""
    scheme_faults: int = 1
    """Likewise, of what is asked about one scheme."""
    stride: int = 1
    """Of so many steps at which it may fail, one does."""
    rounds: int = 20
    """Of each race."""
    every: int = 1
    """Of so many kinds of requests, one loses its answer, or of one scheme's meets failures."""
    soak_s: float = 45.0
    """How long servers are watched under load."""
    mint_kills: int = 500
    """Of a mint that is forked, not started."""
    inputs: int = 5_000
    """Changed inputs for each parser of other people's bytes."""


SIZES = {
    "ci": Size(
        kills=20,
        kill_s=20.0,
        pause_s=0,
        faults=1,
        stride=6,
        every=2,
        rounds=8,
        inputs=200,
        mint_kills=20,
    ),
    "full": Size(kills=60, kill_s=120.0, pause_s=0),
    "long": Size(
        kills=1_000,
        kill_s=3_600.0,
        pause_s=0.2,
        scheme_faults=4,
        soak_s=3_600.0,
        inputs=20_000,
        mint_kills=10_000,
    ),
}


def size() -> Size:
    return SIZES[os.environ.get(SUITE_VARIABLE, "ci")]


def seed() -> int:
    """The seed that was given, or a new one; printed, so that a failure can be repeated."""
    given = os.environ.get(SEED_VARIABLE)
    number = int(given) if given else secrets.randbelow(SEED_BELOW)
    print(f"repeat with {SEED_VARIABLE}={number}")  # noqa: T201 - pytest shows it on failure
    return number
