from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from farthing.lab.bad_disk import Disk, Fault

STEPS_MAX = 100  # of one small transaction and its checkpoint


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    with Disk(tmp_path) as disk:
        yield disk


def opened(disk: Disk) -> apsw.Connection:
    db = apsw.Connection(str(disk.folder / "a.db"))
    db.pragma("journal_mode", "wal")
    db.pragma("synchronous", "full")
    db.execute("CREATE TABLE IF NOT EXISTS t (a INTEGER, b BLOB)")
    return db


def numbers(db: apsw.Connection) -> list[int]:
    return [number for (number,) in db.execute("SELECT a FROM t ORDER BY a")]


def put(db: apsw.Connection, number: int) -> None:
    db.execute("INSERT INTO t VALUES (?, zeroblob(9000))", (number,))


def after_cut(disk: Disk, db: apsw.Connection) -> apsw.Connection:
    disk.bury()
    db.close()
    disk.reboot()
    again = apsw.Connection(str(disk.folder / "a.db"))
    assert again.pragma("integrity_check") == "ok"
    again.wal_checkpoint()
    return again


def test_a_disk_without_a_fault_is_a_disk(disk: Disk) -> None:
    db = opened(disk)
    put(db, 1)
    db.close()
    assert numbers(opened(disk)) == [1]


@pytest.mark.parametrize("fault", [Fault.ERROR, Fault.FULL])
def test_a_failed_step_is_an_error_and_the_next_try_goes_through(disk: Disk, fault: Fault) -> None:
    db = opened(disk)
    wanted = {Fault.ERROR: apsw.IOError, Fault.FULL: apsw.FullError}[fault]
    at = 0
    while at < STEPS_MAX:
        at += 1
        disk.arm(fault, at)
        try:
            put(db, at)
        except wanted:
            assert disk.fired
            disk.disarm()
            put(db, at)
        if not disk.fired:
            break
    assert 3 < at < STEPS_MAX
    assert numbers(db) == list(range(1, at + 1))
    disk.disarm()
    db.close()


@pytest.mark.parametrize("fault", [Fault.CUT, Fault.TORN])
def test_a_cut_leaves_what_was_committed_and_a_sound_file(disk: Disk, fault: Fault) -> None:
    db = opened(disk)
    db.pragma("wal_autocheckpoint", 1)
    done: list[int] = []
    fired = True
    at = 0
    while fired and at < STEPS_MAX:
        at += 1
        disk.arm(fault, at)
        try:
            put(db, at)
            done.append(at)
        except apsw.IOError:
            assert disk.is_dead
        fired = disk.fired
        if fired:
            db = after_cut(disk, db)
            db.pragma("wal_autocheckpoint", 1)
            found = numbers(db)
            assert set(done) <= set(found) <= {*done, at}
            done = found
    assert 6 < at < STEPS_MAX
    disk.disarm()
    db.close()


def test_what_was_not_synced_is_gone_after_a_cut(disk: Disk) -> None:
    db = opened(disk)
    put(db, 1)
    db.pragma("synchronous", "normal")  # which syncs no commit
    put(db, 2)
    assert numbers(db) == [1, 2]
    disk.cut()
    assert numbers(after_cut(disk, db)) == [1]


def test_a_torn_page_leaves_the_writes_before_it(disk: Disk) -> None:
    db = opened(disk)
    disk.arm(Fault.TORN, 2)
    path = disk.folder / "a.db-wal"
    before = path.read_bytes()
    with pytest.raises(apsw.IOError):
        put(db, 1)
    after = path.read_bytes()
    disk.bury()
    db.close()
    disk.reboot()
    assert after[: len(before)] == before
    assert path.read_bytes() == after
    assert (len(after) - len(before)) % 4096 == 24 + 2048, "a head, and half a page"


def test_a_removal_that_was_not_synced_is_undone_by_a_cut(disk: Disk) -> None:
    db = opened(disk)
    put(db, 1)
    log = (disk.folder / "a.db-wal").read_bytes()
    db.close()
    assert not (disk.folder / "a.db-wal").exists()
    disk.cut()
    disk.reboot()
    assert (disk.folder / "a.db-wal").read_bytes() == log
    again = opened(disk)
    assert numbers(again) == [1]
    again.close()


def test_other_folders_are_no_concern_of_a_disk(
    disk: Disk, tmp_path_factory: pytest.TempPathFactory
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    with Disk(elsewhere) as other:
        db = opened(other)
        disk.cut()
        put(db, 1)
        assert numbers(db) == [1]
        db.close()
    disk.reboot()


def test_an_unmounted_disk_leaves_sqlite_as_it_was(tmp_path: Path) -> None:
    before = apsw.vfs_names()
    with Disk(tmp_path):
        assert apsw.vfs_names() != before
    assert apsw.vfs_names() == before
