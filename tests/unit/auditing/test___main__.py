"""The auditor as a program of its own, which loads nothing of the broker."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from farthing.auditing import __main__
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


def test_its_exit_code_says_what_was_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def called(*arguments: str) -> int:
        monkeypatch.setattr("sys.argv", ["farthing.auditing", *arguments])
        return __main__.main()

    path = tmp_path / "broker.db"
    make_books(path)
    assert called(str(path)) == 0
    told = capsys.readouterr()
    assert (told.err, json.loads(told.out)["findings"]) == ("", [])
    assert told.out.splitlines()[:2] == ["{", '  "balances": {']
    assert list(json.loads(told.out)) == sorted(json.loads(told.out))
    Thief(path).move("liability/payer/alice", 1)
    assert called(str(path)) == 1
    assert capsys.readouterr().err == ""
    for wrong in ((), ("-h",), (str(path), str(path))):
        assert called(*wrong) == 2
        assert capsys.readouterr().err == "usage: python -m farthing.auditing BROKER.db\n"
    assert called(str(tmp_path / "none")) == 2
    assert capsys.readouterr().err.startswith("cannot read ")
