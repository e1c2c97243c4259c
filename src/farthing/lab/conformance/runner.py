"""Runs cases, on one core or on several, each from its own seed.

A case's luck follows from the seed, the scheme and the case's name, so that one that failed fails
again when it runs alone: `replay_command` says how.
"""

import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import as_completed
from time import perf_counter

import msgspec

from farthing.errors import Refusal
from farthing.lab.conformance import carrying
from farthing.lab.conformance.cases import (
    Case,
    Inapplicable,
    Result,
    State,
    Violated,
    is_meant,
)
from farthing.lab.conformance.catalogue import every_case
from farthing.lab.conformance.stage import Play
from farthing.lab.spread import spread
from farthing.schemes import registry
from farthing.schemes.contract import Json, Key

FRAMES = 3  # of a traceback that are shown: where it went wrong


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """One case of one scheme."""

    scheme: str
    case: str
    seed: int
    options: tuple[tuple[str, Json], ...] = ()
    """What the vendors have set."""
    keys: tuple[Key, ...] = ()
    """Of schemes whose broker and vendors share keys that nobody's founding makes."""

    @property
    def name(self) -> str:
        """The case, and with what options if there are any: `change @unit_micro=20`."""
        return self.case + "".join(f" @{name}={value}" for name, value in self.options)


def jobs_of(
    schemes: Sequence[str], pattern: str = "", *, seed: int, keys: tuple[Key, ...] = ()
) -> list[Job]:
    """The cases of this name, beginning or pattern, for each scheme under each of its options.

    `Misconfigured` where two registered schemes name one key: then no broker can be founded.
    """
    registry.verify_purposes()
    jobs = [
        Job(scheme=scheme, case=case.name, seed=seed, options=options, keys=keys)
        for scheme in schemes
        for options in ways_of(scheme)
        for case in every_case()
    ]
    exact = [job for job in jobs if job.name == pattern]
    return exact or [job for job in jobs if is_meant(job.name, pattern)]


def ways_of(scheme: str) -> list[tuple[tuple[str, Json], ...]]:
    """What vendors may set: nothing, and each value of each option by itself."""
    options = registry.by_name(scheme).options
    alone = [((name, value),) for name, values in options.items() for value in values]
    return [(), *alone]


def run_job(job: Job) -> Result:
    """One case, here and now."""
    case = every_case().named(job.case)
    began_s = perf_counter()
    state, why = _tried(case, job)
    took_ms = round((perf_counter() - began_s) * 1000)
    return Result(scheme=job.scheme, case=job.name, state=state, why=why, took_ms=took_ms)


def _tried(case: Case, job: Job) -> tuple[State, str]:
    try:
        play = Play(job.scheme, f"{job.seed}/{job.scheme}/{job.name}", job.keys, dict(job.options))
        if case.name not in carrying.STATIC:
            reason = carrying.missing(play)
            if reason:
                return "skipped", reason
        case.run(play)
    except Inapplicable as reason:
        return "skipped", str(reason)
    except Violated as broken:
        return "failed", " ".join([str(broken), *getattr(broken, "__notes__", ())])
    except Refusal as refusal:
        return "failed", f"an honest step was refused: {refusal}; {_where(refusal)}"
    except NotImplementedError as missing:  # of the contract's own methods: say which one
        frames = list(traceback.walk_tb(missing.__traceback__))
        method = frames[-1][0].f_code.co_qualname
        return "failed", f"{method} is not written yet; {_where(missing)}"
    except Exception as wrong:  # noqa: BLE001 - a scheme may raise anything; it is what was found
        return "failed", f"{type(wrong).__name__}: {wrong}; {_where(wrong)}"
    return "passed", ""


def _where(wrong: BaseException) -> str:
    frames = traceback.extract_tb(wrong.__traceback__)[-FRAMES:]
    return "in " + " < ".join(
        f"{frame.name} ({frame.filename.rpartition('/')[2]}:{frame.lineno})"
        for frame in reversed(frames)
    )


def run(jobs: Sequence[Job], *, workers: int = 1) -> Iterator[Result]:
    """Every job's result, as they end; with one worker here, else in so many processes."""
    if workers == 1:
        yield from map(run_job, jobs)
        return
    with spread(run_job, jobs, workers=workers) as results:
        for done in as_completed(results):
            yield done.result()


def replay_command(result: Result, seed: int) -> str:
    """What runs one case again."""
    return f"farthing lab conformance --scheme {result.scheme} --case '{result.case}' --seed {seed}"


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """A case that failed."""

    case: str
    why: str
    replay: str


class Skip(msgspec.Struct, frozen=True, kw_only=True):
    """A case that had nothing to try, and why."""

    case: str
    why: str


class OfScheme(msgspec.Struct, frozen=True, kw_only=True):
    """What was found of one scheme."""

    passed: tuple[str, ...]
    failed: tuple[Failure, ...]
    skipped: tuple[Skip, ...]


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What was found of all."""

    seed: int
    passed: int
    failed: int
    skipped: int
    schemes: dict[str, OfScheme]


def report_of(results: Iterable[Result], seed: int) -> Report:
    """Counts and names, in the order of the catalogue."""
    order = [case.name for case in every_case()]
    by_scheme: dict[str, list[Result]] = {}
    for result in results:
        by_scheme.setdefault(result.scheme, []).append(result)
    schemes = {
        name: _of_scheme(sorted(found, key=lambda one: _place(one, order)), seed)
        for name, found in sorted(by_scheme.items())
    }
    return Report(
        seed=seed,
        passed=_sum(schemes, lambda one: len(one.passed)),
        failed=_sum(schemes, lambda one: len(one.failed)),
        skipped=_sum(schemes, lambda one: len(one.skipped)),
        schemes=schemes,
    )


def _place(result: Result, order: list[str]) -> tuple[str, int]:
    """By options first, those without any before all others."""
    case, _, options = result.case.partition(" @")
    return options, order.index(case)


def _sum(schemes: dict[str, OfScheme], count: Callable[[OfScheme], int]) -> int:
    return sum(count(one) for one in schemes.values())


def _of_scheme(results: list[Result], seed: int) -> OfScheme:
    return OfScheme(
        passed=tuple(one.case for one in results if one.state == "passed"),
        failed=tuple(
            Failure(case=one.case, why=one.why, replay=replay_command(one, seed))
            for one in results
            if one.state == "failed"
        ),
        skipped=tuple(
            Skip(case=one.case, why=one.why) for one in results if one.state == "skipped"
        ),
    )
