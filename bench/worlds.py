"""Payments in simulated worlds, every invariant checked after every commit, by CPU time.

A payment is all that it takes in a world: both requests and answers over the simulated network, the
wallet's file, the gate and its store, the broker and its books where the moment of clearing asks
for them, the trace and the checks. Founding and the recount at the end are not in it.
"""

import time
from collections.abc import Iterator

from bench.figures import Figure
from farthing.crypto import chain
from farthing.lab import acts
from farthing.lab.faults import CALM, ROUGH, Chances
from farthing.lab.runs import keep_loaded, unlogged
from farthing.lab.world import Acts, World
from farthing.schemes import registry

SEED = 1
WARM = 100  # payments before any is measured: wallets get what they pay with
PAYMENTS = 1_000  # in each part
RATE_MIN = 1_000  # of simulated payments, on one core
STEPS_MAX = 100_000
BUYING: Acts = {acts.buy: 1}
PARTS: dict[str, tuple[Chances, Acts | None, str]] = {  # None: all that the scheme can do
    "fair weather, batch": (CALM, BUYING, "batch"),
    "fair weather, every moment": (CALM, BUYING, ""),
    "rough weather, everything": (ROUGH, None, ""),
}


def measure(payments: int = PAYMENTS) -> list[Figure]:
    """Confirmed payments a second of CPU, by scheme and weather."""
    names = [scheme.traits.name for scheme in registry.all_schemes()]
    _load_compiled()
    keep_loaded()
    with unlogged():
        return [
            Figure(
                part="worlds",
                name=f"{name}, {part}",
                value=_rate(name, *PARTS[part], payments),
                unit="/s",
                target=RATE_MIN,
            )
            for name in names
            for part in PARTS
        ]


def _load_compiled() -> None:
    """What a broker compiles or loads at its first large batch, once in a process."""
    chain.are_proved([chain.Proof(bytes(16), bytes(16), chain.BULK, bytes(16), 0)])


def _rate(scheme: str, chances: Chances, drawn: Acts | None, moment: str, payments: int) -> float:
    drawn = drawn or acts.acts_of([registry.by_name(scheme)])
    with World(SEED, [scheme]) as world:
        for vendor in world.vendors:
            vendor.sold = tuple(page for page in vendor.pages if moment in {"", page.moment})
        steps = iter(range(STEPS_MAX))
        _pay(world, steps, WARM, chances, drawn)
        sold, began_s = _sold(world), time.process_time()
        _pay(world, steps, payments, chances, drawn)
        took_s = time.process_time() - began_s
        return (_sold(world) - sold) / took_s


def _pay(world: World, steps: Iterator[int], payments: int, chances: Chances, drawn: Acts) -> None:
    world.payments_max = world.payments + payments
    world.run(world.act(steps, chances, drawn))
    world.run(world.settle())


def _sold(world: World) -> int:
    return sum(map(len, world.ground.checks.sold.values()))
