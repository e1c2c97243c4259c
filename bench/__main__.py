"""`python -m bench`, which `script/bench` calls."""

import sys
from collections.abc import Callable
from enum import Enum
from typing import Annotated

import msgspec
import typer

from bench import broker, marks, paywall, sizes, till
from bench.figures import Figure, as_json, print_table
from bench.programs import Missing

MEASURES: dict[str, Callable[[float], list[Figure]]] = {
    "till": till.measure,
    "paywall": paywall.measure,
    "broker": broker.measure,
    "marks": marks.measure,
    "bytes": lambda _: sizes.measure(),
}
Part = Enum("Part", {name: name for name in (*MEASURES, "all")}, type=str)


def main(
    part: Annotated[Part, typer.Argument(help="What to measure.")] = Part["all"],
    seconds: Annotated[
        float, typer.Option(min=0.1, help="How long each contestant runs, all rounds together.")
    ] = 10.0,
    as_json_: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Measure this commit on this machine. Ratios are within one run; nothing passes or fails.

    Parts: till (payments in process), paywall (paid requests over HTTP), broker (durable
    transfers beside PostgreSQL), marks (a gate with ten million), bytes (of payments).

    Example: script/bench till --seconds 5
    """
    figures: list[Figure] = []
    for name, measure in MEASURES.items():
        if part.value in {name, "all"}:
            print(f"bench: {name} ...", file=sys.stderr)
            try:
                figures += measure(seconds)
            except Missing as missing:
                print(f"bench: {name}: {missing}", file=sys.stderr)
                raise typer.Exit(1) from None
    if as_json_:
        print(msgspec.json.encode(as_json(figures)).decode())
    else:
        print_table(figures)


if __name__ == "__main__":
    typer.run(main)
