"""What a gate has of the world outside: clock, randomness, its store, the way to the broker.

The production edge is the default. A simulated world brings its own.
"""

import secrets
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from farthing.schemes.contract import At
from farthing.stores.sqlite import SqliteMarks
from farthing.vendor.broker_client import BrokerClient
from farthing.vendor.driver import now


class Edge(msgspec.Struct, frozen=True, kw_only=True):
    """Clock, randomness, disk and network."""

    look: Callable[[], At] = now
    """The time, with fresh entropy."""
    ticks: Callable[[], float] = time.monotonic
    """Seconds that only grow."""
    entropy: Callable[[int], bytes] = secrets.token_bytes
    open_store: Callable[[Path], SqliteMarks] = SqliteMarks
    connect: Callable[[str, str], BrokerClient] = BrokerClient
    """The broker at a URL, for whoever has a token."""


REAL = Edge()
