"""A batch of works is one transaction, whoever runs it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apsw
import msgspec
import pytest

from farthing.errors import Broken, Misconfigured, Unfunded
from farthing.stores.database import Database, Work
from tests.kit.disk import no_room

SCHEMA = "CREATE TABLE t (n INTEGER PRIMARY KEY)"


class Item(msgspec.Struct):
    work: Work[Any]
    atomic: bool = False


def opened_at(path: Path) -> Database:
    return Database(path, SCHEMA, application_id=0x46745465, version=1)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = opened_at(tmp_path / "t.db")
    yield opened
    opened.connection.close()


def insert(n: int, then: Exception | None = None) -> Work[int]:
    def work(connection: apsw.Connection) -> int:
        connection.execute("INSERT INTO t VALUES (?)", (n,))
        if then is not None:
            raise then
        return n

    return work


def rows(connection: apsw.Connection) -> list[int]:
    return [int(n) for (n,) in connection.execute("SELECT n FROM t ORDER BY n")]


def test_answers_come_in_the_order_of_the_works(database: Database) -> None:
    refusal = Unfunded("too_little", "of it")
    items = [Item(insert(1)), Item(insert(2, refusal), atomic=True), Item(insert(3))]
    assert database.commit(items) == [(1, None), (None, refusal), (3, None)]
    assert database.snapshot(database.connection, rows) == [1, 3]


def test_a_spoiled_batch_leaves_nothing_and_names_its_culprit(database: Database) -> None:
    wrong = KeyError("ours")
    (_, first), (_, second) = database.commit([Item(insert(1)), Item(insert(2, wrong))])
    assert isinstance(first, Broken)
    assert first.code == "batch_undone"
    assert second is wrong
    assert database.snapshot(database.connection, rows) == []


def test_no_statement_is_planned_anew_for_other_values(database: Database) -> None:
    assert database.connection.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, -1) == 1


def test_nothing_written_in_a_snapshot_stays(database: Database) -> None:
    database.snapshot(database.connection, insert(1))
    assert database.snapshot(database.connection, rows) == []


def test_what_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.db"
    path.write_bytes(b"a diary, not a database" * 100)
    with pytest.raises(Misconfigured) as refused:
        opened_at(path)
    assert refused.value.code == "store_not_a_database"


def test_a_path_that_cannot_be_opened_says_what_to_do(tmp_path: Path) -> None:
    for path in (tmp_path / "none" / "t.db", tmp_path):
        with pytest.raises(Misconfigured) as refused:
            opened_at(path)
        assert refused.value.code == "store_unopenable"
        assert "directory" in refused.value.detail
        assert str(tmp_path) not in refused.value.detail


def test_a_disk_without_room_is_said_to_be_that(tmp_path: Path) -> None:
    """SQLite tells of an I/O error where the log's index finds none."""
    path = tmp_path / "t.db"
    opened_at(path).connection.close()
    with no_room(), pytest.raises(Broken) as refused:
        opened_at(path)
    assert refused.value.code == "store_disk_failing"
    assert "free some space" in refused.value.detail
    opened_at(path).connection.close()
