"""The auditor as a program of its own, which loads nothing of the broker."""

import json
import subprocess
import sys
from pathlib import Path

from tests.unit.auditing.thieves import Thief, make_books

PROGRAM = """
import runpy, sys
sys.argv = ["farthing.auditing", {path!r}]
try:
    runpy.run_module("farthing.auditing", run_name="__main__")
finally:
    names = [name for name in sys.modules if name.startswith("farthing.")]
    assert all(name.startswith("farthing.auditing") for name in names), names
"""


def run(*code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *code], capture_output=True, text=True, check=False, timeout=60
    )


def test_it_reads_a_file_without_the_rest_of_the_project(tmp_path: Path) -> None:
    path = tmp_path / "broker.db"
    make_books(path)
    done = run("-c", PROGRAM.format(path=str(path)))
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["findings"] == []
    Thief(path).move("liability/payer/alice", 1)
    done = run("-c", PROGRAM.format(path=str(path)))
    assert done.returncode == 1
    assert {one["code"] for one in json.loads(done.stdout)["findings"]} >= {"balance_differs"}


def test_it_says_how_it_is_called_and_what_it_cannot_read(tmp_path: Path) -> None:
    assert "usage" in run("-m", "farthing.auditing").stderr
    done = run("-m", "farthing.auditing", str(tmp_path / "none"))
    assert (done.returncode, "cannot read" in done.stderr) == (2, True)
