"""What a scheme is tried with: named cases, and what one of them may find.

A case is a function of a `Play` and perhaps one parameter. Whatever it raises is a failure, but
`Inapplicable`, which says why a scheme cannot be tried so: the reason is one of its own traits, or
a refusal of its own, and is reported.
"""

from collections.abc import Callable, Iterator, Sequence
from fnmatch import fnmatchcase
from typing import Any, Literal

import msgspec

State = Literal["passed", "failed", "skipped"]


class Violated(Exception):  # noqa: N818 - what a case found, not an error of the program
    """The scheme broke the rule that is named."""


class Inapplicable(Exception):  # noqa: N818 - likewise
    """The scheme has nothing that this case could try; the reason."""


def require(held: bool, rule: str, found: object = "") -> None:  # noqa: FBT001 - reads as assert
    """`Violated` with the rule, and what was found instead, unless it `held`."""
    if not held:
        raise Violated(f"{rule}: {found}" if found != "" else rule)


def require_equal(found: object, expected: object, rule: str) -> None:
    """`Violated` unless both are the same."""
    if found != expected:
        raise Violated(f"{rule}: found {found}, expected {expected}")


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """One thing to try."""

    name: str
    """As in `wrong-vendor` or `race[same payment]`."""
    rule: str
    """What must hold, in a sentence."""
    file: str
    """Where it is written, as in `buying`."""
    run: Callable[[Any], None]


class Result(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How one case went."""

    scheme: str
    case: str
    state: State
    why: str = ""
    """The rule that was broken and how, or why there was nothing to try."""
    took_ms: int = 0


class Cases:
    """Named cases, in the order in which they were written."""

    def __init__(self) -> None:
        """None yet."""
        self._known: dict[str, Case] = {}

    def __iter__(self) -> Iterator[Case]:
        return iter(self._known.values())

    def add(self, *parameters: Any) -> Callable[[Callable[..., None]], Callable[..., None]]:
        """Register a function, once for each parameter; its docstring is the rule.

        The function's name is the case's, with dashes. A parameter's `str` stands in brackets.
        """

        def register(function: Callable[..., None]) -> Callable[..., None]:
            name = function.__name__.strip("_").replace("_", "-")
            rule = (function.__doc__ or "").strip().partition("\n")[0]
            file = function.__module__.rpartition(".")[2]
            assert rule, f"{name} says what must hold"
            if not parameters:
                self._put(Case(name=name, rule=rule, file=file, run=function))
            for one in parameters:
                run = _bound(function, one)
                self._put(Case(name=f"{name}[{one}]", rule=rule, file=file, run=run))
            return function

        return register

    def _put(self, case: Case) -> None:
        assert case.name not in self._known, f"two cases are called {case.name}"
        self._known[case.name] = case

    def ordered(self, files: Sequence[str]) -> "Cases":
        """The same cases, file by file in this order; each of them is in one of the files."""
        found = Cases()
        for case in sorted(self, key=lambda case: files.index(case.file)):
            found._put(case)
        return found

    def named(self, name: str) -> Case:
        """The case of this name; `KeyError`."""
        return self._known[name]


def _bound(function: Callable[..., None], parameter: Any) -> Callable[[Any], None]:
    def run(play: Any) -> None:
        function(play, parameter)

    return run


def is_meant(name: str, pattern: str) -> bool:
    """Whether a case's name begins so, or matches `*` and `?`; every one for ""."""
    return name.startswith(pattern) or fnmatchcase(name, pattern)


CASES = Cases()
"""Every case that a scheme is tried with; `catalogue.py` names the files that they are in."""
