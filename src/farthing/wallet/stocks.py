"""How much of a scheme a wallet holds ahead, in its file, and when it is filled up the next time.

Who fills one up says so in the file before it measures (`Stocks.take`), so that two processes never
buy for the same gap; what is bought on a day is added up before it is asked for.
"""

import msgspec

from farthing.wallet.file import File
from farthing.wallet.policy import DAY_S
from farthing.wallet.rows import LEASE_S

_NAME = "stocks"
_PUT = "INSERT INTO meta VALUES (?, ?) ON CONFLICT DO UPDATE SET value=excluded.value"
_HELD = (
    "SELECT COALESCE(SUM(worth_micro), 0) FROM instruments WHERE broker=? AND scheme=?"
    " AND vendor='' AND state IN ('ready', 'offered') AND expires_at_s>?"
)


class Stock(msgspec.Struct, frozen=True, kw_only=True):
    """One scheme at one broker."""

    broker_id: str
    scheme: str
    level_micro: int
    """What shall be here; never more is bought ahead than is missing of it."""
    due_at_s: int = 0
    """When more is bought, unix seconds; 0: not drawn yet, as nothing was missing."""
    since_s: int = 0
    """When it was first found that something is missing; 0 as above."""
    busy_until_s: int = 0
    """Until when somebody may be buying."""
    day: int = 0
    bought_micro: int = 0
    """On that UTC day."""

    def bought_on(self, now_s: int) -> int:
        """What was bought on the day of this second, micro-units."""
        return self.bought_micro if self.day == now_s // DAY_S else 0


class Stocks:
    """Over an open wallet file."""

    def __init__(self, file: File) -> None:
        """Over an open file."""
        self._file = file

    def listed(self) -> tuple[Stock, ...]:
        """All of them."""
        with self._file.write():
            return tuple(self._read().values())

    def put(self, stock: Stock) -> None:
        """Set a level; 0 ends the stock."""
        with self._file.write():
            self._write(stock)

    def end(self, scheme: str) -> None:
        """No stock of a scheme any more, or ("") of any."""
        with self._file.write():
            stocks = self._read().values()
            kept = [each for each in stocks if scheme not in {"", each.scheme}]
            if len(kept) < len(stocks):
                self._put(kept)

    def change(self, stock: Stock, **fields: int) -> Stock:
        """The stock with these fields changed; its level is what the file says by now."""
        with self._file.write():
            known = self._read().get(_place(stock))
            changed = msgspec.structs.replace(known or stock, **fields)
            if known is not None:
                self._write(changed)
        return changed

    def last_paid_s(self) -> int:
        """When this wallet last made a payment, of whatever kind; 0 for never."""
        with self._file.write():
            rows = self._file.rows("SELECT COALESCE(MAX(created_at_s), 0) FROM purchases")
        return int(rows[0][0])

    def take(self, stock: Stock, now_s: int) -> Stock | None:
        """The stock as it is now, for who fills it; None while another does, or where it ended."""
        with self._file.write():
            found = self._read().get(_place(stock))
            if found is None or found.busy_until_s > now_s:
                return None
            taken = msgspec.structs.replace(found, busy_until_s=now_s + LEASE_S)
            self._write(taken)
            return taken

    def held_micro(self, stock: Stock, now_s: int) -> int:
        """What is here of it and will not end within a day."""
        with self._file.write():
            rows = self._file.rows(_HELD, (*_place(stock), now_s + DAY_S))
        return int(rows[0][0])

    def _read(self) -> dict[tuple[str, str], Stock]:
        rows = self._file.rows("SELECT value FROM meta WHERE name=?", (_NAME,))
        found = msgspec.json.decode(rows[0][0], type=tuple[Stock, ...]) if rows else ()
        return {_place(stock): stock for stock in found}

    def _write(self, stock: Stock) -> None:
        stocks = self._read() | {_place(stock): stock}
        self._put([each for each in stocks.values() if each.level_micro])

    def _put(self, kept: list[Stock]) -> None:
        self._file.connection.execute(_PUT, (_NAME, msgspec.json.encode(kept)))


def _place(stock: Stock) -> tuple[str, str]:
    return stock.broker_id, stock.scheme
