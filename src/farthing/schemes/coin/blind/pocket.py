"""A pocket: coins that were withdrawn together, and the change that came back of them.

It is one instrument. What it needs to make more coins is in it: the list of keys, and how far its
counters are; the secrets follow from the wallet's seed.
"""

from typing import Generic

import msgspec

from farthing import codec
from farthing.schemes.coin.blind.coinage import Coinage, K, Slot
from farthing.schemes.contract import Instrument


class Held(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """One coin. Its repr shows nothing that pays."""

    slot: Slot
    signature: bytes

    def __repr__(self) -> str:
        """Its worth only."""
        return f"Held({self.slot.micro})"


class Pocket(msgspec.Struct, Generic[K], frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Coins, and how to make more."""

    coins: tuple[Held, ...] = ()
    counters: dict[str, int] = {}
    """By key: how many coins of it were asked for."""
    keysets: K
    listed_s: int = 0
    """When its list of keys came, unix seconds; 0: longer ago than anybody knows."""
    number: int
    """Which of its wallet's."""
    payments: int = 0
    """How many were made, whatever came of them: each has keys of its own."""

    @property
    def worth_micro(self) -> int:
        """What its coins are worth."""
        return sum(coin.slot.micro for coin in self.coins)

    def with_coins(self, more: tuple[Held, ...]) -> "Pocket[K]":
        """With more coins in it."""
        return msgspec.structs.replace(self, coins=self.coins + more)

    def merge(self, before: "Pocket[K]", after: "Pocket[K]") -> "Pocket[K]":
        """What this is by now, once a payment counts that made `after` of `before`."""
        gone = set(before.coins) - set(after.coins)
        more = tuple(held for held in after.coins if held not in before.coins)
        labels = self.counters | after.counters
        return msgspec.structs.replace(
            max(self, after, key=lambda pocket: pocket.listed_s),
            coins=tuple(held for held in self.coins if held not in gone) + more,
            counters={
                label: max(self.counters.get(label, 0), after.counters.get(label, 0))
                for label in labels
            },
            payments=max(self.payments, after.payments),
        )

    def instrument(self, coinage: Coinage[K], currency: str) -> Instrument:
        """As the wallet keeps it; it ends with its last coin."""
        periods = [coin.slot.period for coin in self.coins] or [self.keysets.period]
        return Instrument(
            id=f"{coinage.short}:{self.number}",
            scheme=coinage.name,
            vendor_id="",
            currency=currency,
            worth_micro=self.worth_micro,
            expires_at_s=max(coinage.pays_until_s(period) for period in periods),
            body=codec.canonical(self),
        )
