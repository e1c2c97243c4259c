"""Rows of the wallet's file: sealing, instruments, and leases.

A lease says who is working on a purchase or an ask. It ends by time, when its process is gone, or
when it is let go; then the row counts as abandoned and whoever finds it finishes it. Two who work
on one row do no harm, since both send the same bytes.
"""

import os
from collections.abc import Iterator
from itertools import count
from typing import Any, Literal, TypeVar

import msgspec

from farthing.schemes.contract import Instrument
from farthing.wallet.commands import (
    Ask,
    FindHeld,
    InstrumentState,
    KeepPeer,
    OwnCommand,
    Purchase,
    Release,
    TakeNumber,
)
from farthing.wallet.file import File

LEASE_S = 120  # longer than one request with its repeats: the gate's time-outs end before
AT_ONCE = 16  # instruments read at once of all that are tried for one thing: mostly the first does
COUNT_MAX = 1_000  # rows taken over at once: a wallet that left more behind recovers in turns
Table = Literal["purchases", "asks"]
Kept = TypeVar("Kept", Purchase, Ask, Release)
OPEN: dict[Table, str] = {
    "purchases": "state IN ('sent', 'undecided')",
    "asks": "state = 'open' AND operation <> 'release'",
}
UNRELEASED = "state = 'open' AND operation = 'release'"  # of the asks: see `releases.py`


class Rows:
    """What purchases and asks share. Every method runs inside a transaction of `file`."""

    def __init__(self, file: File) -> None:
        """Over an open file."""
        self.file = file
        self.db = file.connection

    def seal(self, value: object, table: str, row_id: str) -> bytes:
        """A struct, sealed for its row."""
        return self.file.vault.seal(msgspec.msgpack.encode(value), table, row_id)

    def unseal(self, kind: type[Kept], table: str, row_id: str, sealed: bytes) -> Kept:
        """What `seal` sealed."""
        return msgspec.msgpack.decode(self.file.vault.open(sealed, table, row_id), type=kind)

    def unseal_instrument(self, row: tuple[Any, ...]) -> Instrument:
        """From broker, scheme, id, vendor, currency, worth_micro, expires_at_s, body."""
        broker_id, scheme, row_id, vendor_id, currency, worth_micro, expires_at_s, body = row
        return Instrument(
            id=row_id,
            scheme=scheme,
            vendor_id=vendor_id,
            currency=currency,
            worth_micro=worth_micro,
            expires_at_s=expires_at_s,
            body=self.file.vault.open(body, "instruments", broker_id, scheme, row_id),
        )

    def find_instrument(self, *place: str) -> Instrument | None:
        """As it stands now, by broker, scheme and id; None for one that is spent, or not here."""
        found = self.file.rows(
            "SELECT broker, scheme, id, vendor, currency, worth_micro, expires_at_s, body"
            " FROM instruments WHERE broker=? AND scheme=? AND id=? AND state<>'spent'",
            place,
        )
        return self.unseal_instrument(found[0]) if found else None

    def candidates(self, sql: str, values: tuple[Any, ...]) -> Iterator[Instrument]:
        """What a statement finds, in its order and to its end, a few at a time.

        It selects what `unseal_instrument` takes, and ends in `LIMIT ? OFFSET ?`.
        """
        for offset in count(0, AT_ONCE):
            rows = self.file.rows(sql, (*values, AT_ONCE, offset))
            yield from map(self.unseal_instrument, rows)
            if len(rows) < AT_ONCE:
                return

    def put_instrument(self, broker_id: str, site: str, instrument: Instrument) -> None:
        """Write it as ready. One that was spent before stays spent."""
        place = ("instruments", broker_id, instrument.scheme, instrument.id)
        self.db.execute(
            "INSERT INTO instruments VALUES (?,?,?,?,?,?,?,?,?,'ready','')"
            " ON CONFLICT DO UPDATE SET worth_micro=excluded.worth_micro, body=excluded.body,"
            " expires_at_s=excluded.expires_at_s, state='ready', holder=''"
            " WHERE instruments.state <> 'spent'",
            (
                broker_id,
                instrument.scheme,
                instrument.id,
                instrument.vendor_id,
                site,
                instrument.currency,
                instrument.worth_micro,
                instrument.expires_at_s,
                self.file.vault.seal(instrument.body, *place),
            ),
        )

    def mark(
        self, state: InstrumentState, holder: str, broker_id: str, scheme: str, row_id: str
    ) -> None:
        """Set the state of an instrument, and which purchase or ask has it.

        Of a spent one only the name stays, and its state, so that it never comes back.
        """
        self.db.execute(
            "UPDATE instruments SET state=?1, holder=?2,"
            " body=CASE ?1 WHEN 'spent' THEN x'' ELSE body END"
            " WHERE broker=?3 AND scheme=?4 AND id=?5 AND state<>'spent'",
            (state, holder, broker_id, scheme, row_id),
        )

    def rewrite(self, broker_id: str, instrument: Instrument) -> None:
        """What is left of an instrument that somebody has, who keeps it."""
        place = (broker_id, instrument.scheme, instrument.id)
        self.db.execute(
            "UPDATE instruments SET worth_micro=?, body=?, expires_at_s=?"
            " WHERE broker=? AND scheme=? AND id=? AND state='offered'",
            (
                instrument.worth_micro,
                self.file.vault.seal(instrument.body, "instruments", *place),
                instrument.expires_at_s,
                *place,
            ),
        )

    def body_of(self, broker_id: str, scheme: str, row_id: str) -> bytes:
        """The body of an instrument as it stands now; empty of one that is spent."""
        place = (broker_id, scheme, row_id)
        rows = self.file.rows(
            "SELECT body FROM instruments WHERE broker=? AND scheme=? AND id=?", place
        )
        return self.file.vault.open(rows[0][0], "instruments", *place) if rows[0][0] else b""

    def peers(self) -> dict[str, str]:
        """Brokers that are reached through another: id of that one, by id."""
        rows = self.file.rows("SELECT value FROM meta WHERE name='peers'")
        return msgspec.json.decode(rows[0][0], type=dict[str, str]) if rows else {}

    def put_peer(self, broker_id: str, home_id: str) -> None:
        """Remember one more."""
        self.db.execute(
            "INSERT INTO meta VALUES ('peers', ?) ON CONFLICT DO UPDATE SET value=excluded.value",
            (msgspec.json.encode(self.peers() | {broker_id: home_id}),),
        )

    def do(self, command: OwnCommand) -> tuple[Instrument, ...] | int | None:
        """The answer to a command about the wallet as a whole."""
        match command:
            case FindHeld(broker_id=broker_id, scheme=scheme):
                rows = self.file.rows(
                    "SELECT broker, scheme, id, vendor, currency, worth_micro, expires_at_s, body"
                    " FROM instruments WHERE state<>'spent' AND broker=? AND scheme=?",
                    (broker_id, scheme),
                )
                return tuple(self.unseal_instrument(row) for row in rows)
            case TakeNumber(broker_id=broker_id, scheme=scheme):
                number = self.next_number(broker_id, scheme)
                self.pass_number(broker_id, scheme, number)
                return number
            case KeepPeer(broker_id=broker_id, home_id=home_id):
                self.put_peer(broker_id, home_id)
                return None

    def next_number(self, broker_id: str, scheme: str) -> int:
        """The first that was not given out, counted from 0.

        By broker and scheme: others' numbers would be gaps to who looks for a lost wallet's.
        """
        rows = self.file.rows(
            "SELECT value FROM meta WHERE name IN (?, 'numbers')",
            (_numbers_of(broker_id, scheme),),
        )
        return max((int(value) for (value,) in rows), default=0)

    def pass_number(self, broker_id: str, scheme: str, number: int) -> None:
        """Give out none up to this one any more."""
        if number >= self.next_number(broker_id, scheme):
            self.db.execute(
                "INSERT INTO meta VALUES (?1, ?2) ON CONFLICT DO UPDATE SET value=?2",
                (_numbers_of(broker_id, scheme), str(number + 1).encode()),
            )

    def return_number(self, broker_id: str, scheme: str, number: int) -> None:
        """Nothing was made with it: it is the next again, if none was given out since.

        Each number that is never used is one less that a restore may look beyond.
        """
        if 0 <= number == self.next_number(broker_id, scheme) - 1:
            self.db.execute(
                "UPDATE meta SET value=? WHERE name=?",
                (str(number).encode(), _numbers_of(broker_id, scheme)),
            )

    def leases(
        self, table: Table, where: str, values: tuple[Any, ...] = ()
    ) -> list[tuple[Any, ...]]:
        """Id, owner and end of lease of every row `where`, oldest first."""
        return self.file.rows(
            f"SELECT id, owner, leased_until_s FROM {table}"  # noqa: S608 - our own texts
            f" WHERE {where} ORDER BY created_at_s, id",
            values,
        )

    def is_held(
        self, owner: int, leased_until_s: int, now_s: int, *, to_send: bool = False
    ) -> bool:
        """Whether somebody who may still be alive is working on a row; see `take_over`.

        A lease that ends too late was taken while the clock was ahead, and is not waited for.
        """
        in_lease = leased_until_s - LEASE_S <= now_s < leased_until_s
        if owner == 0 or not in_lease or (to_send and owner < 0):
            return False
        return abs(owner) == self.file.owner or _is_running(abs(owner))

    def take_over(
        self,
        kind: type[Kept],
        table: Table,
        now_s: int,
        where: str,
        values: tuple[Any, ...] = (),
        *,
        skip: frozenset[str] = frozenset(),
        count_max: int = COUNT_MAX,
        to_send: bool = False,
    ) -> list[Kept]:
        """The oldest abandoned rows `where`, at most `count_max`, now leased to us.

        Who only enquires after a purchase, its owner below zero, gives way to whoever wants the
        same page and is about to send the same bytes: else that would be a purchase more.
        """
        owned = self.file.owner if to_send else -self.file.owner
        found: list[Kept] = []
        for row_id, owner, leased_until_s in self.leases(table, where, values):
            if row_id in skip or self.is_held(owner, leased_until_s, now_s, to_send=to_send):
                continue
            if len(found) == count_max:
                break
            ((sealed,),) = self.file.rows(
                f"UPDATE {table} SET owner=?, leased_until_s=?"  # noqa: S608 - as above
                " WHERE id=? RETURNING sealed",
                (owned, now_s + LEASE_S, row_id),
            )
            found.append(self.unseal(kind, table, row_id, sealed))
        return found


def _is_running(process_id: int) -> bool:
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # it runs, as somebody else
        return True
    return True


def _numbers_of(broker_id: str, scheme: str) -> str:
    return f"numbers/{broker_id}/{scheme}"
