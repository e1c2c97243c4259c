"""Which lines an input reaches: what is worth keeping, and which functions are fed at all."""

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, Protocol, runtime_checkable

from tests.fuzz.judge import judge
from tests.fuzz.parser import Parser

SOURCE = str(Path(__file__).resolve().parents[2] / "src" / "farthing") + "/"
Line = tuple[str, int]
KEPT_MAX = 5  # inputs of one parser that were only seen: they are tried on every run of the tests
KEPT_BYTES_MAX = 2048  # of one: shorter ones say more


@runtime_checkable
class _Cached(Protocol):
    """What `lru_cache` makes."""

    def cache_clear(self) -> None: ...


def lines_of(parser: Parser, raw: bytes) -> set[Line]:
    """The lines of the project that reading this runs."""
    found: set[Line] = set()

    def within(frame: FrameType, event: str, _: Any) -> Any:
        if event == "line":
            found.add((frame.f_code.co_filename, frame.f_lineno))
        return within

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        return within if frame.f_code.co_filename.startswith(SOURCE) else None

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        judge(parser, raw)
    finally:
        sys.settrace(before)
    return found


def news(parser: Parser, known: Sequence[bytes], seen: Iterable[bytes]) -> list[bytes]:
    """Of what was seen, the few that reach most lines which honest and kept ones do not."""
    lines: set[Line] = set()
    for raw in (*parser.honest(), *known):
        lines |= lines_of(parser, raw)
    more = {raw: lines_of(parser, raw) - lines for raw in set(seen) if len(raw) <= KEPT_BYTES_MAX}
    found: list[bytes] = []
    while more and len(known) + len(found) < KEPT_MAX:
        best = min(more, key=lambda raw: (-len(more[raw]), len(raw), raw))
        gained = more.pop(best)
        if not gained:
            break
        found.append(best)
        more = {raw: left - gained for raw, left in more.items()}
    return found


def called(parsers: Iterable[Parser]) -> set[CodeType]:
    """The functions of the project that the honest inputs of these parsers run."""
    found: set[CodeType] = set()

    def note(frame: FrameType, event: str, _: Any) -> None:
        if event == "call":
            found.add(frame.f_code)

    made = [(parser, parser.honest()) for parser in parsers]
    _forget()  # what making them has remembered would not be read again
    for parser, inputs in made:
        before = sys.getprofile()
        sys.setprofile(note)
        try:
            for raw in inputs:
                judge(parser, raw)
        finally:
            sys.setprofile(before)
    return {code for code in found if code.co_filename.startswith(SOURCE)}


def _forget() -> None:
    """Empty every cache of the project: what is remembered is not read."""
    for name, module in list(sys.modules.items()):
        if name.startswith("farthing."):
            for each in list(vars(module).values()):
                if isinstance(each, _Cached):
                    each.cache_clear()
