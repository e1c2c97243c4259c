"""A log is copied into its file beside the writer, and nothing is lost where that fails."""

import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import apsw
import pytest

from farthing.stores import checkpoints, database
from farthing.stores.commit import Committer

SCHEMA = "CREATE TABLE t (n INTEGER PRIMARY KEY, body BLOB)"
PAGES = 20
PAGE_BYTES = 4096
COMMITS = 1_000  # of two pages and more: fifty times the log


@pytest.fixture
def committer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Committer]:
    monkeypatch.setattr(database, "WAL_PAGES", PAGES)
    committer = Committer(tmp_path / "t.db", SCHEMA, application_id=1, version=1)
    yield committer
    committer.close()


def insert(committer: Committer, *numbers: int) -> None:
    for n in numbers:
        committer.do_now(partial(add, n=n))


def add(connection: apsw.Connection, n: int) -> None:
    connection.execute("INSERT INTO t VALUES (?, ?)", (n, bytes(2_000)))


def count(connection: apsw.Connection) -> int:
    return int(connection.execute("SELECT count(*) FROM t").get)


def log_bytes(path: Path) -> int:
    return (path / "t.db-wal").stat().st_size


def test_a_log_stays_short_however_much_is_written(committer: Committer, tmp_path: Path) -> None:
    insert(committer, *range(COMMITS))
    assert log_bytes(tmp_path) < COMMITS * PAGE_BYTES
    assert (tmp_path / "t.db").stat().st_size > COMMITS * 1_000
    assert committer.read(count) == COMMITS


def test_commits_do_not_wait_for_what_is_copied(
    committer: Committer, monkeypatch: pytest.MonkeyPatch
) -> None:
    began, go_on = threading.Event(), threading.Event()
    copy = checkpoints.copy

    def slow(connection: apsw.Connection) -> bool:
        began.set()
        assert go_on.wait(30)
        return copy(connection)

    monkeypatch.setattr(checkpoints, "copy", slow)
    insert(committer, *range(PAGES))
    assert began.wait(30)
    insert(committer, *range(PAGES, 2 * PAGES))
    go_on.set()
    assert committer.read(count) == 2 * PAGES


def test_a_copy_that_fails_leaves_all_in_the_log_and_is_made_later(
    committer: Committer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed: list[bool] = []

    def fail(_: apsw.Connection) -> bool:
        failed.append(True)
        return False

    copy = checkpoints.copy
    monkeypatch.setattr(checkpoints, "copy", fail)
    insert(committer, *range(10 * PAGES))
    assert 2 < len(failed) < 8 * PAGES, "tried again, and not at every commit"
    assert committer.read(count) == 10 * PAGES
    monkeypatch.setattr(checkpoints, "copy", copy)
    long = log_bytes(tmp_path)
    insert(committer, *range(10 * PAGES, 50 * PAGES))
    assert log_bytes(tmp_path) < 2 * long, "and the log begins anew"
    assert committer.read(count) == 50 * PAGES


def test_a_thread_that_cannot_open_the_file_harms_nobody(
    committer: Committer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: int) -> apsw.Connection:
        raise apsw.CantOpenError

    monkeypatch.setattr(committer._database, "connect", refuse)
    insert(committer, *range(10 * PAGES))
    assert committer.do_now(count) == 10 * PAGES


def test_who_reads_meanwhile_sees_what_was_and_the_rest_is_copied_later(
    committer: Committer, tmp_path: Path
) -> None:
    reader = apsw.Connection(str(tmp_path / "t.db"))
    insert(committer, 0)
    reader.execute("BEGIN")
    assert count(reader) == 1
    insert(committer, *range(1, 10 * PAGES))
    assert count(reader) == 1
    reader.execute("ROLLBACK")
    reader.close()
    long = log_bytes(tmp_path)
    insert(committer, *range(10 * PAGES, 50 * PAGES))
    assert log_bytes(tmp_path) < 3 * long


def test_a_store_may_be_closed_while_it_is_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "WAL_PAGES", PAGES)
    for turn in range(20):
        committer = Committer(tmp_path / "t.db", SCHEMA, application_id=1, version=1)
        insert(committer, *range(turn * PAGES, (turn + 1) * PAGES))
        committer.close()
    again = apsw.Connection(str(tmp_path / "t.db"))
    assert count(again) == 20 * PAGES
    assert again.pragma("integrity_check") == "ok"
    again.close()
