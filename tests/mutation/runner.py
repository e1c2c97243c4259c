"""Tries mutants in forked processes, each against the tests that run the altered line.

The tests are imported once. A fork runs them all and writes down the lines that each one passes;
then every mutant has a fork of its own, which gives one function other code and runs the tests of
that line, the nearest and quickest first, until one fails.
"""

import ast
import gc
import json
import math
import os
import signal
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from functools import _lru_cache_wrapper, partial
from pathlib import Path
from types import CodeType, FrameType, FunctionType
from typing import Any, NamedTuple

import pytest

from tests.mutation.mutants import Mutant, altered

TESTS_S = 6.0  # of tests for one mutant, by their time unaltered
HUNG_S = 30  # a fork that takes longer is caught: an endless loop fails a suite too
OBSERVING_SHARE = 0.6  # of a limited time: the rest is for the mutants
SURVIVED, KILLED, UNMADE = 0, 1, 2  # how the fork of a mutant ends

Key = tuple[str, str, int]
"""File, qualified name and first line of a function."""


class Passed(NamedTuple):
    """What one test does when nothing is altered."""

    seconds: float
    lines: frozenset[tuple[str, int]]


class Verdict(NamedTuple):
    """What the tests made of one mutant."""

    mutant: str
    outcome: str
    """`killed`, `hung`, `survived`, `unreached` where no test runs the line, or `unmade` where the
    mutator itself failed: all but the first two count against the score."""


class Bench:
    """The collected tests, what each of them runs, and the functions that will be altered."""

    def __init__(
        self,
        items: Sequence[pytest.Item],
        paths: Sequence[Path],
        until_s: float = math.inf,
        *,
        tests_s: float = TESTS_S,
        unaltered: bool = False,
    ) -> None:
        """Tests as pytest has collected them, and the files whose mutants will be tried.

        Nothing runs past `until_s`, by `time.monotonic`: what was not tried by then has no verdict.
        No mutant has more tests than take `tests_s` when nothing is altered.
        `unaltered` puts every function back as it was: then no test may notice anything.
        """
        self._items = items
        self._tests_s = tests_s
        self._unaltered = unaltered
        self._until_s = until_s
        self._root = Path.cwd()
        self._files = {str(path.resolve()) for path in paths}
        self._functions: dict[Key, list[FunctionType]] = defaultdict(list)
        self._caches: list[_lru_cache_wrapper[Any]] = []
        gc.unfreeze()  # what pytest's own run has frozen is not among the objects
        for found in gc.get_objects():
            if isinstance(found, FunctionType) and found.__code__.co_filename in self._files:
                self._functions[_key(found.__code__)].append(found)
            elif isinstance(found, _lru_cache_wrapper) and _is_ours(found):
                self._caches.append(found)
        if items and not self._functions:
            raise RuntimeError(
                "none of the functions to alter was found: every mutant would survive"
            )
        gc.freeze()  # what a fork's collector does not touch, it need not copy
        self._passed: list[Passed] = []

    def observe(self) -> None:
        """Run every test once and keep what it runs; `RuntimeError` if one fails unaltered."""
        pid, told = _fork(self._tell_passed)
        with told:
            rows = [json.loads(line) for line in told if line.endswith("\n")]
        os.waitpid(pid, 0)
        if len(rows) != len(self._items) and self._until_s == math.inf:
            raise RuntimeError("a test fails with nothing altered; run the tests first")
        self._passed = [
            Passed(seconds, frozenset((path, line) for path, line in lines))
            for seconds, lines in rows
        ]

    def try_all(
        self, found: Sequence[Mutant], workers: int, tell: Callable[[Verdict], None]
    ) -> list[Verdict]:
        """A verdict on each mutant; `tell` hears each as it comes."""
        forks = [_fork(partial(self._tell_verdicts, found[at::workers])) for at in range(workers)]
        verdicts: list[Verdict] = []

        def listen(told: Any) -> None:
            with told:
                for line in told:
                    verdicts.append(Verdict(*json.loads(line)))
                    tell(verdicts[-1])

        threads = [threading.Thread(target=listen, args=(told,)) for _, told in forks]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for pid, _ in forks:
            os.waitpid(pid, 0)
        if len(verdicts) != len(found) and self._until_s == math.inf:
            raise RuntimeError("a worker ended before its mutants did")
        return verdicts

    def _tell_passed(self, into: Any) -> None:
        lines: set[tuple[str, int]] = set()

        def follow(frame: FrameType, event: str, _: Any) -> Any:
            if event == "call" and frame.f_code.co_filename not in self._files:
                return None
            lines.add((frame.f_code.co_filename, frame.f_lineno))
            return follow

        self._stop_in_time(OBSERVING_SHARE)
        for index, item in enumerate(self._items):
            lines.clear()
            self._forget()
            started_s = time.perf_counter()
            threading.settrace(follow)
            sys.settrace(follow)
            passed = self._passes(item, index)
            sys.settrace(None)
            if not passed:
                print(f"fails unaltered: {item.nodeid}", file=sys.__stderr__)
                return
            row = [time.perf_counter() - started_s, sorted(lines)]
            print(json.dumps(row), file=into, flush=True)

    def _tell_verdicts(self, mine: Sequence[Mutant], into: Any) -> None:
        for mutant in mine:
            outcome = self._try(mutant)
            if time.monotonic() >= self._until_s:
                return  # cut off in the middle: neither noticed nor not
            if outcome == "unreached" and len(self._passed) < len(self._items):
                continue  # by the tests that there was time for
            print(json.dumps([mutant.name, outcome]), file=into, flush=True)

    def _try(self, mutant: Mutant) -> str:
        path = str((self._root / mutant.path).resolve())
        reached = {index for index, row in enumerate(self._passed) if _meets(row, path, mutant)}
        order = sorted(reached, key=lambda index: self._rank(index, path))
        if not order:
            return "unreached"
        pid = os.fork()
        if pid == 0:
            signal.alarm(HUNG_S)
            self._stop_in_time()
            _silence()
            os._exit(self._outcome(mutant, path, order))
        _, status = os.waitpid(pid, 0)
        if os.WIFSIGNALED(status):
            return "hung" if os.WTERMSIG(status) == signal.SIGALRM else "killed"
        if os.WEXITSTATUS(status) == UNMADE:
            return "unmade"
        return "survived" if os.WEXITSTATUS(status) == SURVIVED else "killed"

    def _stop_in_time(self, share: float = 1.0) -> None:
        left_s = (self._until_s - time.monotonic()) * share
        if left_s < HUNG_S:
            signal.setitimer(signal.ITIMER_REAL, max(left_s, 0.001))

    def _outcome(self, mutant: Mutant, path: str, order: Sequence[int]) -> int:
        try:
            self._alter(mutant, path)
        except Exception:  # noqa: BLE001 - whatever it is, it is no test that failed
            return UNMADE
        spent_s = 0.0
        for index in order:
            spent_s += self._passed[index].seconds
            if spent_s > self._tests_s:
                break
            if not self._passes(self._items[index], index):
                return KILLED
        return SURVIVED

    def _rank(self, index: int, path: str) -> tuple[bool, float]:
        """The file's own tests first, and of each kind the quick ones."""
        own = f"test_{Path(path).name}" in self._items[index].nodeid
        return not own, self._passed[index].seconds

    def _passes(self, item: pytest.Item, index: int) -> bool:
        """Whether one test passes, with its fixtures taken down."""
        failed: list[str] = []
        listener = _Listener(failed)
        item.config.pluginmanager.register(listener)
        try:
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=None)
        finally:
            item.config.pluginmanager.unregister(listener)
        return not failed

    def _alter(self, mutant: Mutant, path: str) -> None:
        """Give every function of the module the code that the mutant's source gives it."""
        source = Path(path).read_text(encoding="utf-8")
        tree = ast.parse(source, path) if self._unaltered else altered(mutant, source)
        for code in _codes(compile(tree, path, "exec")):
            for function in self._functions.get(_key(code), ()):
                if function.__code__.co_freevars == code.co_freevars:
                    function.__code__ = code
        self._forget()

    def _forget(self) -> None:
        """Empty our caches: what one test has computed, the next would not pass."""
        for cache in self._caches:
            cache.cache_clear()


class _Listener:
    """Hears of failures."""

    def __init__(self, failed: list[str]) -> None:
        """`failed` gets the names of the tests that fail."""
        self._failed = failed

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Called by pytest after each phase of a test."""
        if report.failed:
            self._failed.append(report.nodeid)


def _is_ours(cache: "_lru_cache_wrapper[Any]") -> bool:
    return str(getattr(cache.__wrapped__, "__module__", "")).startswith("farthing.")


def _key(code: CodeType) -> Key:
    return code.co_filename, code.co_qualname, code.co_firstlineno


def _codes(code: CodeType) -> Iterator[CodeType]:
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield constant
            yield from _codes(constant)


def _meets(row: Passed, path: str, mutant: Mutant) -> bool:
    return any((path, line) in row.lines for line in range(mutant.line, mutant.last + 1))


def _fork(work: Callable[[Any], None]) -> tuple[int, Any]:
    """A process that does `work`, and what it tells, a line each."""
    out, into = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(out)
        _silence()
        status = 1
        try:
            with os.fdopen(into, "w") as told:
                work(told)
            status = 0
        finally:
            os._exit(status)
    os.close(into)
    return pid, os.fdopen(out)


def _silence() -> None:
    """What tests print is for people who look at one test."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    if not os.environ.get("FARTHING_MUTATE_LOUD"):
        os.dup2(nowhere, 2)
