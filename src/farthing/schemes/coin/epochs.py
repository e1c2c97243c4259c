"""When keys sign coins, and how long these are good: 90 days, 90 more, then 30 to exchange them.

    not before        signs until     not after           ends at
        |-- signed: 90 days --|-- spent: 90 more --|-- exchanged, returned: 30 --|

An epoch has a number, unix days by 90, the same for everybody. Source: ours.
"""

import msgspec

from farthing.errors import Expired, NotYetValid

DAY_S = 86_400
EPOCH_S = 90 * DAY_S  # a new key each quarter: what is stolen signs no longer
LATE_S = DAY_S  # an order that was made in time may arrive so late
GRACE_S = 30 * DAY_S  # the window of that name
SKEW_S = 120  # likewise
DISPUTE_S = 30 * DAY_S  # likewise
LISTED_S = 30 * DAY_S  # so long a wallet makes change with one list: keys may be rotated
EPOCH_MAX = 2**32 - 1  # it travels in four bytes


class Epoch(msgspec.Struct, frozen=True):
    """One period, by its number."""

    number: int

    @property
    def not_before_s(self) -> int:
        """When its keys begin to sign."""
        return self.number * EPOCH_S

    @property
    def signs_until_s(self) -> int:
        """When its keys end to sign; the next epoch's have begun."""
        return self.not_before_s + EPOCH_S

    @property
    def not_after_s(self) -> int:
        """When its coins end to pay."""
        return self.signs_until_s + EPOCH_S

    @property
    def ends_at_s(self) -> int:
        """When its coins are worth nothing any more."""
        return self.not_after_s + GRACE_S

    @property
    def kept_until_s(self) -> int:
        """How long is remembered which of its coins are spent."""
        return self.ends_at_s + SKEW_S + DISPUTE_S

    def require_signing(self, now_s: int) -> None:
        """`NotYetValid`, `Expired` unless its keys sign now."""
        if now_s < self.not_before_s - SKEW_S:
            raise NotYetValid("keyset_not_yet_valid", "these keys do not sign yet")
        if now_s > self.signs_until_s + LATE_S:
            raise Expired("keyset_over", "these keys do not sign any more: ask for the list")

    def require_spendable(self, now_s: int) -> None:
        """`NotYetValid`, `Expired` unless its coins pay now."""
        if now_s < self.not_before_s - SKEW_S:
            raise NotYetValid("keyset_not_yet_valid", "no such coin is out yet")
        if now_s > self.not_after_s + SKEW_S:
            raise Expired("coin_expired", "this coin pays no more: return it while there is time")

    def require_exchangeable(self, now_s: int) -> None:
        """`NotYetValid`, `Expired` unless its coins can be exchanged or returned now."""
        if now_s < self.not_before_s - SKEW_S:
            raise NotYetValid("keyset_not_yet_valid", "no such coin is out yet")
        if now_s > self.ends_at_s + SKEW_S:
            raise Expired("coin_over", "this coin is worth nothing any more")


def epoch_at(now_s: int) -> Epoch:
    """The epoch whose keys sign now."""
    return Epoch(now_s // EPOCH_S)
