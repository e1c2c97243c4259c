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
