"""What a benchmark found: figures with their targets, as a table or as JSON."""

import os
import platform
import statistics
from collections.abc import Sequence
from typing import Any, Literal

import msgspec
from rich.console import Console
from rich.table import Table

Unit = Literal["/s", "×", "ms", "µs", "MB", "MB/s", "bytes"]


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """One number."""

    part: str
    name: str
    value: float
    unit: Unit
    target: float | None = None
    """What issue or design asks for; None for a number that only explains others."""
    at_most: bool = False
    """Whether the target is an upper bound."""

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None without one."""
        if self.target is None:
            return None
        return self.value <= self.target if self.at_most else self.value >= self.target


def median_ratio(of: Sequence[float], to: Sequence[float]) -> float:
    """The median of the ratios within each round."""
    return statistics.median(one / other for one, other in zip(of, to, strict=True))


def machine() -> dict[str, Any]:
    """What the figures were measured on, without naming the machine."""
    return {
        "cores": os.cpu_count(),
        "load_1min": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "system": platform.system(),
    }


def as_json(figures: Sequence[Figure]) -> dict[str, Any]:
    """One object: `machine`, and `figures` with `met` beside each."""
    return {
        "machine": machine(),
        "figures": [
            {**msgspec.to_builtins(figure), "value": rounded(figure.value), "met": figure.met}
            for figure in figures
        ],
    }


def rounded(value: float) -> float:
    """Three significant digits are more than a shared machine repeats."""
    if value >= 100:
        return round(value)
    return float(f"{value:.3g}")


def print_table(figures: Sequence[Figure]) -> None:
    """A table for people, on stdout."""
    table = Table(title=f"{os.cpu_count()} cores, Python {platform.python_version()}")
    for heading in ("part", "what"):
        table.add_column(heading)
    for heading in ("measured", "target"):
        table.add_column(heading, justify="right")
    table.add_column("")
    part = ""
    for figure in figures:
        if figure.part != part and part:
            table.add_section()
        shown = figure.part if figure.part != part else ""
        part = figure.part
        table.add_row(
            shown, figure.name, show(figure.value, figure.unit), _goal(figure), _met(figure)
        )
    Console().print(table)


def show(value: float, unit: Unit) -> str:
    """A value as people read it."""
    number = f"{value:,.0f}" if value >= 100 else f"{rounded(value):g}"
    return f"{number}{unit}" if unit in {"/s", "×"} else f"{number} {unit}"


def _goal(figure: Figure) -> str:
    if figure.target is None:
        return ""
    return ("≤ " if figure.at_most else "≥ ") + show(figure.target, figure.unit)


def _met(figure: Figure) -> str:
    return {None: "", True: "met", False: "below"}[figure.met]
