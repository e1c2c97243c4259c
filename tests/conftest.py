"""What holds for every test."""

import functools
import gc
import logging
import os
from collections.abc import Iterator
from ssl import SSLContext
from typing import Any

import httpx
import pytest

AUTHORITIES = ("SSL_CERT_FILE", "SSL_CERT_DIR")  # where httpx looks for others

# The programs that tests start show what they print when a user would see it, not sooner.
os.environ.pop("PYTHONUNBUFFERED", None)


def pytest_collection_finish() -> None:
    """No collection of garbage looks again and again at ten thousand tests."""
    gc.freeze()


@pytest.fixture(autouse=True)
def _logs_are_left_as_they_were() -> Iterator[None]:
    """Whoever silences a log gives it back: other tests in this process read it."""
    log = logging.getLogger("farthing")
    before = log.level, log.disabled, log.propagate
    yield
    assert (log.level, log.disabled, log.propagate) == before


@pytest.fixture(scope="session", autouse=True)
def _authorities_are_read_once() -> Iterator[None]:
    """Every client reads the world's certificates, in 20 ms: a fifth of all that tests did."""

    @functools.cache
    def read(_named: tuple[str | None, ...], **how: Any) -> SSLContext:
        return httpx.create_ssl_context(**how)

    def shared(**how: Any) -> SSLContext:
        return read(tuple(os.environ.get(name) for name in AUTHORITIES), **how)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("httpx._transports.default.create_ssl_context", shared)
        yield
