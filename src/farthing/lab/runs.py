"""Runs of worlds, one a seed: what came of each, and of a failing one the fewest steps that fail.

A run is safety first, then liveness: so many payments in the worst weather, then calm, and
everybody finishes. In one run of four somebody cheats (`twins`), and what that costs the honest is
held against what the scheme declares; its steps are tricks. Workers are processes; what they find
does not depend on how many there are.
"""

import gc
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache, partial

import msgspec

from farthing.lab.bounds import Measured
from farthing.lab.faults import WEATHERS
from farthing.lab.liveness import finish
from farthing.lab.shrinking import shrink
from farthing.lab.spread import spread
from farthing.lab.traces import eventful, tell_all
from farthing.lab.twins import tricks
from farthing.lab.world import World
from farthing.schemes import registry

STEPS_MAX = 100_000  # of one run, where nobody may be up to pay
PAYMENTS = 50  # in one run: some six hundred events
CHEATED_EVERY = 4  # seeds that this divides are those of worlds in which somebody cheats
SEEDS_PER_TASK = 4  # of one worker: little enough that a bar moves
TRIES_MAX = 60  # runs that shrinking may take: some seconds
TOLD_LINES = 60  # of a failing run: the end of it is what people read


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What to run."""

    schemes: tuple[str, ...] = ()
    """Registry names; all where empty."""
    payments: int = PAYMENTS
    weather: str = "rough"
    """Of `faults.WEATHERS`, by name; not of the worlds in which somebody cheats."""


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one run."""

    seed: int
    hash: str
    """Of the whole course: the same seed gives the same."""
    events: int
    payments: int
    sold: int
    """Payments that a gate has confirmed."""
    findings: tuple[str, ...]
    """What was wrong; empty where all is well."""
    steps: tuple[int, ...]
    """Those taken."""
    lines: tuple[str, ...] = ()
    """The end of the trace, of a run that failed."""
    losses: tuple[Measured, ...] = ()
    """What honest parties lost where somebody cheated, and on streams in any weather."""
    run_s: float = 0.0
    """Real processor time."""


def run(seed: int, asked: Asked, steps: Sequence[int] | None = None) -> Result:
    """One world from its founding to its recount; with some of its steps only, where named."""
    began_s = time.process_time()
    with unlogged() as mistakes:
        play = _cheated if seed % CHEATED_EVERY == 0 else _stormed
        result = play(seed, asked, steps)
    findings = (*result.findings, *mistakes)
    run_s = time.process_time() - began_s
    return msgspec.structs.replace(result, findings=findings, run_s=run_s)


@contextmanager
def unlogged() -> Iterator[list[str]]:
    """Gates and brokers log what goes wrong, which here is everything; but mistakes are found."""
    log, faults = logging.getLogger("farthing"), logging.getLogger("farthing.fault")
    mistakes, level = Mistakes(), log.level
    log.setLevel(logging.CRITICAL)
    faults.addHandler(mistakes)
    try:
        yield mistakes.found
    finally:
        log.setLevel(level)
        faults.removeHandler(mistakes)


class Mistakes(logging.Handler):
    """What our own programs say that they did wrong (`farthing.faults`)."""

    def __init__(self) -> None:
        """None yet."""
        super().__init__()
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep it."""
        self.found.append(f"mistake: {record.getMessage()}")


def _stormed(seed: int, asked: Asked, steps: Sequence[int] | None) -> Result:
    """One world under faults; a step is one of `World.act`."""
    with World(seed, asked.schemes) as world:
        world.payments_max = asked.payments
        taken = world.run(
            world.act(range(STEPS_MAX) if steps is None else steps, WEATHERS[asked.weather])
        )
        world.run(finish(world))
        ground = world.ground
        faults = [f"uncaught: {type(wrong).__name__}: {wrong}" for wrong in ground.loop.faults]
        findings = (*ground.checks.told, *faults)
        course = ground.checks.course or tuple(ground.trace.lines)
        lines = _shown(course) if findings else ()
        return Result(
            seed=seed,
            hash=ground.trace.hash,
            events=ground.trace.events,
            payments=world.payments,
            sold=sum(map(len, ground.checks.sold.values())),
            findings=findings,
            steps=taken,
            lines=lines,
            losses=tuple(ground.checks.streams.losses()),
        )


def _cheated(seed: int, asked: Asked, steps: Sequence[int] | None) -> Result:
    """One world of one scheme, and some tricks in it; a step is the place of one of them."""
    scheme = _cheated_scheme(seed, asked)
    drawn = tricks.drawn(scheme, seed)
    taken = range(len(drawn)) if steps is None else [n for n in steps if n < len(drawn)]
    played = tricks.play(scheme, seed, [drawn[number] for number in taken])
    return Result(
        seed=seed,
        hash=played.trace_hash,
        events=played.events,
        payments=played.payments,
        sold=played.sold,
        findings=tuple(f"{scheme}, {', '.join(played.tricks)}: {it}" for it in played.findings),
        steps=tuple(taken),
        lines=_shown(played.lines) if played.findings else (),
        losses=played.losses,
    )


def _shown(course: Sequence[str]) -> tuple[str, ...]:
    return tuple(eventful(course)[-TOLD_LINES:])


def _cheated_scheme(seed: int, asked: Asked) -> str:
    """The one scheme of a world in which somebody cheats."""
    names = asked.schemes or [scheme.traits.name for scheme in registry.all_schemes()]
    return names[seed // CHEATED_EVERY % len(names)]


@cache
def keep_loaded() -> None:
    """In a process that does nothing but run worlds: no collection looks at its modules again."""
    gc.collect()
    gc.freeze()


def run_seeds(seeds: Sequence[int], asked: Asked) -> list[Result]:
    """Several, one after the other."""
    return [run(seed, asked) for seed in seeds]


def _run_in_worker(seeds: Sequence[int], asked: Asked) -> list[Result]:
    keep_loaded()
    return run_seeds(seeds, asked)


def run_all(
    seeds: Sequence[int],
    asked: Asked,
    *,
    workers: int = 1,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Iterator[Result]:
    """The results of all seeds, in their order."""
    done = 0
    if workers == 1:
        for seed in seeds:
            yield run(seed, asked)
            done += 1
            progress(done, len(seeds))
        return
    tasks = [
        seeds[first : first + SEEDS_PER_TASK] for first in range(0, len(seeds), SEEDS_PER_TASK)
    ]
    work = partial(_run_in_worker, asked=asked)
    with spread(work, tasks, workers=workers) as coming:
        for one in coming:
            results = one.result()
            yield from results
            done += len(results)
            progress(done, len(seeds))


def shortest(
    failed: Result,
    asked: Asked,
    progress: Callable[[int, int], None] = lambda tries, left: None,
) -> Result:
    """The same failure with as few steps as could be found."""
    found = failed

    def fails(steps: Sequence[int]) -> bool:
        nonlocal found
        result = run(failed.seed, asked, steps)
        if result.findings:
            found = result
        return bool(result.findings)

    shrink(failed.steps, fails, tries_max=TRIES_MAX, progress=progress)
    return found


def steps_of(seed: int, asked: Asked) -> int:
    """How many steps a world has: for one under faults it has to be run."""
    if seed % CHEATED_EVERY == 0:
        return len(tricks.drawn(_cheated_scheme(seed, asked), seed))
    return len(run(seed, asked).steps)


def told(failed: Result) -> list[str]:
    """The end of a failing run, a line an event."""
    return tell_all(failed.lines)


def replay(failed: Result, asked: Asked) -> str:
    """The one command that repeats a failure."""
    command = ["farthing lab simulate", f"--seed {failed.seed}", f"--payments {asked.payments}"]
    if asked.weather != "rough":
        command.append(f"--weather {asked.weather}")
    if asked.schemes:
        command.append(f"--scheme {','.join(asked.schemes)}")
    if failed.steps != tuple(range(len(failed.steps))):
        command.append(f"--steps {','.join(map(str, failed.steps))}")
    return " ".join(command)
