"""The table of authorization numbers, `authorizations.db` in the vendor's folder.

The gate writes a row before the payment is confirmed, so who has a number finds its row. Another
program, the vendor's own web application, reads it and uses it up: the how-to "Authorize a
download" has one in ten lines. Times are unix seconds. The table is written in a thread of its own:
that program may hold it for as long as it likes, and the gate serves others meanwhile.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TypeVar

import apsw

from farthing import codec, marks
from farthing.errors import Malformed, Unavailable
from farthing.stores.commit import Answered
from farthing.vendor.driver import MarkStore

T = TypeVar("T")

SCHEMA = """
CREATE TABLE IF NOT EXISTS authorizations (
  hash BLOB PRIMARY KEY,     -- SHA-256 of the number as it travels, 22 characters of base64url
  product TEXT NOT NULL,     -- the path that was bought, as a site sees it
  session TEXT NOT NULL,     -- what stood behind its `?`
  payer TEXT NOT NULL,       -- pseudonym
  until_s INTEGER NOT NULL,  -- the number is good until then
  used INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
"""
BUSY_MS = 5_000  # how long the gate waits for the application's transaction
FILE = "authorizations.db"


class Authorizing:
    """A gate's store that writes the rows of the numbers which it confirms, first."""

    def __init__(self, store: MarkStore, path: Path, prefix: bytes) -> None:
        """`prefix` begins the records that are numbers; the file is made if need be."""
        self._store, self._prefix = store, prefix
        self._connection = apsw.Connection(str(path))
        self._connection.set_busy_timeout(BUSY_MS)
        self._connection.execute("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL")
        self._connection.execute(SCHEMA)
        self._thread = ThreadPoolExecutor(max_workers=1)

    async def do(self, command: marks.Command) -> object:
        """As the store's; `Unavailable` where the application does not let go of the table."""
        if isinstance(command, marks.Confirm | marks.Take):
            for record in command.records:
                if isinstance(record, marks.Put) and record.key.startswith(self._prefix):
                    await self._in_thread(partial(self._write, self._row(record)))
        return await self._store.do(command)

    async def _in_thread(self, work: Callable[[], T]) -> T:
        """What `work` returns or raises; who is cancelled while it waits learns it afterwards."""
        loop = asyncio.get_running_loop()
        done, answered = loop.run_in_executor(self._thread, work), Answered(loop=loop)
        done.add_done_callback(lambda _: answered.set_result(None))
        await answered
        try:
            return done.result()
        except apsw.BusyError:
            told = "the site's own program holds its table; send the same payment again"
            raise Unavailable("authorizations_busy", told) from None

    def _row(self, record: marks.Put) -> tuple[bytes, str, str, str, int]:
        kept = codec.read_json(record.value)
        if not isinstance(kept, dict):
            raise Malformed("authorization_malformed", "expected what the number is good for")
        number = record.key.removeprefix(self._prefix)
        return number, kept["product"], kept["session"], kept["payer"], kept["untilS"]

    def _write(self, row: tuple[bytes, str, str, str, int]) -> None:
        self._connection.execute(
            "INSERT INTO authorizations (hash, product, session, payer, until_s)"
            " VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
            row,
        )

    async def forget(self, now_s: int) -> int:
        """Drop the numbers whose time is over; how many. `Unavailable` as of `do`."""
        return await self._in_thread(partial(self._drop, now_s))

    def _drop(self, now_s: int) -> int:
        self._connection.execute("DELETE FROM authorizations WHERE until_s < ?", (now_s,))
        return int(self._connection.changes())

    def close(self) -> None:
        """Close the file, once what is under way is written."""
        self._thread.shutdown()
        self._connection.close()
