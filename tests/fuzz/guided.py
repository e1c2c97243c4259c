"""`python -m tests.fuzz.guided SECONDS SEED FOLDER PARSER...`: a search, guided by coverage.

A process of its own, so that the project is loaded under the eyes of atheris, which may be missing;
and one for each parser, since libFuzzer ends the one it runs in. Each writes `told.json` into its
folder, and every input that reached something new beside it.
"""

import importlib
import json
import os
import random
import signal
import sys
import time
import traceback
from contextlib import nullcontext
from pathlib import Path
from typing import Any

HANGS_S = 60  # after its time: an input that never ends


class Search:
    """What one run has seen."""

    def __init__(self, name: str, seconds: float, seed: str, folder: Path) -> None:
        """`folder` exists, and is empty."""
        # Imported here: the modules that are watched must not be loaded before they are.
        from tests.fuzz.corpus import kept
        from tests.fuzz.judge import judge
        from tests.fuzz.mutator import mutated
        from tests.fuzz.table import table

        self._judge, self._mutated = judge, mutated
        self._parser = table()[name]
        self._luck = random.Random(f"{seed}/{name}")
        self.pool = [*self._parser.honest(), *kept(name).values()]
        self._folder = folder
        self._until_s = time.monotonic() + seconds
        self.inputs = 0
        self.worst_ms = 0.0
        self.codes: set[str] = set()
        self.broken: list[str] = []

    def one(self, raw: bytes) -> None:
        """Judge one input."""
        outcome = self._judge(self._parser, raw)
        self.inputs += 1
        self.worst_ms = max(self.worst_ms, outcome.cpu_ms)
        self.codes.add(outcome.refused)
        if outcome.broken:
            number = len(self.broken)
            self.broken.append(outcome.broken)
            (self._folder / f"broken-{number}").write_bytes(raw)
        if self.broken or time.monotonic() > self._until_s:
            self.tell()
            os._exit(0)

    def tell(self) -> None:
        """What was done, for whoever started this process."""
        told = {
            "inputs": self.inputs,
            "worst_ms": self.worst_ms,
            "codes": sorted(self.codes),
            "broken": self.broken,
        }
        (self._folder / "told.json").write_text(json.dumps(told))

    def other(self, raw: bytes) -> bytes:
        """Another input, made of this one."""
        return self._mutated(self._luck, [raw], self.pool if self._luck.random() < 0.1 else ())


def run_blindly(search: Search) -> None:
    """From the honest and the kept inputs, as in the tests, until the time is over."""
    for raw in search.pool:
        search.one(raw)
    while True:
        search.one(search.other(search._luck.choice(search.pool or [b""])))


def run_guided(atheris: Any, search: Search, folder: Path) -> None:
    """As libFuzzer steers it: what reaches new lines is kept, and changed further."""
    seeds = folder / "seeds"
    seeds.mkdir()
    for number, raw in enumerate(search.pool):
        (seeds / f"{number:03d}").write_bytes(raw)
    found = folder / "found"
    found.mkdir()

    def other(raw: bytes, size_max: int, seed: int) -> bytes:
        if search._luck.random() < 0.3:
            return bytes(atheris.Mutate(raw, size_max))
        return search.other(raw)[:size_max]

    options = [
        "fuzz", str(found), str(seeds), "-max_len=65536", "-len_control=0", "-verbosity=0",
        f"-artifact_prefix={folder}/", "-rss_limit_mb=0", "-detect_leaks=0", "-timeout=60",
        "-print_final_stats=0",
    ]  # fmt: skip  # - one command line
    atheris.Setup(options, search.one, custom_mutator=other, internal_libfuzzer=True)
    atheris.Fuzz()


def search_all(names: list[str], seconds: float, seed: str, place: Path, atheris: Any) -> None:
    """Each parser in a process of its own, which inherits what was loaded; a line when it ends."""
    for name in names:
        folder = place / name
        folder.mkdir()
        child = os.fork()
        if child == 0:
            with open(folder / "log", "wb") as log:
                os.dup2(log.fileno(), sys.stderr.fileno())
                os.dup2(log.fileno(), sys.stdout.fileno())
            try:
                search = Search(name, seconds, seed, folder)
                if atheris is None:
                    run_blindly(search)
                run_guided(atheris, search, folder)
            except Exception:  # noqa: BLE001 - the log tells, and the process ends
                traceback.print_exc()
            finally:
                sys.stderr.flush()
                os._exit(1)  # what it inherited is its parent's to close
        _wait(child, time.monotonic() + seconds + HANGS_S)
        print(name, flush=True)


def _wait(child: int, until_s: float) -> None:
    """For its end; one that hangs is ended, and has told nothing then."""
    while os.waitpid(child, os.WNOHANG) == (0, 0):
        if time.monotonic() > until_s:
            os.kill(child, signal.SIGKILL)
        time.sleep(0.01)


def main() -> None:
    """0 in any case: what was found stands in the folders."""
    seconds, seed, place, *names = sys.argv[1:]
    try:
        atheris = importlib.import_module("atheris")
    except ImportError:
        atheris = None
    with atheris.instrument_imports(include=["farthing"]) if atheris else nullcontext():
        importlib.import_module("tests.fuzz.table")
    for name in names:
        importlib.import_module("tests.fuzz.table").table()[name].honest()  # once for all children
    search_all(names, float(seconds), seed, Path(place), atheris)


if __name__ == "__main__":
    main()
