"""What is wrong with a file or its disk, said in the log: else only those who are refused hear it.

A full disk fails every request, and its log would fill it once more: each trouble is said once in a
while.
"""

import logging
import time

import apsw

from farthing.errors import Refusal

TELL_EVERY_S = 60

_log = logging.getLogger("farthing.store")


class Trouble:
    """Of one file; for any thread."""

    def __init__(self) -> None:
        """Nothing was said yet."""
        self._code, self._told_s = "", 0.0

    def tell(self, error: BaseException | None) -> None:
        """Say what SQLite or the disk did, if that is the cause of `error`."""
        if not isinstance(error, Refusal) or not isinstance(error.__cause__, apsw.Error):
            return
        now_s = time.monotonic()
        if error.code != self._code or now_s - self._told_s >= TELL_EVERY_S:
            self._code, self._told_s = error.code, now_s
            _log.error("%s (%s)", error.detail, error.code)
