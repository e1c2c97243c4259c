"""`script/fuzz` from outside: it searches, says what it did, and repeats what was kept."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fuzz.corpus import FOLDER


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tests.fuzz", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )


@pytest.mark.full
def test_a_search_says_what_it_did() -> None:
    told = run("money.*", "--seconds", "1", "--json")
    figures = json.loads(told.stdout)
    assert told.returncode == 0, figures["failures"]
    assert figures["parsers"] == 4
    assert figures["inputs"] > 400
    assert "amount_unreadable" in figures["each"]["money.parse_amount"]["refusals"]


@pytest.mark.full
def test_a_kept_input_is_repeated_and_bad_usage_is_told() -> None:
    kept = FOLDER / "wire.shapes.digest_of" / "of-nothing"
    assert run("--replay", str(kept)).stdout.startswith("holds: digest_malformed")
    assert run("no.such.parser").returncode == 2
    assert run("--replay", "nothing").returncode == 2
    assert Path("script/fuzz").stat().st_mode & 0o100
