"""One writer, one transaction for all that has queued up, answers after the commit."""

import asyncio
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from farthing.errors import Broken, Misconfigured, Unfunded
from farthing.stores import commit, database
from farthing.stores.commit import Committer, Work

SCHEMA = "CREATE TABLE t (n INTEGER PRIMARY KEY, body BLOB)"
KIND = 0x46745465
BEFORE = 2  # commits before the batch: of the counter itself, and of what kept the writer busy


def open_at(path: Path, version: int = 1, kind: int = KIND) -> Committer:
    return Committer(path, SCHEMA, application_id=kind, version=version)


# Whether this process could lock the bytes that SQLite locks while a file is in use.
TRY_THE_LOCK = """
import fcntl, sys
file = open(sys.argv[1], "rb+")
try:
    fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 510, 0x40000002)
except BlockingIOError:
    print("in use")
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "t.db"


@pytest.fixture
def committer(path: Path) -> Iterator[Committer]:
    committer = open_at(path)
    yield committer
    committer.close()


def insert(n: int, body: bytes = b"") -> Work[int]:
    def work(connection: apsw.Connection) -> int:
        connection.execute("INSERT INTO t VALUES (?, ?)", (n, body))
        return n

    return work


def rows(connection: apsw.Connection) -> list[int]:
    return [int(n) for (n,) in connection.execute("SELECT n FROM t ORDER BY n")]


def fail(error: BaseException, after: int | None = None) -> Work[None]:
    def work(connection: apsw.Connection) -> None:
        if after is not None:
            insert(after)(connection)
        raise error

    return work


def queue_up(committer: Committer, *works: tuple[Work[object], bool]) -> list[object]:
    """Answers of works that are all in one batch: they queue while the writer is kept busy."""

    async def run() -> list[object]:
        gate = threading.Event()
        blocker = asyncio.ensure_future(committer.do(lambda _: gate.wait(5)))
        await asyncio.sleep(0.02)
        tasks = [asyncio.ensure_future(committer.do(w, atomic=a)) for w, a in works]
        await asyncio.sleep(0)
        gate.set()
        await blocker
        return await asyncio.gather(*tasks, return_exceptions=True)

    return asyncio.run(run())


def count_commits(committer: Committer) -> list[int]:
    """A list that grows with every commit that writes."""
    commits: list[int] = []

    def count() -> bool:
        commits.append(1)
        return False

    committer.do_now(lambda connection: connection.set_commit_hook(count))
    return commits


# --- works and their batch ----------------------------------------------------------------------


def test_a_work_is_answered_with_what_it_returned_once_it_is_on_disk(
    committer: Committer, path: Path
) -> None:
    assert committer.do_now(insert(1)) == 1
    assert asyncio.run(committer.do(insert(2))) == 2
    other = apsw.Connection(str(path))
    assert rows(other) == [1, 2]
    other.close()


def test_what_has_queued_up_is_one_transaction(committer: Committer) -> None:
    commits = count_commits(committer)
    assert queue_up(committer, *((insert(n), False) for n in range(50))) == list(range(50))
    assert len(commits) == BEFORE + 1


@pytest.mark.parametrize(("most_s", "lists"), [(60.0, range(1, 2)), (0.0, range(2, 41))])
def test_turns_of_the_loop_that_each_bring_works_hand_them_over_together_but_not_for_long(
    committer: Committer, monkeypatch: pytest.MonkeyPatch, most_s: float, lists: range
) -> None:
    monkeypatch.setattr(commit, "GATHER_S", most_s)
    gate = threading.Event()

    async def run() -> None:
        tasks = [asyncio.ensure_future(committer.do(lambda _: int(gate.wait(5))))]
        await asyncio.sleep(0.05)
        for n in range(20):
            tasks += [asyncio.ensure_future(committer.do(insert(2 * n + i))) for i in (0, 1)]
            await asyncio.sleep(0)
        await asyncio.sleep(0.01)
        assert committer._queue.qsize() in lists
        gate.set()
        await asyncio.gather(*tasks)

    asyncio.run(run())


def test_a_batch_is_bounded(path: Path) -> None:
    committer = Committer(path, SCHEMA, application_id=KIND, version=1, batch_max=10)
    commits = count_commits(committer)
    queue_up(committer, *((insert(n), False) for n in range(50)))
    assert len(commits) == BEFORE + 5
    committer.close()


def test_a_refusal_before_writing_reaches_its_waiter_alone(committer: Committer) -> None:
    refusal = Unfunded("balance_too_low")
    answers = queue_up(committer, (insert(1), False), (fail(refusal), False), (insert(2), False))
    assert answers == [1, refusal, 2]
    assert committer.read(rows) == [1, 2]


def test_an_atomic_work_that_raises_is_undone_alone(committer: Committer) -> None:
    refusal = Unfunded("balance_too_low")
    bug = ValueError("a bug")
    answers = queue_up(
        committer,
        (insert(1), False),
        (fail(refusal, after=2), True),
        (fail(bug, after=3), True),
        (insert(4), True),
    )
    assert answers == [1, refusal, bug, 4]
    assert committer.read(rows) == [1, 4]


def test_an_atomic_work_may_run_into_a_constraint(committer: Committer) -> None:
    answers = queue_up(committer, (insert(1), False), (insert(1), True), (insert(2), False))
    assert (answers[0], type(answers[1]), answers[2]) == (1, apsw.ConstraintError, 2)
    assert committer.read(rows) == [1, 2]


@pytest.mark.parametrize("error", [ValueError("a bug"), StopIteration()])
def test_a_bug_in_a_work_undoes_its_batch_and_acknowledges_nobody(
    committer: Committer, error: Exception
) -> None:
    answers = queue_up(
        committer, (insert(1), False), (fail(error, after=2), False), (insert(3), False)
    )
    shown = RuntimeError if isinstance(error, StopIteration) else ValueError
    assert [type(answer) for answer in answers] == [Broken, shown, Broken]
    assert committer.read(rows) == []
    assert committer.do_now(insert(5)) == 5


def test_a_commit_that_fails_acknowledges_nobody_and_the_writer_lives_on(
    committer: Committer,
) -> None:
    writes: list[int] = []

    def refuse() -> bool:
        if writes:
            raise ValueError("a bug in a hook")
        return False

    def write(connection: apsw.Connection) -> None:
        insert(1)(connection)
        writes.append(1)

    committer.do_now(lambda connection: connection.set_commit_hook(refuse))
    answers = queue_up(committer, (write, False), (insert(2), True))
    assert [type(answer) for answer in answers] == [Broken, Broken]
    writes.clear()
    assert committer.do_now(rows) == []
    assert committer.do_now(insert(3)) == 3


def test_a_cancelled_waiter_leaves_its_work_and_its_neighbours_whole(
    committer: Committer,
) -> None:
    async def run() -> list[object]:
        gate = threading.Event()
        blocker = asyncio.ensure_future(committer.do(lambda _: gate.wait(5)))
        await asyncio.sleep(0.02)
        tasks = [asyncio.ensure_future(committer.do(insert(n))) for n in range(6)]
        await asyncio.sleep(0)
        for task in tasks[::2]:
            task.cancel()
        gate.set()
        await blocker
        return await asyncio.gather(*tasks, return_exceptions=True)

    answers = asyncio.run(run())
    assert answers[1::2] == [1, 3, 5]
    assert {type(answer) for answer in answers[::2]} == {asyncio.CancelledError}
    assert committer.read(rows) == [0, 1, 2, 3, 4, 5]


def test_a_loop_that_has_gone_breaks_nobody(committer: Committer) -> None:
    gate = threading.Event()

    loop = asyncio.new_event_loop()
    left = loop.create_task(committer.do(lambda _: gate.wait(5)))
    loop.run_until_complete(asyncio.sleep(0.01))
    loop.close()
    gate.set()
    assert committer.do_now(insert(1)) == 1
    assert not left.done()


def test_close_answers_what_is_queued_and_refuses_what_comes_after(committer: Committer) -> None:
    async def run() -> list[object]:
        tasks = [asyncio.ensure_future(committer.do(insert(n))) for n in range(100)]
        await asyncio.sleep(0)
        await asyncio.to_thread(committer.close)
        return await asyncio.gather(*tasks)

    assert asyncio.run(run()) == list(range(100))
    committer.close()
    for use in (committer.do_now, committer.read):
        with pytest.raises(Broken) as refused:
            use(rows)
        assert refused.value.code == "store_closed"


# --- reads --------------------------------------------------------------------------------------


def test_a_read_sees_committed_state_only_and_does_not_wait(committer: Committer) -> None:
    inside, leave = threading.Event(), threading.Event()

    def slow(connection: apsw.Connection) -> None:
        insert(1)(connection)
        inside.set()
        leave.wait(5)

    writer = threading.Thread(target=committer.do_now, args=(slow,))
    writer.start()
    inside.wait(5)
    assert committer.read(rows) == []
    leave.set()
    writer.join()
    assert committer.read(rows) == [1]


def test_a_read_is_one_snapshot(committer: Committer) -> None:
    def twice(connection: apsw.Connection) -> tuple[list[int], list[int]]:
        before = rows(connection)
        writer = threading.Thread(target=committer.do_now, args=(insert(1),))
        writer.start()
        writer.join()
        return before, rows(connection)

    assert committer.read(twice) == ([], [])
    assert committer.read(rows) == [1]


def test_a_read_cannot_write(committer: Committer) -> None:
    with pytest.raises(Misconfigured) as refused:
        committer.read(insert(1))
    assert refused.value.code == "store_read_only"


# --- the file -----------------------------------------------------------------------------------


def test_the_file_and_its_log_are_for_the_owner_alone(committer: Committer, path: Path) -> None:
    committer.do_now(insert(1))
    for name in ("t.db", "t.db-wal", "t.db-shm"):
        assert stat.S_IMODE(path.with_name(name).stat().st_mode) == 0o600


def test_opening_a_file_again_in_one_process_keeps_the_locks_of_the_first(
    committer: Committer, path: Path
) -> None:
    committer.do_now(insert(1))
    open_at(path).close()
    told = subprocess.run(
        [sys.executable, "-c", TRY_THE_LOCK, str(path)], check=True, capture_output=True, text=True
    )
    assert told.stdout == "in use\n"


def test_the_settings_that_durability_rests_on_are_on(committer: Committer) -> None:
    names = ("journal_mode", "synchronous", "foreign_keys")
    assert committer.do_now(lambda c: [c.pragma(name) for name in names]) == ["wal", 2, 1]


def test_a_file_opened_again_has_what_was_committed(path: Path) -> None:
    for n in range(3):
        committer = open_at(path)
        committer.do_now(insert(n))
        committer.close()
    committer = open_at(path)
    assert committer.read(rows) == [0, 1, 2]
    committer.close()


@pytest.mark.parametrize(
    ("version", "kind", "code"),
    [(2, KIND, "store_of_another_version"), (1, KIND + 1, "store_of_another_kind")],
)
def test_a_file_of_another_version_or_kind_is_refused_and_left_as_it_is(
    path: Path, version: int, kind: int, code: str
) -> None:
    open_at(path).close()
    before = path.read_bytes()
    with pytest.raises(Misconfigured) as refused:
        open_at(path, version, kind)
    assert refused.value.code == code
    assert path.read_bytes() == before


def test_a_database_of_somebody_else_is_refused(path: Path) -> None:
    other = apsw.Connection(str(path))
    other.execute("CREATE TABLE theirs (n)")
    other.close()
    with pytest.raises(Misconfigured) as refused:
        open_at(path)
    assert refused.value.code == "store_of_another_kind"


def test_a_locked_file_is_broken_for_now_and_nothing_is_lost(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "BUSY_POLLS_MAX", 20)
    committer = open_at(path)
    committer.do_now(insert(1))
    other = apsw.Connection(str(path))
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(Broken) as refused:
        committer.do_now(insert(2))
    assert refused.value.code == "store_locked"
    with pytest.raises(Broken) as refused:
        open_at(path)
    assert refused.value.code == "store_locked"
    assert committer.read(rows) == [1]
    other.execute("ROLLBACK")
    other.close()
    committer.do_now(insert(2))
    assert committer.read(rows) == [1, 2]
    committer.close()


def test_a_full_disk_acknowledges_nobody_and_loses_nothing(committer: Committer) -> None:
    committer.do_now(insert(1))
    pages = committer.do_now(lambda c: c.pragma("max_page_count", 4))
    assert pages == 4
    answers = queue_up(committer, (insert(2), False), (insert(3, bytes(100_000)), True))
    assert [type(answer) for answer in answers] == [Broken, Broken]
    assert {answer.code for answer in answers if isinstance(answer, Broken)} == {"disk_full"}
    assert committer.read(rows) == [1]
    committer.do_now(lambda c: c.pragma("max_page_count", 10_000))
    committer.do_now(insert(3, bytes(100_000)))
    assert committer.read(rows) == [1, 3]


def test_many_processes_may_make_one_file_at_once(path: Path) -> None:
    made: list[Committer] = []
    threads = [threading.Thread(target=lambda: made.append(open_at(path))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for n, committer in enumerate(made):
        committer.do_now(insert(n))
    assert made[0].read(rows) == list(range(8))
    for committer in made:
        committer.close()
