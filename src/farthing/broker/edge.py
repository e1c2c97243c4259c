"""What a broker has of the world outside: clock, randomness, and how its books are opened.

The production edge is the default. A simulated world brings its own.
"""

import secrets
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from farthing.broker import store
from farthing.stores.commit import Committer
from farthing.stores.database import Writer


def now_s() -> int:
    """The wall clock, in unix seconds."""
    return int(time.time())


def open_books(path: Path) -> Writer:
    """The books at `path`, made if there are none; refusals as of `Committer`."""
    return Committer(path, store.SCHEMA, application_id=store.APPLICATION_ID, version=store.VERSION)


class Edge(msgspec.Struct, frozen=True, kw_only=True):
    """Clock, randomness, disk."""

    now_s: Callable[[], int] = now_s
    entropy: Callable[[int], bytes] = secrets.token_bytes
    open_books: Callable[[Path], Writer] = open_books


REAL = Edge()
