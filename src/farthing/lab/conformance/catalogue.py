"""Every case there is, in the order in which reports list them."""

from functools import lru_cache

from farthing.lab.conformance import (
    buying,
    carrying,
    claiming,
    declaring,
    disputing,
    handing,
    mistaking,
    repeating,
    reselling,
    restarting,
    returning,
    streaming,
    tampering,
    windows,
)
from farthing.lab.conformance.cases import CASES, Cases

FILES = (
    carrying,
    buying,
    repeating,
    tampering,
    mistaking,
    claiming,
    windows,
    returning,
    handing,
    streaming,
    disputing,
    restarting,
    reselling,
    declaring,
)
"""The files with cases: importing one registers what is in it."""


@lru_cache(maxsize=1)
def every_case() -> Cases:
    """All of them, whoever imported which file first."""
    return CASES.ordered([file.__name__.rpartition(".")[2] for file in FILES])
