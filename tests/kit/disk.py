"""A disk without room, as far as this process is concerned."""

import contextlib
import resource
from collections.abc import Iterator


@contextlib.contextmanager
def no_room(bytes_max: int = 0) -> Iterator[None]:
    """No file of this process can grow beyond so much: what SQLite hears then is a full disk's."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_max, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
