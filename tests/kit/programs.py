"""Programs from Debian packages that tests start; `script/test` installs them where it may."""

import os
import shutil

import pytest

FOLDERS = f"{os.environ['PATH']}:/usr/sbin"  # where Debian has servers, for everybody


def needed(name: str) -> str:
    """Its path; the test is skipped, and says so, where it is missing."""
    found = shutil.which(name, path=FOLDERS)
    if found is None:
        pytest.skip(f"NOT TESTED: {name} is not here: script/packages {name}")
    return found
