"""Commands in what is said to people, as they can be typed: with the folder that they had given.

Whatever refuses knows no command line, and writes `farthing wallet recover`. For whoever has typed
`--data DIR` that is another wallet: the option is put behind the words of each command of the same
role that has it, unless it stands there already.
"""

import re
import shlex
from collections.abc import Sequence
from functools import cache
from typing import Any

from typer.core import TyperGroup
from typer.main import get_command

OPTION = "--data"


def as_typed(text: str, arguments: Sequence[str]) -> str:
    """`text` for who has called `farthing` with these arguments."""
    data = _data_in(arguments)
    if not data or f"farthing {arguments[0]} " not in text:
        return text
    words = "|".join(commands(arguments[0]))
    found = rf"\bfarthing (?:{words})\b(?!-)(?! {OPTION})"
    return re.sub(found, lambda one: f"{one[0]} {OPTION} {shlex.quote(data)}", text)


def _data_in(arguments: Sequence[str]) -> str:
    """The folder that was named last, as click reads it; empty without."""
    data = ""
    for at, argument in enumerate(arguments):
        if argument == OPTION and at + 1 < len(arguments):
            data = arguments[at + 1]
        elif argument.startswith(f"{OPTION}="):
            data = argument.partition("=")[2]
    return data


@cache
def commands(role: str) -> tuple[str, ...]:
    """The words of each command of a role that takes the option, longer ones first."""
    from farthing.cli import build  # made of the modules that this one is for

    found = _takers(get_command(build([role])))
    return tuple(sorted(found, key=len, reverse=True))


def _takers(command: Any, before: str = "") -> list[str]:
    if not isinstance(command, TyperGroup):
        return [before] if any(OPTION in one.opts for one in command.params) else []
    return [
        words
        for name, each in command.commands.items()
        for words in _takers(each, f"{before} {name}".strip())
    ]
