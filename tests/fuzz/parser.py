"""One parser of other people's bytes, and what must hold of it."""

from collections.abc import Callable
from typing import Any, NamedTuple

from farthing.errors import Refusal

Honest = Callable[[], tuple[bytes, ...]]


class Parser(NamedTuple):
    """A row of the table."""

    name: str
    """Also the folder of its kept inputs: `wire.mpp.read_challenges`."""
    read: Callable[[bytes], Any]
    """Feeds it one input; what comes back is compared, where there is an encoder."""
    honest: Honest
    """Inputs that it takes, to begin with."""
    write: Callable[[Any], bytes] | None = None
    """Its encoder: what was read, written and read again is the same."""
    canonical: bool = False
    """Whether nothing is read but what `write` writes: no value has two spellings."""
    refusals: tuple[type[Exception], ...] = (Refusal,)
    """What it may raise; a `Refusal` needs its row in the table besides."""


def text(raw: bytes) -> str:
    """Any text at all: what is no UTF-8 becomes lone surrogates, as arguments and files do."""
    return raw.decode("utf-8", "surrogateescape")


def raw_of(text: str) -> bytes:
    """The bytes of such a text."""
    return text.encode("utf-8", "surrogateescape")


def given(*inputs: str | bytes) -> Honest:
    """These inputs."""
    found = tuple(each.encode() if isinstance(each, str) else each for each in inputs)
    return lambda: found
