"""Properties: what a broker vouches for of a payer, one spelling each (`age=18;student=true`).

Text is `key=value` pairs joined by semicolons, keys rising, none twice. Source: MilliCent's
*props*; the spelling is ours.
"""

import re
from collections.abc import Mapping
from functools import lru_cache

from farthing.errors import Unfit

BYTES_MAX = 256  # of the whole text: it travels in every piece of scrip
SUB, UNTIL = "sub", "until"  # of a subscription: a vendor's to write, no broker vouches for them
READ_CACHED = 4_096  # texts that were read lately: few payers have their very own

_TEXT = re.compile(r"(?:[a-z][a-z0-9_]*=[A-Za-z0-9_.:-]+)(?:;[a-z][a-z0-9_]*=[A-Za-z0-9_.:-]+)*")


@lru_cache(maxsize=READ_CACHED)
def read(text: str) -> Mapping[str, str]:
    """The properties by key; `Unfit` unless the text is canonical. Empty text: none."""
    if not text:
        return {}
    if len(text) > BYTES_MAX or not _TEXT.fullmatch(text):
        raise Unfit("props_malformed", "props are key=value pairs joined by semicolons")
    found: dict[str, str] = {}
    for pair in text.split(";"):
        key, value = pair.split("=", 1)
        if found and key <= max(found):
            raise Unfit("props_not_canonical", "props come in rising order, each key once")
        found[key] = value
    return found


def write(props: Mapping[str, str]) -> str:
    """The canonical text; `Unfit` if a key or value has other characters, or there are too many."""
    text = ";".join(f"{key}={props[key]}" for key in sorted(props))
    if read(text) != props:  # a value with a semicolon would be a property more
        raise Unfit("props_malformed", "props are key=value pairs joined by semicolons")
    return text


def has_all(props: str, wanted: str) -> bool:
    """Whether every pair of `wanted` is among `props`; both canonical."""
    found = read(props)
    return all(found.get(key) == value for key, value in read(wanted).items())
