"""Payers who have signed two statements that contradict each other, with both of them.

A mint that refuses the second keeps both below `Mint.contradicted`, for as long as what was paid
can be disputed. Nothing is written here. What the operator does about such a payer is its own
affair: the certificate is on the list already.
"""

import apsw
import msgspec

from farthing import codec
from farthing.broker import facts
from farthing.broker.books import Books
from farthing.schemes.disclosures import Disclosure


class Contradiction(msgspec.Struct, frozen=True, kw_only=True):
    """One payer's."""

    account: str
    """Whose it is; empty where that is forgotten."""
    payer: str
    """As vendors know it."""
    proof: Disclosure
    """What `farthing broker judge` takes."""
    scheme: str
    vendors: tuple[str, ...]
    """Whom it told two things; the first was paid."""


def found(books: Books) -> list[Contradiction]:
    """All that are kept, from committed state, by scheme and payer."""
    return books.committer.read(lambda connection: _found(connection, books))


def _found(connection: apsw.Connection, books: Books) -> list[Contradiction]:
    contradictions: list[Contradiction] = []
    for scheme, mint in books.mints.items():
        prefix = mint.contradicted
        kept = facts.following(connection, prefix, prefix, facts.PREFIX_ROWS_MAX) if prefix else ()
        for _, value in kept:
            shown = codec.read_json(value)
            told = mint.judge(shown)
            whose = facts.value_of(connection, mint.pseudonym_key(told["payer"]))
            contradictions.append(
                Contradiction(
                    account="" if whose is None else mint.account_in(whose),
                    payer=told["payer"],
                    proof=Disclosure(scheme=scheme, shown=shown),
                    scheme=scheme,
                    vendors=tuple(told["vendors"]),
                )
            )
    return contradictions
