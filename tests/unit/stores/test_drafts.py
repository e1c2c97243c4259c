import shutil
from pathlib import Path

import apsw
import pytest

from farthing.errors import Misconfigured
from farthing.stores import drafts


def draft_in(folder: Path) -> Path:
    """With a log beside it, as a process leaves it that was killed."""
    made = folder / "made"
    db = apsw.Connection(str(made))
    db.pragma("journal_mode", "wal")
    db.execute("CREATE TABLE t (a)")
    db.execute("INSERT INTO t VALUES (1)")
    draft = folder / "a.db.new"
    for end in ("", "-wal"):
        shutil.copy(f"{made}{end}", f"{draft}{end}")
    db.close()
    made.unlink()
    return draft


def test_what_stands_in_a_log_comes_along(tmp_path: Path) -> None:
    draft = draft_in(tmp_path)
    drafts.put_in_place(draft, tmp_path / "a.db")
    assert [path.name for path in tmp_path.iterdir()] == ["a.db"]
    db = apsw.Connection(str(tmp_path / "a.db"))
    assert db.execute("SELECT a FROM t").get == 1


def test_nothing_is_put_over_a_file(tmp_path: Path) -> None:
    draft = draft_in(tmp_path)
    (tmp_path / "a.db").write_bytes(b"mine")
    with pytest.raises(Misconfigured, match="file_exists"):
        drafts.put_in_place(draft, tmp_path / "a.db")
    assert (tmp_path / "a.db").read_bytes() == b"mine"


def test_a_draft_is_removed_with_all_that_lies_beside_it(tmp_path: Path) -> None:
    draft = draft_in(tmp_path)
    (tmp_path / "a.db.new-journal").touch()
    drafts.remove(draft)
    drafts.remove(draft)
    assert list(tmp_path.iterdir()) == []
