"""Path globs: which entry of a price list a request falls under, the same for gate and wallet.

`*` stays within a segment, `**` does not. The first entry that matches decides; what is free wins
over every price; what nothing matches is free. Source: ours.
"""

import posixpath
import re
from collections.abc import Iterable
from typing import Protocol, TypeVar

from farthing.errors import BadRequest, OutOfRange

UNPRICED = "OPTIONS"  # asks what is allowed; of what is sold it gets a head and no body
_DOTS = re.compile(r"/\.\.?(?:/|\Z)")
_PARAMETERS = re.compile(r";[^/]*")
WIDE_MAX = 2  # of `**` in a glob: a pattern tries every way to share a path among them
GLOB_CHARS_MAX = 1024  # a pattern takes some microseconds a character to compile
STARS_MAX = 2  # of `*` in a segment, for the same reason: lists come from vendors we do not know


class Entry(Protocol):
    """Whatever has a price."""

    @property
    def matches(self) -> re.Pattern[str]:
        """Its glob, compiled."""

    def costs(self, method: str) -> bool:
        """Whether a request of this method is priced."""


Found = TypeVar("Found", bound=Entry)


def glob(pattern: str) -> re.Pattern[str]:
    """A path glob as a pattern for whole paths; `OutOfRange` for one that is too wide or long."""
    if len(pattern) > GLOB_CHARS_MAX:
        raise OutOfRange("glob_too_long", f"a glob has at most {GLOB_CHARS_MAX} characters")
    parts = re.split(r"(\*\*|\*)", pattern)
    segments = pattern.replace("**", "").split("/")
    if parts.count("**") > WIDE_MAX or max(part.count("*") for part in segments) > STARS_MAX:
        raise OutOfRange(
            "glob_too_wide", f"a glob has {WIDE_MAX} `**` and {STARS_MAX} `*` a segment at most"
        )
    wild = {"**": ".*", "*": "[^/]*"}
    return re.compile("".join(wild.get(part, re.escape(part)) for part in parts), re.DOTALL)


def plain_path(path: str) -> str:
    """`path` without empty, `.` and `..` segments, as most origins read it."""
    plain = "/" + posixpath.normpath(path).lstrip("/")
    return plain + "/" if path.endswith("/") and plain != "/" else plain


def require_clear(method: str, path: str) -> None:
    """`BadRequest` for a request that an origin may read otherwise than we do. `path` is decoded.

    Some sites know `get` for `GET`; some take a backslash for `/`, walk up at `..`, or take what
    follows `//` at the beginning for a host. Browsers and libraries write none of these.
    """
    if not (method.isascii() and method.isupper()):
        raise BadRequest("method_malformed", "a method is in capitals, as in GET")
    if path == "*" and method == UNPRICED:  # of the whole server
        return
    if not path.startswith("/"):  # put behind an origin it would be another host
        raise BadRequest("path_malformed", "a path begins with /")
    if path.startswith("//") or "\\" in path or _DOTS.search(path):
        raise BadRequest("path_ambiguous", "a path has no \\, no . or .. segment, no // before it")


def find(
    free: Iterable[re.Pattern[str]], entries: Iterable[Found], method: str, path: str
) -> Found | None:
    """The entry that prices a request, None where it is free. `path` is decoded, without query.

    It is free only if it is in every reading: as it is, plain, and without `;` parameters.
    """
    for reading in dict.fromkeys((plain_path(path), path, plain_path(_PARAMETERS.sub("", path)))):
        if (found := _match(free, entries, method, reading)) is not None:
            return found
    return None


def _match(
    free: Iterable[re.Pattern[str]], entries: Iterable[Found], method: str, path: str
) -> Found | None:
    if any(pattern.fullmatch(path) for pattern in free):
        return None
    for entry in entries:
        if entry.costs(method) and entry.matches.fullmatch(path):
            return entry
    return None
