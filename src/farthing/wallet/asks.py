"""Asks in the wallet's file: written before they are sent, taken over when they are abandoned.

An instrument that is given back, or that pays for an ask, is `offered` in the transaction that
writes the ask, and nobody else is offered it until the ask is finished.
"""

from typing import Any

from farthing.schemes.contract import Instrument
from farthing.wallet.commands import (
    Ask,
    AskCommand,
    FindMeans,
    FinishAsk,
    InstrumentState,
    Nothing,
    OpenAsk,
    Reserve,
    Wish,
)
from farthing.wallet.rows import LEASE_S, OPEN, Rows

_OPEN = OPEN["asks"]
FIRST = "first"  # what the rows call an ask that comes before a payment


UNPAID = frozenset({"balance_too_low", "credit_limit_reached"})  # codes: nothing was signed


class Asks:
    """What the store does about asks, each inside its transaction."""

    def __init__(self, rows: Rows) -> None:
        """Over the rows of an open file."""
        self._rows = rows

    def do(self, command: AskCommand) -> Any:
        """The answer to `command`."""
        match command:
            case OpenAsk():
                return self._open(command)
            case FindMeans():
                return self._find_means(command)
            case FinishAsk():
                return self._finish(command)

    def _open(self, command: OpenAsk) -> Ask | None:
        ask = command.ask
        where = f"{_OPEN} AND broker=? AND scheme=? AND vendor=? AND operation=?"
        values: tuple[Any, ...] = (ask.broker_id, ask.scheme, ask.vendor_id, ask.asked.operation)
        if not ask.is_load:
            where, values = where + " AND instrument=?", (*values, ask.instrument_id)
        found = self._rows.take_over(Ask, "asks", command.now_s, where, values, count_max=1)
        if found or (command.patient and self._rows.leases("asks", where, values)):
            self._rows.return_number(ask.broker_id, ask.scheme, ask.number)
            return found[0] if found else None
        if ask.instrument_id:
            place = _place_of(ask)
            state = self._rows.file.rows(
                "SELECT state FROM instruments WHERE broker=? AND scheme=? AND id=?", place
            )
            fit = [[("ready",)]] if ask.is_load else [[("ready",)], [("aside",)]]
            if state not in fit:
                return None
            self._rows.mark("offered", ask.id, *place)
        self._write(ask)
        return ask

    def _find_means(self, command: FindMeans) -> Instrument | Ask | Nothing:
        place = (command.broker_id, command.scheme, command.vendor_id)
        rows = self._rows.file.rows(
            "SELECT broker, scheme, id, vendor, currency, worth_micro, expires_at_s, body"
            " FROM instruments WHERE state='ready' AND broker=? AND scheme=? AND vendor=?"
            " AND expires_at_s>? AND worth_micro>=? ORDER BY expires_at_s, worth_micro LIMIT 1",
            (*place, command.now_s, command.worth_micro),
        )
        if rows:
            return self._rows.unseal_instrument(rows[0])
        where = _OPEN + (  # noqa: S608 - our own texts
            " AND (broker=?1 AND scheme=?2 AND vendor=?3 OR instrument IN (SELECT id"
            " FROM instruments WHERE broker=?1 AND scheme=?2 AND vendor=?3 AND state='offered'))"
        )
        found = self._rows.take_over(Ask, "asks", command.now_s, where, place, count_max=1)
        if found:
            return found[0]
        return Nothing(coming=bool(self._rows.leases("asks", where, place)))

    def write_first(self, ask: Ask) -> None:
        """An ask that comes before a payment: its instrument is nobody else's meanwhile."""
        self._rows.mark("offered", ask.id, *_place_of(ask))
        self._write(ask, FIRST)

    def abandoned(self, wish: Wish, command: Reserve) -> Ask | None:
        """One that came before a payment that was never made, so that its instrument is free."""
        where = f"broker=? AND scheme=? AND operation=? AND {_OPEN}"
        values = (wish.broker_id, wish.scheme, FIRST)
        found = self._rows.take_over(
            Ask, "asks", command.now_s, where, values, skip=command.skip, count_max=1
        )
        return found[0] if found else None

    def waiting(self, ask: Ask) -> Instrument | None:
        """The instrument that an open ask has; None where the ask is over."""
        rows = self._rows.file.rows(
            "SELECT broker, scheme, id, vendor, currency, worth_micro, expires_at_s, body"
            " FROM instruments WHERE state='offered' AND holder=?1"
            " AND EXISTS (SELECT 1 FROM asks WHERE asks.id=?1 AND asks.state='open')",
            (ask.id,),
        )
        return self._rows.unseal_instrument(rows[0]) if rows else None

    def _write(self, ask: Ask, operation: str = "") -> None:
        self._rows.db.execute(
            "INSERT INTO asks VALUES (?,?,?,?,?,?,?,?,'open','',?,?)",
            (
                ask.id,
                ask.created_at_s,
                ask.broker_id,
                ask.scheme,
                ask.vendor_id,
                operation or ask.asked.operation,
                ask.instrument_id,
                self._rows.seal(ask, "asks", ask.id),
                self._rows.file.owner,
                ask.created_at_s + LEASE_S,
            ),
        )

    def _finish(self, command: FinishAsk) -> bool:
        ask = command.ask
        ((state,),) = self._rows.file.rows("SELECT state FROM asks WHERE id=?", (ask.id,))
        if state != "open":
            return False
        self._rows.db.execute(
            "UPDATE asks SET state=?, code=?, owner=0 WHERE id=?",
            ("refused" if command.refused else "done", command.refused, ask.id),
        )
        if command.refused in UNPAID:
            self._rows.return_number(ask.broker_id, ask.scheme, ask.number)
        for instrument in command.instruments:
            if instrument.vendor_id == ask.home:  # the broker's own, which pays anywhere
                self._rows.put_instrument(ask.home, "", instrument)
            else:
                self._rows.put_instrument(ask.broker_id, ask.site, instrument)
        place = _place_of(ask)
        if command.following is not None:
            self._write(command.following)
            if ask.instrument_id:
                self._rows.mark("offered", command.following.id, *place)
        elif ask.instrument_id and all(one.id != ask.instrument_id for one in command.instruments):
            left: InstrumentState = "aside" if command.refused else "spent"
            self._rows.mark("ready" if command.unused else left, ask.id, *place)
        return True


def _place_of(ask: Ask) -> tuple[str, str, str]:
    """Broker, scheme and id of the instrument that pays for an ask or is given back by it."""
    return (ask.home if ask.is_load else ask.broker_id, ask.scheme, ask.instrument_id)
