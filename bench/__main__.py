"""`python -m bench`, which `script/bench` calls."""

import json
import sys
from typing import Annotated

import typer

from bench import till
from bench.figures import Figure, as_json, print_table


def main(part: str = "till", seconds: float = 2.0, as_json_: bool = False) -> None:
    figures = till.measure(seconds)
    print_table(figures)

typer.run(main)
