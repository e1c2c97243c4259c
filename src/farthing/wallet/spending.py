"""What was spent or handed over today, for the budgets: read once, then added up as it happens.

That a payment came to nothing is what its vendor says. So of a site counts what it was paid, with
what it has refused and lies aside since, or what it says came to nothing, whichever is more: a
vendor that takes payments and denies it gets at most as much again as the budget.

Adding up every purchase of a day before each new one makes the thousandth slower than the first.
What is kept in memory counts only while this process alone writes to the file (`Turns.doubts`):
after another's transaction, or one of ours that was undone, it is read again.
"""

import msgspec

from farthing.wallet.commands import Purchase, Spent
from farthing.wallet.file import File
from farthing.wallet.policy import DAY_S

_SUMS = """
SELECT site, SUM(paid), SUM(released) FROM (
    SELECT site, IIF(state = 'released', 0, price_micro) AS paid,
        IIF(state = 'released', price_micro, 0) AS released
    FROM purchases WHERE day = ?1 AND currency = ?2
    UNION ALL SELECT site, amount_micro, 0 FROM grants WHERE day = ?1 AND currency = ?2
) GROUP BY site
"""
_ASIDE = """
SELECT made.site, SUM(worth_micro) FROM (
    SELECT DISTINCT broker, scheme, instrument, site FROM purchases
    WHERE day = ?1 AND currency = ?2 AND state = 'released'
) AS made JOIN instruments USING (broker, scheme)
WHERE instruments.id = made.instrument AND instruments.state = 'aside' GROUP BY made.site
"""


class _Sums(msgspec.Struct):
    """Of one site."""

    paid_micro: int = 0
    """What is still undecided included."""
    released_micro: int = 0


class Spending:
    """Sums of one day, by currency and site. Every method runs inside a transaction of `file`."""

    def __init__(self, file: File) -> None:
        """Over an open file; nothing is read yet."""
        self._file = file
        self._known = (-1, -1)
        self._sites: dict[str, dict[str, _Sums]] = {}

    def today(self, currency: str, site: str, now_s: int) -> Spent:
        """At one site and at all, what is still undecided included."""
        known = (now_s // DAY_S, self._file.turns.doubts)
        if known != self._known:
            self._known, self._sites = known, {}
        sites = self._sites.get(currency)
        if sites is None:
            rows = self._file.rows(_SUMS, (known[0], currency))
            sites = {name: _Sums(paid, released) for name, paid, released in rows}
            self._sites[currency] = sites
        aside: dict[str, int] = {}
        if any(sums.released_micro for sums in sites.values()):
            aside = dict(self._file.rows(_ASIDE, (known[0], currency)))
        found = {
            name: (sums.paid_micro, max(sums.paid_micro + aside.get(name, 0), sums.released_micro))
            for name, sums in sites.items()
        }
        paid_micro, site_micro = found.get(site, (0, 0))
        return Spent(
            site_micro=site_micro,
            total_micro=sum(micro for _, micro in found.values()),
            denied_micro=site_micro - paid_micro,
        )

    def add(self, made: Purchase) -> None:
        """It has been written."""
        self._change(made, made.price_micro, 0)

    def take_back(self, made: Purchase) -> None:
        """It has been released: nothing was charged, its vendor says."""
        self._change(made, -made.price_micro, made.price_micro)

    def add_after_all(self, made: Purchase) -> None:
        """It has been paid, though its vendor said otherwise."""
        self._change(made, made.price_micro, -made.price_micro)

    def _change(self, made: Purchase, paid_micro: int, released_micro: int) -> None:
        if self._known == (made.created_at_s // DAY_S, self._file.turns.doubts):
            sites = self._sites.get(made.currency)
            if sites is not None:
                sums = sites.setdefault(made.site, _Sums())
                sums.paid_micro += paid_micro
                sums.released_micro += released_micro
