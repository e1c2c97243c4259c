"""What a committer says in the log when its file or the disk is in trouble."""

from pathlib import Path

import pytest

from farthing.errors import Broken, Unfunded
from farthing.stores import trouble
from farthing.stores.commit import Committer
from tests.unit.stores.test_commit import committer, fail, insert, open_at, path

__all__ = ["committer", "path"]  # fixtures


def test_the_log_says_once_a_minute_what_is_wrong_with_the_disk(
    committer: Committer, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    committer.do_now(insert(1))
    committer.do_now(lambda c: c.pragma("max_page_count", 4))
    for number in (2, 3):
        with pytest.raises(Broken):
            committer.do_now(insert(number, bytes(100_000)))
    with pytest.raises(Unfunded):
        committer.do_now(fail(Unfunded("account_overdrawn")))
    assert caplog.messages == ["no space left for t.db; free some and try again (disk_full)"]
    monkeypatch.setattr(trouble, "TELL_EVERY_S", 0)
    with pytest.raises(Broken):
        committer.do_now(insert(4, bytes(100_000)))
    assert len(caplog.messages) == 2


def test_a_reader_that_fails_says_so_in_the_log(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    committer = open_at(path)
    committer.do_now(insert(1))
    with pytest.raises(Broken):
        committer.read(lambda connection: connection.execute("SELECT * FROM nowhere").fetchall())
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    committer.close()
