import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from farthing.lab import scratch


def test_folders_are_new_and_empty() -> None:
    one, other = scratch.new_folder("test"), scratch.new_folder("test")
    assert one != other
    assert list(one.iterdir()) == []
    one.rmdir()
    other.rmdir()


def test_a_worker_makes_its_folders_where_its_parent_says(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(scratch, "_place", [])
    scratch.live_in(tmp_path)
    assert scratch.new_folder("test").parent == tmp_path


HOLDING = """
import sys
from farthing.lab import scratch
from pathlib import Path
scratch.SHARED_MEMORY = Path(sys.argv[1])
(scratch.new_folder("world") / "disk").write_text("full")
print("made", flush=True)
sys.stdin.read()
"""


@contextlib.contextmanager
def holding(place: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process with a folder here, until its input ends."""
    command = [sys.executable, "-c", HOLDING, str(place)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"made\n"
        yield child
        child.kill()


def test_what_a_killed_process_has_left_is_removed_beside_one_that_goes_on(tmp_path: Path) -> None:
    with holding(tmp_path) as lives:
        with holding(tmp_path) as killed:
            assert len(list(tmp_path.iterdir())) == 2
            assert scratch.remove_lost(tmp_path) == 0, "both live"
            killed.kill()
            killed.wait()
        assert scratch.remove_lost(tmp_path) == 1
        assert scratch.remove_lost(tmp_path) == 0
        (kept,) = tmp_path.iterdir()
        assert [one.read_text() for one in kept.glob("*/disk")] == ["full"]
        assert lives.stdin is not None
        lives.stdin.close()
        lives.wait()
        assert list(tmp_path.iterdir()) == [], "who ends leaves nothing"


def test_of_folders_without_a_lock_only_old_ones_of_ours_go(tmp_path: Path) -> None:
    names = ("farthing.old", "farthing-world-new", "farthing-world-file", "other-world-old")
    old, new, file, other = (tmp_path / name for name in names)
    file.write_text("no folder")
    for folder in (old, new, other):
        folder.mkdir()
    long_ago_s = new.stat().st_mtime - scratch.UNLOCKED_S - 1
    for folder in (old, other, file):
        os.utime(folder, (long_ago_s, long_ago_s))
    assert scratch.remove_lost(tmp_path) == 1
    assert sorted(tmp_path.iterdir()) == sorted((new, file, other))
