"""`python -m tests.fuzz`, which `script/fuzz` calls."""

import argparse
import importlib.util
import json
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.progress import Progress

from tests.fuzz.corpus import FOLDER, SEEN, keep, kept
from tests.fuzz.judge import judge
from tests.fuzz.reached import news
from tests.fuzz.table import table

SECONDS = 1.0  # for each parser


class Told(NamedTuple):
    """What one parser's run came to."""

    name: str
    inputs: int
    worst_ms: float
    codes: list[str]
    failures: list[str]
    kept: int


def main() -> int:
    """0 where every rule held, 1 where one was broken, 2 for bad usage."""
    asked = _arguments().parse_args()
    if asked.replay:
        return _replay(asked.replay)
    names = [name for name in table() if not asked.parser or _is_meant(name, asked.parser)]
    if not names:
        print(f"there is no such parser; script/fuzz --list names all {len(table())}")
        return 2
    if asked.list:
        print("\n".join(names))
        return 0
    is_guided = importlib.util.find_spec("atheris") is not None
    seed = asked.seed or str(secrets.randbelow(2**32))
    seconds = asked.over / len(names) if asked.over else asked.seconds
    say = Console(stderr=True, quiet=asked.json)
    how = "guided by coverage" if is_guided else "drawn blindly: there is no atheris here"
    say.print(f"{len(names)} parsers, {seconds:.1f} s each, {how}; again with --seed {seed}")
    with tempfile.TemporaryDirectory(prefix="farthing-fuzz-") as place:
        with Progress(console=say) as progress:
            task = progress.add_task("parsers", total=len(names))
            for _ in _searching(names, seconds, seed, place):
                progress.advance(task)
        told = [_told(name, Path(place) / name, keeps=asked.keep) for name in names]
    return _report(told, is_guided=is_guided, as_json=asked.json)


def _is_meant(name: str, patterns: list[str]) -> bool:
    return any(name == each or fnmatchcase(name, each) for each in patterns)


def _searching(names: list[str], seconds: float, seed: str, place: str) -> Iterator[str]:
    """The names, each when its search has ended."""
    command = [sys.executable, "-m", "tests.fuzz.guided", str(seconds), seed, place, *names]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as search:
        assert search.stdout is not None, "it was asked for"
        yield from search.stdout


def _told(name: str, folder: Path, *, keeps: bool) -> Told:
    """What a search left behind; the inputs that broke a rule are kept."""
    report = folder / "told.json"
    if not report.exists():
        log = folder / "log"
        last = log.read_text(errors="replace").strip().splitlines()[-1:] if log.exists() else []
        return Told(name, 0, 0.0, [], [f"{name}: its process ended {' '.join(last)}"], 0)
    found = json.loads(report.read_text())
    failures = []
    for number, broken in enumerate(found["broken"]):
        path = keep(name, (folder / f"broken-{number}").read_bytes())
        failures.append(f"{name} {broken}\n  again with: script/fuzz --replay {_short(path)}")
    fresh: list[bytes] = []
    if keeps:
        seen = [path.read_bytes() for path in sorted((folder / "found").glob("*"))]
        fresh = news(table()[name], list(kept(name).values()), seen)
        for raw in fresh:
            keep(name, raw, SEEN)
    return Told(name, found["inputs"], found["worst_ms"], found["codes"], failures, len(fresh))


def _short(path: Path) -> Path:
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def _replay(path: Path) -> int:
    """One kept input again; the folder names its parser."""
    parser = table().get(path.parent.name)
    if parser is None or not path.is_file():
        print(f"give a file below {FOLDER}: its folder names the parser")
        return 2
    outcome = judge(parser, path.read_bytes(), thorough=True)
    print(outcome.broken or f"holds: {outcome.refused or 'read'}, {outcome.cpu_ms:.1f} ms")
    return 1 if outcome.broken else 0


def _report(told: list[Told], *, is_guided: bool, as_json: bool) -> int:
    failures = [failure for each in told for failure in each.failures]
    if as_json:
        figures = {
            "parsers": len(told),
            "guided": is_guided,
            "inputs": sum(each.inputs for each in told),
            "worst_ms": round(max(each.worst_ms for each in told), 1),
            "kept": sum(each.kept for each in told),
            "failures": failures,
            "each": {
                each.name: {
                    "inputs": each.inputs,
                    "refusals": [code for code in each.codes if code],
                }
                for each in told
            },
        }
        print(json.dumps(figures, indent=2))
        return 1 if failures else 0
    for failure in failures:
        print(failure)
    slowest = max(told, key=lambda each: each.worst_ms)
    print(
        f"{len(told)} parsers, {sum(each.inputs for each in told):,} inputs,"
        f" {len({code for each in told for code in each.codes if code})} refusals seen,"
        f" slowest {slowest.worst_ms:.1f} ms ({slowest.name}), {len(failures)} failures"
    )
    return 1 if failures else 0


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="script/fuzz",
        description="Feeds every parser of other people's bytes until one of them breaks a rule.",
        epilog="examples: script/fuzz; script/fuzz 'wire.*' --seconds 10; script/fuzz --list;"
        " script/fuzz --replay tests/fuzz/corpus/money.parse_amount/failed-1a2b3c4d",
    )
    parser.add_argument("parser", nargs="*", help="names, or patterns as 'wire.*'; default: all")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="for each parser")
    parser.add_argument("--over", type=float, default=0.0, help="seconds over all, shared evenly")
    parser.add_argument("--seed", default="", help="repeats a run that was drawn blindly")
    parser.add_argument("--keep", action="store_true", help="keep what reaches new lines")
    parser.add_argument("--list", action="store_true", help="the names, and nothing else")
    parser.add_argument("--replay", type=Path, help="a kept input, again")
    parser.add_argument("--json", action="store_true", help="the figures")
    return parser


if __name__ == "__main__":
    sys.exit(main())
