"""The table of authorization numbers, `authorizations.db` in the vendor's folder.

The gate writes a row before the payment is confirmed, so who has a number finds its row. Another
program, the vendor's own web application, reads it and uses it up: the how-to "Authorize a
download" has one in ten lines. Times are unix seconds.
"""

from pathlib import Path

import apsw

from farthing import codec, marks
from farthing.errors import Malformed
from farthing.vendor.driver import MarkStore

SCHEMA = """
CREATE TABLE IF NOT EXISTS authorizations (
  hash BLOB PRIMARY KEY,     -- SHA-256 of the number as it travels, 22 characters of base64url
  product TEXT NOT NULL,     -- the path that was bought
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

    async def do(self, command: marks.Command) -> object:
        """As the store's."""
        if isinstance(command, marks.Confirm | marks.Take):
            for record in command.records:
                if isinstance(record, marks.Put) and record.key.startswith(self._prefix):
                    self._write(record)
        return await self._store.do(command)

    def _write(self, record: marks.Put) -> None:
        kept = codec.read_json(record.value)
        if not isinstance(kept, dict):
            raise Malformed("authorization_malformed", "expected what the number is good for")
        values = (
            record.key.removeprefix(self._prefix),
            kept["product"],
            kept["session"],
            kept["payer"],
            kept["untilS"],
        )
        self._connection.execute(
            "INSERT INTO authorizations (hash, product, session, payer, until_s)"
            " VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
            values,
        )

    def forget(self, now_s: int) -> int:
        """Drop the numbers whose time is over; how many."""
        self._connection.execute("DELETE FROM authorizations WHERE until_s < ?", (now_s,))
        return int(self._connection.changes())

    def close(self) -> None:
        """Close the file."""
        self._connection.close()
