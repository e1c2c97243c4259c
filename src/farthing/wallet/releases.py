"""Second halves of payments in the wallet's file: written when the first half was taken.

They lie among the asks, as an operation of their own: like these they are written before they are
sent, leased to whoever sends them, and found as abandoned by the next who recovers.
"""

import msgspec

from farthing.schemes.contract import Json
from farthing.wallet.commands import FinishRelease, Purchase, Release, TakeRelease
from farthing.wallet.rows import LEASE_S, UNRELEASED, Rows


class Releases:
    """What the store does about them, each inside its transaction."""

    def __init__(self, rows: Rows) -> None:
        """Over the rows of an open file."""
        self._rows = rows

    def write(self, made: Purchase, payload: Json, now_s: int) -> None:
        """The half that is due once the page is there; ours to send."""
        release = Release(
            id=_id_of(made),
            created_at_s=now_s,
            purchase=msgspec.structs.replace(
                made, paid=msgspec.structs.replace(made.paid, payload=None), opened_from=None
            ),
            payload=payload,
        )
        self._rows.db.execute(
            "INSERT INTO asks VALUES (?,?,?,?,?,'release',?,?,'open','',?,?)"
            " ON CONFLICT DO NOTHING",
            (
                release.id,
                now_s,
                made.broker_id,
                made.scheme,
                made.vendor_id,
                made.paid.spent.id,
                self._rows.seal(release, "asks", release.id),
                self._rows.file.owner,
                now_s + LEASE_S,
            ),
        )

    def do(self, command: TakeRelease | FinishRelease) -> Release | None:
        """The answer to `command`."""
        if isinstance(command, TakeRelease):
            return self._take(command)
        self._finish(command)
        return None

    def _take(self, command: TakeRelease) -> Release | None:
        """That of one purchase, leased to us. Two who send it send the same bytes."""
        row_id = _id_of(command.purchase)
        found = self._rows.file.rows(
            f"SELECT sealed FROM asks WHERE id=? AND {UNRELEASED}",  # noqa: S608 - our own texts
            (row_id,),
        )
        if not found:
            return None
        ((sealed,),) = found
        self._rows.db.execute(
            "UPDATE asks SET owner=?, leased_until_s=? WHERE id=?",
            (self._rows.file.owner, command.now_s + LEASE_S, row_id),
        )
        return self._rows.unseal(Release, "asks", row_id, sealed)

    def abandoned(self, now_s: int) -> tuple[Release, ...]:
        """Those that nobody is about to send any more, leased to us."""
        return tuple(self._rows.take_over(Release, "asks", now_s, UNRELEASED))

    def _finish(self, command: FinishRelease) -> None:
        """It is over."""
        self._rows.db.execute(
            "UPDATE asks SET state=?, code=?, owner=0 WHERE id=?",
            (
                "refused" if command.refused else "done",
                command.refused,
                command.release.id,
            ),
        )


def _id_of(made: Purchase) -> str:
    return f"rel-{made.id}"
