"""What holds for every test."""

import logging
import os
from collections.abc import Iterator

import pytest

# The programs that tests start show what they print when a user would see it, not sooner.
os.environ.pop("PYTHONUNBUFFERED", None)


@pytest.fixture(autouse=True)
def _logs_are_left_as_they_were() -> Iterator[None]:
    """Whoever silences a log gives it back: other tests in this process read it."""
    log = logging.getLogger("farthing")
    before = log.level, log.disabled, log.propagate
    yield
    assert (log.level, log.disabled, log.propagate) == before
