"""`script/test` looks for serial tests in the files that say so themselves."""

from pathlib import Path

TESTS = Path(__file__).parents[1]
MARK = "mark." + "serial"


def test_only_test_files_mark_their_tests_as_serial() -> None:
    marking = {path.name for path in TESTS.rglob("*.py") if MARK in path.read_text()}
    assert marking
    assert all(name.startswith("test_") for name in marking), marking
