"""How purchases end in the wallet's file: settled, then delivered."""

from typing import Any

import msgspec

from farthing.wallet import released
from farthing.wallet.commands import Purchase, Settle
from farthing.wallet.releases import Releases
from farthing.wallet.rows import OPEN, Rows
from farthing.wallet.spending import Spending

_DELIVERED = "delivered=1, owner=0, sealed=?"


class Endings:
    """Every method runs inside a transaction of the file."""

    def __init__(self, rows: Rows, spending: Spending, releases: Releases) -> None:
        """Over an open file."""
        self._rows = rows
        self._spending = spending
        self._releases = releases

    def write(self, ended: Settle | Purchase, *, delivered: bool = False) -> None:
        """How a purchase ended, or one that has reached the payer; `delivered`: both at once."""
        if isinstance(ended, Purchase):
            self._deliver(ended)
        elif not self.settle(ended, delivered=delivered) and delivered:
            self._deliver(ended.purchase)

    def _deliver(self, made: Purchase) -> None:
        self._has_changed(_DELIVERED, (self._sealed_rest(made), made.id), "state='done'")

    def _sealed_rest(self, made: Purchase) -> bytes:
        """It without what was only needed to send the same bytes again."""
        rest = msgspec.structs.replace(
            made,
            credential=("", ""),
            envelope=b"",
            received=msgspec.structs.replace(made.received, echo=None),
            paid=msgspec.structs.replace(made.paid, payload=None),
        )
        return self._rows.seal(rest, "purchases", made.id)

    def settle(self, command: Settle, *, delivered: bool = False) -> bool:
        """Whether it was open, or has turned out done after all.

        `delivered`: where it is done, its page has reached the payer too.
        """
        made = command.purchase
        if command.state == "undecided":
            return self._has_changed("state='undecided', owner=0", (made.id,), OPEN["purchases"])
        receipt = self._rows.file.vault.seal(command.receipt, "receipts", made.id)
        end = "state=?, settled_at_s=?, receipt=?"
        values: tuple[Any, ...] = (command.state, command.now_s, receipt, made.id)
        if delivered and command.state == "done":  # one row is written once
            end = f"{end}, {_DELIVERED}"
            values = (*values[:-1], self._sealed_rest(made), made.id)
        if self._has_changed(end, values, OPEN["purchases"]):
            if command.state == "released":
                self._spending.take_back(made)
        elif command.state == "done" and self._has_changed(end, values, "state='released'"):
            self._spending.add_after_all(made)
        else:
            if command.state == "released":
                released.said_again(self._rows, command)
            return False
        if command.state == "done":
            command = self._merged(command)
        self._settle_instruments(command)
        if command.release is not None:
            self._releases.write(made, command.release, command.now_s)
        return True

    def _has_changed(self, change: str, values: tuple[Any, ...], state: str) -> bool:
        """Whether a purchase, the last of `values`, was in this state; then it is changed."""
        db = self._rows.db
        db.execute(
            f"UPDATE purchases SET {change} WHERE id=? AND {state}",  # noqa: S608 - our own texts
            values,
        )
        return db.changes() > 0

    def _merged(self, command: Settle) -> Settle:
        """The same where what it was paid with has changed since the payment was made.

        Another payment with it has ended, or it was taken as released and has been used.
        """
        made, merge = command.purchase, command.merge
        spent = made.paid.spent
        if merge is None:
            return command
        current = self._rows.find_instrument(made.broker_id, made.scheme, spent.id)
        if current is None or current.body == spent.body:
            return command
        of_id = {instrument.id: instrument for instrument in command.instruments}
        left = merge(current, made.paid, of_id.pop(spent.id, None))
        kept = () if left is None else (left,)
        return msgspec.structs.replace(command, instruments=(*kept, *of_id.values()))

    def _settle_instruments(self, command: Settle) -> None:
        made = command.purchase
        old = (made.broker_id, made.scheme, made.paid.spent.id)
        rows = self._rows.file.rows(
            "SELECT state, holder FROM instruments WHERE broker=? AND scheme=? AND id=?", old
        )
        # An instrument that another purchase or ask has by now is theirs to settle; but what its
        # vendor took of it for this one is gone, whoever has it.
        is_ours = bool(rows) and (rows[0][0] != "offered" or rows[0][1] == made.id)
        is_paid = command.state == "done"
        if not made.price_micro:  # it stays as it is, unless the vendor refused it
            if command.aside and rows and rows[0][0] == "ready":
                self._rows.mark("aside", made.id, *old)
            return
        remains = False
        is_same = not is_paid and is_ours and self._rows.body_of(*old) == made.paid.spent.body
        for instrument in command.instruments:
            if instrument.id == made.paid.spent.id:
                remains = True
                if is_paid and not is_ours:
                    self._rows.rewrite(made.broker_id, instrument)
                # What a payment has opened stays so, though nothing was charged.
                if not is_ours or not (is_paid or is_same):
                    continue
            self._rows.put_instrument(made.broker_id, made.site, instrument)
        if not remains and (is_ours or is_paid):
            self._rows.mark("spent", made.id, *old)
        elif is_ours and not is_paid:
            self._rows.mark("aside" if command.aside and is_same else "ready", "", *old)
