"""Faults that are over before a world is: only who looks at every commit can find them.

As those of `planted.py`. When all has come to its end the books are right again, or what is wrong
is no money.
"""

from collections import defaultdict
from collections.abc import Callable
from typing import Any

import apsw
import msgspec
import pytest

from farthing import marks
from farthing.schemes.chain.payword import PaywordTill
from farthing.schemes.coin.netcash import live
from farthing.stores import sqlite

Plant = Callable[[pytest.MonkeyPatch], None]
WRITES: dict[Any, Callable[..., Any]] = sqlite.WRITES


def claim_booked_too_high(patch: pytest.MonkeyPatch) -> None:
    """A gate books one micro-unit more than it took, and corrects it with the next payment."""
    made = PaywordTill.take

    def take(*arguments: Any) -> Any:
        taken = made(*arguments)
        more = tuple(
            msgspec.structs.replace(claim, value_micro=claim.value_micro + 1)
            for claim in taken.claims
        )
        return msgspec.structs.replace(taken, claims=more)

    patch.setattr(PaywordTill, "take", take)


def claim_refused_though_paid(patch: pytest.MonkeyPatch) -> None:
    """The broker refuses a coin that it has paid to this vendor before, whose gate never knew."""
    patch.setattr(live, "taken_by", lambda *_: "")


def mark_gone_for_a_while(patch: pytest.MonkeyPatch) -> None:
    """A gate deletes a mark with the payment that used it, and soon has it back."""
    confirm, gone = WRITES[marks.Confirm], defaultdict[str, list[tuple[Any, ...]]](list)

    def back(connection: apsw.Connection) -> None:
        for row in gone.pop(connection.filename, []):
            connection.execute("INSERT OR IGNORE INTO onces VALUES (?, ?, ?)", row)

    def late(connection: apsw.Connection, command: marks.Confirm) -> Any:
        back(connection)
        confirm(connection, command)
        gone[connection.filename] += connection.execute(
            "DELETE FROM onces WHERE holder = (SELECT row FROM payments WHERE k = ?) RETURNING *",
            (command.k,),
        ).fetchall()

    def restored(kind: Any) -> Callable[..., Any]:
        work = WRITES[kind]

        def first(connection: apsw.Connection, command: Any) -> Any:
            back(connection)
            return work(connection, command)

        return first

    for kind in (marks.Hold, marks.Take, marks.Forget):
        patch.setitem(WRITES, kind, restored(kind))
    patch.setitem(WRITES, marks.Confirm, late)


BRIEFLY: dict[str, Plant] = {
    plant.__name__: plant
    for plant in (claim_booked_too_high, claim_refused_though_paid, mark_gone_for_a_while)
}
ONLY = {"claim_booked_too_high": "payword", "claim_refused_though_paid": "netcash"}
"""Faults of one scheme, for worlds of that."""
