"""A log is copied into its file beside the writer, and nothing is lost where that fails."""

import threading
import time
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
WAIT_S = 30
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


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Iterator["Held"]:
    held = Held()
    monkeypatch.setattr(checkpoints, "copy", held.copy)
    yield held
    held.go_on.set()


class Held:
    """A copy that takes until it is let go."""

    def __init__(self) -> None:
        self.began, self.go_on = threading.Event(), threading.Event()
        self._copy = checkpoints.copy

    def copy(self, connection: apsw.Connection, mode: int) -> bool:
        self.began.set()
        assert self.go_on.wait(WAIT_S)
        return self._copy(connection, mode)


def test_commits_do_not_wait_for_what_is_copied(committer: Committer, held: Held) -> None:
    insert(committer, *range(PAGES))
    assert held.began.wait(WAIT_S)
    insert(committer, *range(PAGES, 2 * PAGES))
    assert not held.go_on.is_set()
    held.go_on.set()
    assert committer.read(count) == 2 * PAGES


def test_a_store_is_closed_once_what_was_begun_is_copied(
    committer: Committer, held: Held, tmp_path: Path
) -> None:
    insert(committer, *range(PAGES))
    assert held.began.wait(WAIT_S)
    closing = threading.Thread(target=committer.close)
    closing.start()
    closing.join(0.05)
    assert closing.is_alive()
    held.go_on.set()
    closing.join(WAIT_S)
    assert not closing.is_alive()
    again = apsw.Connection(str(tmp_path / "t.db"))
    assert count(again) == PAGES
    assert again.pragma("integrity_check") == "ok"
    again.close()


def test_without_threads_to_be_had_the_writer_copies(
    committer: Committer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as here:
        here.setattr(threading.Thread, "start", refuse)
        insert(committer, *range(COMMITS))
    assert log_bytes(tmp_path) < 10 * PAGES * PAGE_BYTES
    assert committer.read(count) == COMMITS


def test_readers_who_take_turns_do_not_keep_the_log_from_beginning_anew(
    committer: Committer, tmp_path: Path
) -> None:
    is_over = threading.Event()

    def look_on() -> None:
        reader = apsw.Connection(str(tmp_path / "t.db"))
        while not is_over.is_set():
            reader.execute("BEGIN")
            count(reader)
            time.sleep(0.003)
            reader.execute("ROLLBACK")
        reader.close()

    readers = [threading.Thread(target=look_on) for _ in range(4)]
    for reader in readers:
        reader.start()
    insert(committer, *range(COMMITS))
    long = log_bytes(tmp_path)
    is_over.set()
    for reader in readers:
        reader.join()
    assert long < COMMITS * PAGE_BYTES


def test_a_copy_that_fails_leaves_all_in_the_log_and_is_made_later(
    committer: Committer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed: list[bool] = []

    def fail(_connection: apsw.Connection, _mode: int) -> bool:
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
