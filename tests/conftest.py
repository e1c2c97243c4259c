"""What holds for every test."""

import logging
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def _logs_are_left_as_they_were() -> Iterator[None]:
    """Whoever silences a log gives it back: other tests in this process read it."""
    log = logging.getLogger("farthing")
    before = log.level, log.disabled, log.propagate
    yield
    assert (log.level, log.disabled, log.propagate) == before
