"""`python -m bench`, which `script/bench` calls."""

import sys
from collections.abc import Callable
from enum import StrEnum
from typing import Annotated

import msgspec
import typer

from bench import (
    audit,
    broker,
    ecash,
    marks,
    moments,
    paywall,
    redemptions,
    sizes,
    streams,
    swaps,
    till,
    worlds,
)
from bench.figures import Figure, as_json, print_table
from bench.programs import Missing


class Part(StrEnum):
    """What can be asked for."""

    TILL = "till"
    PAYWALL = "paywall"
    BROKER = "broker"
    REDEMPTIONS = "redemptions"
    MARKS = "marks"
    MOMENTS = "moments"
    BYTES = "bytes"
    AUDIT = "audit"
    WORLDS = "worlds"
    STREAMS = "streams"
    SWAPS = "swaps"
    ECASH = "ecash"
    ALL = "all"


MEASURES: dict[Part, Callable[[float], list[Figure]]] = {
    Part.TILL: till.measure,
    Part.PAYWALL: paywall.measure,
    Part.BROKER: broker.measure,
    Part.REDEMPTIONS: redemptions.measure,
    Part.MARKS: marks.measure,
    Part.MOMENTS: moments.measure,
    Part.BYTES: lambda _: sizes.measure(),
    Part.AUDIT: lambda _: audit.measure(),
    Part.WORLDS: lambda _: worlds.measure(),
    Part.STREAMS: lambda _: streams.measure(),
    Part.SWAPS: swaps.measure,
    Part.ECASH: ecash.measure,
}


def main(
    part: Annotated[Part, typer.Argument(help="What to measure.")] = Part.ALL,
    seconds: Annotated[
        float,
        typer.Option(
            min=0.1,
            help="How long each contestant runs, all rounds together. Those of till and of"
            " redemptions share it.",
        ),
    ] = 10.0,
    *,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Measure this commit on this machine. Ratios are within one run; nothing passes or fails.

    Parts: till (payments in process), paywall (paid requests over HTTP), broker (durable
    transfers beside PostgreSQL), redemptions (a day's chains), marks (a gate with ten million),
    moments (of clearing, what a page takes), bytes (of payments), audit (of a journal of a
    million entries), worlds (simulated payments, by weather), streams (paid beside unpaid),
    ecash (coins signed blind, verified, deposited).

    Example: script/bench till --seconds 5
    """
    figures: list[Figure] = []
    for name, measure in MEASURES.items():
        if part in {name, Part.ALL}:
            print(f"bench: {name} ...", file=sys.stderr)
            try:
                figures += measure(seconds)
            except Missing as missing:
                print(f"bench: {name}: {missing}", file=sys.stderr)
                raise typer.Exit(1) from None
    if json:
        print(msgspec.json.encode(as_json(figures)).decode())
    else:
        print_table(figures)


if __name__ == "__main__":
    typer.run(main)
