"""How commands print: a table or a line for people, one JSON object for programs."""

import sys
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table

console = Console(highlight=False)
errors = Console(stderr=True, highlight=False)


def print_json(value: Any) -> None:
    """One JSON object on stdout."""
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(value), indent=2).decode() + "\n")


def say(line: str) -> None:
    """One line for people on stdout, as it is."""
    console.print(line, markup=False, soft_wrap=True)


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A table whose first column is left, the others right."""
    built = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for number, name in enumerate(columns):
        built.add_column(name, justify="left" if number == 0 else "right")
    for row in rows:
        built.add_row(*row)
    console.print(built)
