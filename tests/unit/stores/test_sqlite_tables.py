"""Every statement runs on the tables as they are, and none walks through one."""

import apsw
import pytest

from farthing.stores import sqlite_tables

STATEMENTS = {
    f"{name} {n}": text
    for name, texts in vars(sqlite_tables).items()
    if name.isupper() and name != "SCHEMA" and isinstance(texts, str | tuple)
    for n, text in enumerate([texts] if isinstance(texts, str) else texts)
}

# Adds up every claim, which is what a report is; and reads every payment, for a person who asks.
REPORTS = {"TALLY 0", "SEARCH 0"}


def test_the_statements_are_found() -> None:
    assert len(STATEMENTS) > 20


@pytest.mark.parametrize("name", sorted(STATEMENTS.keys() - REPORTS))
def test_a_statement_finds_its_rows_by_an_index(name: str) -> None:
    connection = apsw.Connection(":memory:")
    connection.execute(sqlite_tables.SCHEMA)
    text = STATEMENTS[name]
    bindings = (1,) * text.count("?") if "?1" not in text else (1,) * len(numbers(text))
    plan = connection.execute("EXPLAIN QUERY PLAN " + text, bindings)
    steps = [str(step) for *_, step in plan]
    assert not [step for step in steps if step.startswith("SCAN")]
    connection.close()


def numbers(text: str) -> set[str]:
    return {text[at + 1] for at, char in enumerate(text) if char == "?"}
