"""What was spent or handed over today, for the budgets: read once, then added up as it happens.

Adding up every purchase of a day before each new one makes the thousandth slower than the first.
What is kept in memory counts only while this process alone writes to the file (`Turns.doubts`):
after another's transaction, or one of ours that was undone, it is read again.
"""

from farthing.wallet.commands import Purchase, Spent
from farthing.wallet.file import File
from farthing.wallet.policy import DAY_S


class Spending:
    """Sums of one day, by currency and site. Every method runs inside a transaction of `file`."""

    def __init__(self, file: File) -> None:
        """Over an open file; nothing is read yet."""
        self._file = file
        self._known = (-1, -1)
        self._sites: dict[str, dict[str, int]] = {}

    def today(self, currency: str, site: str, now_s: int) -> Spent:
        """At one site and at all, what is still undecided included."""
        known = (now_s // DAY_S, self._file.turns.doubts)
        if known != self._known:
            self._known, self._sites = known, {}
        sites = self._sites.get(currency)
        if sites is None:
            rows = self._file.rows(
                "SELECT site, SUM(micro) FROM (SELECT site, price_micro AS micro FROM purchases"
                " WHERE day=?1 AND currency=?2 AND state<>'released' UNION ALL"
                " SELECT site, amount_micro FROM grants WHERE day=?1 AND currency=?2)"
                " GROUP BY site",
                (known[0], currency),
            )
            sites = self._sites[currency] = dict(rows)
        return Spent(site_micro=sites.get(site, 0), total_micro=sum(sites.values()))

    def add(self, made: Purchase) -> None:
        """It has been written, or was paid after all."""
        self._change(made, made.price_micro)

    def take_back(self, made: Purchase) -> None:
        """It has been released: nothing was charged."""
        self._change(made, -made.price_micro)

    def _change(self, made: Purchase, by_micro: int) -> None:
        if self._known == (made.created_at_s // DAY_S, self._file.turns.doubts):
            sites = self._sites.get(made.currency)
            if sites is not None:
                sites[made.site] = sites.get(made.site, 0) + by_micro
