"""Makes `docs/reference/states.md`: the source's tables of states, as pictures and in words."""

import ast
import importlib
import inspect
import re
import typing
from pathlib import Path
from typing import NamedTuple

from farthing import holding
from farthing.broker import reservations

ROOT = Path(__file__).parents[2]
PATH = ROOT / "docs" / "reference" / "states.md"


class Machine(NamedTuple):
    """One table, and how its page calls it."""

    title: str
    module: str
    table: dict[tuple[str, str], tuple[str, str]]
    also: str
    """What the picture leaves to words."""


MACHINES = (
    Machine(
        "A payment at the gate",
        holding.__name__,
        typing.cast(dict[tuple[str, str], tuple[str, str]], holding.TABLE),
        "A pair that is not there is a hold that was lost: an answer of the origin under an old\n"
        "fence changes nothing. A payment that a broker may have paid (`clearing` is `before`) is\n"
        "ended with the broker before another takes its marks.",
    ),
    Machine(
        "A settlement at the broker",
        reservations.__name__,
        typing.cast(dict[tuple[str, str], tuple[str, str]], reservations.TABLE),
        "`repeat` gives the stored answer once more; `say void` and `say captured` refuse, with\n"
        "how it ended. An older attempt cannot touch a newer one.",
    ),
)


def words_of(module: str, name: str) -> list[str]:
    """The docstring under an assignment of this name."""
    tree = ast.parse(inspect.getsource(importlib.import_module(module)))
    for before, node in zip(tree.body, tree.body[1:], strict=False):
        if (
            isinstance(before, ast.Assign)
            and isinstance(before.targets[0], ast.Name)
            and before.targets[0].id == name
            and isinstance(node, ast.Expr)
            and isinstance(node.value, ast.Constant)
        ):
            return inspect.cleandoc(str(node.value.value)).splitlines()
    raise LookupError(f"{module}.{name} has no docstring")


def _id(state: str) -> str:
    return re.sub(r"\W", "_", state)


def picture(table: dict[tuple[str, str], tuple[str, str]]) -> list[str]:
    """A Mermaid diagram: events with what is done about them, one arrow for each pair of states."""
    arrows: dict[tuple[str, str], list[str]] = {}
    for (state, event), (step, following) in table.items():
        arrows.setdefault((state, following), []).append(f"{event} → {step}")
    lines = ["```mermaid", "stateDiagram-v2", "    [*] --> absent"]
    for (state, following), labels in arrows.items():
        lines.append(f"    {_id(state)} --> {_id(following)}: {'<br/>'.join(labels)}")
    return [*lines, "```", ""]


def rows(table: dict[tuple[str, str], tuple[str, str]]) -> list[str]:
    """The same as a table."""
    head = ["| state | event | what is done | next state |", "|---|---|---|---|"]
    body = [
        f"| {state} | {event} | {step} | {following} |"
        for (state, event), (step, following) in table.items()
    ]
    return [*head, *body, ""]


def page(command: str) -> str:
    """The whole page; `command` makes it."""
    lines = [
        "# States",
        "",
        f"<!-- Made by {command} of the source; not edited by hand. -->",
        "",
        "What happens to a payment is decided by two tables, one at each side, and nothing else.",
        "The simulator, the crash tests and the conformance suite run against the same two.",
        "",
    ]
    for machine in MACHINES:
        path = machine.module.replace(".", "/")
        lines += [f"## {machine.title}", "", f"`TABLE` of `src/{path}.py`.", ""]
        lines += picture(machine.table)
        lines += [*words_of(machine.module, "Event"), "", machine.also, ""]
        lines += rows(machine.table)
    return "\n".join(lines).rstrip() + "\n"
