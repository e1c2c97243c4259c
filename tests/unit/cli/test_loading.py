"""Commands are loaded without the collector, and run with it."""

import gc
import subprocess
import sys

import pytest

from farthing.cli.loading import loading

AFTER = (
    "import atexit, gc, sys; sys.argv[1:] = ['--version']; from farthing.cli import main;"
    " atexit.register(lambda: print(gc.isenabled(), gc.get_freeze_count() > 1000)); main()"
)


def test_nothing_is_collected_inside_and_all_may_be_afterwards() -> None:
    with loading():
        assert not gc.isenabled()
    assert gc.isenabled()


def test_code_that_cannot_be_loaded_leaves_the_collector_as_it_was() -> None:
    with pytest.raises(ImportError), loading():
        raise ImportError
    assert gc.isenabled()


def test_no_collection_looks_at_what_a_command_has_loaded() -> None:
    done = subprocess.run([sys.executable, "-c", AFTER], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "True True"
