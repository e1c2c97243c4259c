"""What a wallet has handed over, in its file: written in one transaction with what it has left.

A token that was not stored by its receiver is still here, to be given once more; so a crash loses
nothing on either side. What is handed over counts as spent on the day it is.
"""

from collections.abc import Callable, Iterator
from typing import Literal

import msgspec

from farthing.schemes.contract import Asked, Instrument
from farthing.wallet.commands import Wish
from farthing.wallet.file import File
from farthing.wallet.policy import DAY_S
from farthing.wallet.rows import Rows

State = Literal["given", "withdrawn"]


class Grant(msgspec.Struct, frozen=True, kw_only=True):
    """One part that was handed over. Its repr shows no token."""

    id: str
    created_at_s: int
    site: str
    broker_id: str
    scheme: str
    vendor_id: str
    currency: str
    amount_micro: int
    until_s: int
    token: str
    withdrawal: Asked | None

    def __repr__(self) -> str:
        """Id and worth only."""
        return f"Grant({self.id}, {self.amount_micro})"


class Given(msgspec.Struct, frozen=True, kw_only=True):
    """One line of what was handed over."""

    id: str
    created_at_s: int
    site: str
    scheme: str
    vendor_id: str
    currency: str
    amount_micro: int
    until_s: int
    state: State


Made = tuple[Grant, tuple[Instrument, ...]]
"""A grant, and the instruments as they are without it."""


class Grants:
    """Over an open wallet file."""

    def __init__(self, file: File) -> None:
        """Over an open file."""
        self._file, self._rows = file, Rows(file)

    def hand_over(
        self,
        wish: Wish,
        now_s: int,
        make: Callable[[Instrument], Made | None],
        allow: Callable[[], None] | None = None,
    ) -> Grant | None:
        """Take what `make` makes of the first instrument that it can use; None without.

        Those of the vendor first, then general ones. Any refusal of `make`, and of `allow`, which
        asks the budgets where they count; then nothing changes.
        """
        with self._file.write():
            if allow is not None:
                allow()
            for vendor_id in (wish.vendor_id, ""):
                for instrument in self._ready(wish, vendor_id, now_s):
                    made = make(instrument)
                    if made is None:
                        continue
                    grant, left = made
                    for each in left:
                        self._rows.put_instrument(wish.broker_id, grant.site, each)
                        if not each.worth_micro:
                            place = (wish.broker_id, each.scheme, each.id)
                            self._rows.mark("spent", grant.id, *place)
                    self._write(grant)
                    return grant
        return None

    def _ready(self, wish: Wish, vendor_id: str, now_s: int) -> Iterator[Instrument]:
        return self._rows.candidates(
            "SELECT broker, scheme, id, vendor, currency, worth_micro, expires_at_s, body"
            " FROM instruments WHERE state='ready' AND broker=? AND scheme=? AND vendor=?"
            " AND currency=? AND expires_at_s>? AND worth_micro>=?"
            " ORDER BY expires_at_s, worth_micro LIMIT ? OFFSET ?",
            (
                wish.broker_id,
                wish.scheme,
                vendor_id,
                wish.currency,
                now_s,
                wish.price_micro,
            ),
        )

    def _write(self, grant: Grant) -> None:
        self._rows.db.execute(
            "INSERT INTO grants VALUES (?,?,?,?,?,?,?,?,?,?,'given')",
            (
                grant.id,
                grant.created_at_s // DAY_S,
                grant.created_at_s,
                grant.site,
                grant.scheme,
                grant.vendor_id,
                grant.currency,
                grant.amount_micro,
                grant.until_s,
                self._file.vault.seal(msgspec.msgpack.encode(grant), "grants", grant.id),
            ),
        )
        self._file.turns.doubts += 1  # what is known of today's spending

    def listed(self) -> tuple[Given, ...]:
        """Everything, the latest first."""
        names = Given.__struct_fields__
        with self._file.write():
            rows = self._file.rows(
                f"SELECT {', '.join(names)} FROM grants"  # noqa: S608 - our own texts
                " ORDER BY created_at_s DESC, rowid DESC"
            )
        return tuple(msgspec.convert(dict(zip(names, row, strict=True)), Given) for row in rows)

    def find(self, grant_id: str) -> Grant | None:
        """A grant with its token; None for an id that nothing has."""
        with self._file.write():
            rows = self._file.rows("SELECT sealed FROM grants WHERE id=?", (grant_id,))
        if not rows:
            return None
        raw = self._file.vault.open(rows[0][0], "grants", grant_id)
        return msgspec.msgpack.decode(raw, type=Grant)

    def withdrawn(self, grant_id: str) -> None:
        """Its broker has it on the list."""
        with self._file.write() as db:
            db.execute("UPDATE grants SET state='withdrawn' WHERE id=?", (grant_id,))

    def keep(self, broker_id: str, site: str, instrument: Instrument) -> bool:
        """Write what was received; False where it was received before, and may be spent by now."""
        with self._file.write():
            if self._file.rows(
                "SELECT 1 FROM instruments WHERE broker=? AND scheme=? AND id=?",
                (broker_id, instrument.scheme, instrument.id),
            ):
                return False
            self._rows.put_instrument(broker_id, site, instrument)
        return True
