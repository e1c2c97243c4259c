import stat
from pathlib import Path

import apsw
import pytest

from farthing.errors import Broken, Busy, Denied, Misconfigured
from farthing.wallet import file
from farthing.wallet.file import File, create, open_file
from tests.kit.disk import no_room
from tests.unit.wallet.world import CHEAP, PASSPHRASE


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "folder" / "wallet.db"


def test_only_its_owner_may_read_the_file(path: Path) -> None:
    opened = create(path, PASSPHRASE, CHEAP)
    with opened.write() as db:
        db.execute("INSERT INTO meta VALUES ('a', x'00')")
    for each in path.parent.iterdir():
        assert stat.S_IMODE(each.stat().st_mode) == 0o600, each
    opened.close()


def test_a_file_that_others_may_read_is_refused(path: Path) -> None:
    create(path, PASSPHRASE, CHEAP).close()
    path.chmod(0o640)
    with pytest.raises(Misconfigured, match=r"wallet_file_exposed.*chmod 600"):
        open_file(path, PASSPHRASE)


def test_every_commit_is_synced(path: Path) -> None:
    opened = create(path, PASSPHRASE, CHEAP)
    assert opened.connection.pragma("synchronous") == 2
    assert opened.connection.pragma("journal_mode") == "wal"
    opened.close()


def test_a_wrong_passphrase_is_denied_and_changes_nothing(path: Path) -> None:
    create(path, PASSPHRASE, CHEAP).close()
    before = path.read_bytes()
    with pytest.raises(Denied, match="passphrase_wrong"):
        open_file(path, "wrong")
    assert path.read_bytes() == before
    open_file(path, PASSPHRASE).close()


def test_a_file_of_another_version_says_what_to_do(path: Path) -> None:
    opened = create(path, PASSPHRASE, CHEAP)
    opened.connection.execute("PRAGMA user_version=3")
    opened.close()
    with pytest.raises(Misconfigured, match=r"wallet_version_unknown.*version 3"):
        open_file(path, PASSPHRASE)


@pytest.mark.parametrize("content", [b"", b"not a database" * 100])
def test_another_kind_of_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "notes.txt"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(Misconfigured, match="wallet_file_unreadable"):
        open_file(path, PASSPHRASE)


def test_a_full_disk_is_said_to_be_that_and_the_wallet_is_none_the_worse(path: Path) -> None:
    create(path, PASSPHRASE, CHEAP).close()
    before = path.read_bytes()
    with no_room(), pytest.raises(Broken, match="full or failing: free some space"):
        open_file(path, PASSPHRASE)
    assert path.read_bytes() == before
    open_file(path, PASSPHRASE).close()


def test_another_programs_database_is_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    other = apsw.Connection(str(path))
    other.execute("CREATE TABLE t (a)")
    other.close()
    path.chmod(0o600)
    before = path.read_bytes()
    with pytest.raises(Misconfigured, match="wallet_file_unreadable"):
        open_file(path, PASSPHRASE)
    assert path.read_bytes() == before


def test_no_wallet_there_says_how_to_make_one(path: Path) -> None:
    with pytest.raises(Misconfigured, match="farthing wallet init"):
        open_file(path, PASSPHRASE)


def test_a_wallet_is_never_made_over_another(path: Path) -> None:
    create(path, PASSPHRASE, CHEAP).close()
    with pytest.raises(Misconfigured, match="wallet_exists"):
        create(path, PASSPHRASE, CHEAP)


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("")
    with pytest.raises(Misconfigured, match="wallet_path_unusable"):
        create(tmp_path / "plain" / "wallet.db", PASSPHRASE, CHEAP)


def test_an_exception_undoes_the_transaction(path: Path) -> None:
    opened = create(path, PASSPHRASE, CHEAP)
    with pytest.raises(apsw.ConstraintError), opened.write() as db:
        db.execute("INSERT INTO meta VALUES ('a', x'00'), ('a', x'01')")
    with opened.write():
        assert opened.rows("SELECT name FROM meta WHERE name='a'") == []
    opened.close()


def test_who_keeps_something_in_mind_learns_of_other_writers(path: Path) -> None:
    ours, theirs = create(path, PASSPHRASE, CHEAP), open_file(path, PASSPHRASE)

    def writes(one: File, name: str) -> int:
        with one.write() as db:
            db.execute("INSERT INTO meta VALUES (?, x'')", (name,))
        return ours.turns.doubts

    before = writes(ours, "a")
    assert writes(ours, "b") == before
    writes(theirs, "c")
    assert writes(ours, "d") == before + 1
    with pytest.raises(apsw.ConstraintError):
        writes(ours, "d")
    assert writes(ours, "e") == before + 2
    ours.close()
    theirs.close()


def test_no_statement_is_planned_anew_for_other_values(path: Path) -> None:
    opened = create(path, PASSPHRASE, CHEAP)
    assert opened.connection.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, -1) == 1
    opened.close()


def test_a_file_that_stays_locked_is_busy(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file, "BUSY_MS", 10)
    create(path, PASSPHRASE, CHEAP).close()
    other = apsw.Connection(str(path))
    other.execute("BEGIN IMMEDIATE")
    opened = open_file(path, PASSPHRASE)
    with pytest.raises(Busy, match="wallet_locked"), opened.write():
        pass
    other.execute("ROLLBACK")
    with opened.write():
        pass
    opened.close()


def test_a_full_disk_is_said_and_loses_nothing(path: Path) -> None:
    opened = create(path, PASSPHRASE, CHEAP)
    pages = opened.connection.pragma("page_count")
    opened.connection.execute(f"PRAGMA max_page_count={pages}")
    with pytest.raises(Broken, match="wallet_not_written"), opened.write() as db:
        db.execute("INSERT INTO meta VALUES ('big', zeroblob(1000000))")
    with opened.write():
        assert opened.rows("SELECT name FROM meta") == [("lock",)]
    opened.close()


@pytest.mark.parametrize("first_page", [1, 2])
def test_a_damaged_wallet_is_said_with_what_to_do(path: Path, first_page: int) -> None:
    create(path, PASSPHRASE, CHEAP).close()
    raw, size_bytes = bytearray(path.read_bytes()), 4096
    begin = 100 if first_page == 1 else size_bytes  # after the header, or after the list of tables
    raw[begin:] = bytes(len(raw) - begin)
    path.write_bytes(raw)

    def read() -> None:
        opened = open_file(path, PASSPHRASE)
        with opened.write():
            opened.rows("SELECT * FROM purchases")

    with pytest.raises(Broken, match=r"store_corrupt.*farthing wallet reissue"):
        read()


def test_what_is_found_damaged_later_is_said_too(path: Path) -> None:
    opened = create(path, PASSPHRASE, CHEAP)
    for wrong in (apsw.CorruptError("malformed"), apsw.NotADBError("no database")):
        with pytest.raises(Broken, match="store_corrupt"), opened.write():
            raise wrong
    opened.close()
