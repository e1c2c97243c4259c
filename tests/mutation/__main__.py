"""`python -m tests.mutation`, which `script/mutate` calls."""

import argparse
import json
import math
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import pytest
from rich.console import Console
from rich.progress import Progress

from tests.mutation.areas import AREAS, area_of
from tests.mutation.mutants import Mutant, mutants
from tests.mutation.runner import TESTS_S, Bench, Verdict
from tests.mutation.score import NOTICED, interval, score

WORKERS = 2  # of the smallest machine that this is meant for
MARKS = "not full and not long and not serial"  # those that run beside each other


def main() -> int:
    """Exit code 0; 1 if fewer are killed than asked for; 2 for bad usage."""
    started_s = time.monotonic()
    asked = _arguments().parse_args()
    names = asked.area or list(AREAS)
    files = [path for name in names for path in AREAS[name].files()]
    if asked.file:
        files = [path for path in files if path in asked.file]
    found = [mutant for path in files for mutant in mutants(str(path), path.read_text())]
    if asked.since:
        try:
            changed = changed_lines(asked.since)
        except subprocess.CalledProcessError:
            print(f"git knows no {asked.since} here", file=sys.stderr)
            return 2
        found = [each for each in found if (each.path, each.line) in changed]
    if asked.seconds or (asked.sample and asked.sample < len(found)):
        found = random.Random(asked.seed).sample(found, asked.sample or len(found))
    if not found:
        print("no mutants: nothing that was changed can be altered")
        return 0
    paths = {each.path for each in found}
    tests = sorted({test for path in paths for test in _tests(path, own_only=bool(asked.seconds))})
    until_s = started_s + asked.seconds if asked.seconds else math.inf
    bench = partial(
        Bench, paths=files, until_s=until_s, tests_s=asked.tests_s, unaltered=asked.unaltered
    )
    plugin = _Mutating(found, bench, asked.workers, quiet=asked.json)
    options = ["-qqq", "-s", "-p", "no:cacheprovider", "-o", "timeout=0", "-m", asked.marks]
    pytest.main([*options, *tests], plugins=[plugin])
    if asked.seconds:
        print(f"{len(plugin.verdicts)} of {len(found)} mutants tried, by their files' own tests")
        if not plugin.verdicts:
            return 0
    return _report(plugin.verdicts, names, asked, time.monotonic() - started_s)


class _Mutating:
    """Takes over once pytest has collected the tests."""

    def __init__(
        self,
        found: Sequence[Mutant],
        bench: Callable[[Sequence[pytest.Item]], Bench],
        workers: int,
        *,
        quiet: bool,
    ) -> None:
        self._found, self._bench, self._workers, self._quiet = found, bench, workers, quiet
        self.verdicts: list[Verdict] = []

    def pytest_configure(self) -> None:
        from hypothesis import Phase, settings

        settings.register_profile(
            "mutation",
            derandomize=True,  # a verdict is the same on every run
            database=None,
            phases=[Phase.explicit, Phase.generate],  # one failure is enough
        )
        settings.load_profile("mutation")

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        bench = self._bench(session.items)
        bench.observe()
        console = Console(stderr=True, quiet=self._quiet)
        with Progress(console=console) as progress:
            task = progress.add_task("mutants", total=len(self._found))
            self.verdicts = bench.try_all(
                self._found, self._workers, lambda _: progress.advance(task)
            )
        return True


def _tests(path: str, *, own_only: bool) -> list[str]:
    area = AREAS[area_of(path)]
    return [str(test) for test in area.tests(Path(path), own_only=own_only)]


def _report(
    verdicts: Sequence[Verdict], names: Sequence[str], asked: argparse.Namespace, seconds: float
) -> int:
    if not verdicts:
        print("nothing was tried: the tests could not be collected or fail unaltered")
        return 2
    counts = Counter(each.outcome for each in verdicts)
    per_file: dict[str, list[Verdict]] = {}
    for each in verdicts:
        per_file.setdefault(each.mutant.split(":")[0], []).append(each)
    low, high = interval(verdicts)
    left = sorted(each for each in verdicts if each.outcome not in NOTICED)
    if asked.json:
        figures = {
            "areas": names, "mutants": len(verdicts), **counts, "score": score(verdicts),
            "interval_95": [low, high], "seconds": round(seconds, 1),
            "files": {path: score(each) for path, each in sorted(per_file.items())},
            "left": [f"{each.outcome}: {each.mutant}" for each in left],
        }  # fmt: skip  # - one line a figure would hide the rest
        print(json.dumps(figures, indent=2))
    else:
        for each in left:
            print(f"{each.outcome}: {each.mutant}")
        for path, rows in sorted(per_file.items()):
            print(f"{score(rows):6.1%} of {len(rows):4d}  {path}")
        print(
            f"{score(verdicts):.1%} of {len(verdicts)} mutants killed "
            f"(95 % interval {low:.1%} to {high:.1%}), {dict(counts)}, {seconds:.0f} s"
        )
    return 0 if score(verdicts) >= asked.least else 1


def changed_lines(since: str) -> set[tuple[str, int]]:
    """File and number of the lines of the working tree that are new since a commit."""
    told = subprocess.run(
        ["git", "diff", "--unified=0", "--no-ext-diff", "--no-color", since, "--", "src"],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip  # - one line an argument
    found: set[tuple[str, int]] = set()
    path = ""
    for line in told.splitlines():
        if line.startswith("+++ "):
            path = line.removeprefix("+++ b/")
        elif line.startswith("@@"):
            first, _, count = line.split("+")[1].split(" ")[0].partition(",")
            found |= {(path, int(first) + at) for at in range(int(count or 1))}
    return found


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="script/mutate",
        description="Alters the source in small ways and counts how many the tests notice.",
        epilog="example: script/mutate --area ledger; script/mutate --area schemes --sample 400",
    )
    parser.add_argument("--area", action="append", choices=list(AREAS), help="default: all")
    parser.add_argument("--file", action="append", type=Path, help="only this one of the areas")
    parser.add_argument("--sample", type=int, default=0, help="so many, drawn by --seed")
    parser.add_argument("--seed", type=int, default=1, help="of what --sample draws: 1")
    parser.add_argument("--since", help="only lines changed since this commit, as HEAD~1")
    parser.add_argument(
        "--seconds", type=int, default=0, help="stop then, and try the files' own tests only"
    )
    parser.add_argument(
        "--tests-s", type=float, default=TESTS_S, help=f"of tests for one mutant: {TESTS_S:g}"
    )
    parser.add_argument(
        "--unaltered", action="store_true", help="alter nothing: then whatever is killed is wrong"
    )
    parser.add_argument("--least", type=float, default=0.0, help="exit code 1 below this score")
    parser.add_argument(
        "--workers", type=int, default=WORKERS, help=f"processes that try mutants: {WORKERS}"
    )
    parser.add_argument(
        "--marks", default=MARKS, help=f"pytest's -m: which tests may notice: '{MARKS}'"
    )
    parser.add_argument("--json", action="store_true", help="the figures, and what survived")
    return parser


if __name__ == "__main__":
    sys.exit(main())
