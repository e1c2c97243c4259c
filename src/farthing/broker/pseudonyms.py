"""Who a payer is whom a vendor knows by a pseudonym: only the broker can say, by its records.

Nothing is written: the books do not show who was asked about. Blind coins, NetCash's coins and
MilliCent's scrip have names that no record leads from.
"""

import apsw
import msgspec

from farthing.broker import facts
from farthing.broker.books import Books
from farthing.errors import Unknown

NAME_CHARS_MAX = 64  # of a pseudonym: those of certificates have 26


class Opened(msgspec.Struct, frozen=True, kw_only=True):
    """A pseudonym and whose it is."""

    account: str
    name: str
    """As vendors know the payer."""
    scheme: str
    """Registry name of the scheme that gave the name."""


def opened(books: Books, name: str) -> Opened:
    """Whose pseudonym it is, from committed state; `Unknown` where no record leads from it."""
    if 0 < len(name) <= NAME_CHARS_MAX and name.isascii() and name.isprintable():

        def work(connection: apsw.Connection) -> Opened | None:
            return _found(connection, books, name)

        found = books.committer.read(work)
        if found is not None:
            return found
    raise Unknown(
        "pseudonym_unknown",
        "write the payer's name as the vendor has it, and ask the broker that gave it; it opens"
        " until nothing that was paid under it can be disputed; names of coins and scrip never do",
    )


def _found(connection: apsw.Connection, books: Books, name: str) -> Opened | None:
    for scheme, mint in books.mints.items():
        key = mint.pseudonym_key(name)
        value = facts.value_of(connection, key) if key else None
        if value is not None:
            return Opened(account=mint.account_in(value), name=name, scheme=scheme)
    return None
