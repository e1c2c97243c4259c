"""Times on the wire: RFC 3339 in UTC with a `Z` and whole seconds, one spelling per second."""

import re
from datetime import UTC, datetime
from functools import lru_cache

from farthing.errors import Malformed

_SPELLING = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", re.ASCII)
_ZONE = len("+00:00")
SECONDS_CACHED = 1024  # everything that is written in one second has the same times


@lru_cache(maxsize=SECONDS_CACHED)
def to_timestamp(at_s: int) -> str:
    """`2026-11-20T12:05:00Z` for unix seconds before the year 10000."""
    return datetime.fromtimestamp(at_s, UTC).isoformat()[:-_ZONE] + "Z"


@lru_cache(maxsize=SECONDS_CACHED)
def from_timestamp(text: str) -> int:
    """Unix seconds; `Malformed` for any other spelling and for days that no calendar has."""
    try:
        if _SPELLING.fullmatch(text):
            return int(datetime.fromisoformat(text).timestamp())
    except ValueError:
        pass
    raise Malformed("timestamp_malformed", "a time reads 2026-11-20T12:05:00Z")
