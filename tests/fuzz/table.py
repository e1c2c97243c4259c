"""Every parser of other people's bytes, by name."""

from functools import lru_cache

from tests.fuzz import answers, coins, documents, doors, handed, headers, published, schemes, values
from tests.fuzz.parser import Parser

GROUPS = (values, headers, schemes, answers, documents, doors, handed, published, coins)


@lru_cache(maxsize=1)
def table() -> dict[str, Parser]:
    """The rows of all groups, those of registered schemes among them."""
    rows = [row for group in GROUPS for row in group.parsers()]
    found = {row.name: row for row in rows}
    assert len(found) == len(rows), "a name names one parser"
    return found
