"""A pocket: coins that were withdrawn together, and the change that came back of them.

It is one instrument. What it needs to make more coins is in it: the list of keys, and how far its
counters are; the secrets follow from the wallet's seed.
"""

from collections.abc import Mapping

import msgspec

from farthing import codec
from farthing.schemes.coin.ecash.keyset import KeysetList
from farthing.schemes.coin.ecash.making import Slot
from farthing.schemes.coin.ecash.traits import TRAITS
from farthing.schemes.coin.epochs import Epoch
from farthing.schemes.contract import Instrument


class Held(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """One coin. Its repr shows nothing that pays."""

    slot: Slot
    signature: bytes

    def __repr__(self) -> str:
        """Its worth only."""
        return f"Held({self.slot.micro})"


class Pocket(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Coins, and how to make more."""

    coins: tuple[Held, ...] = ()
    counters: dict[str, int] = {}
    """By keyset id: how many coins of it were asked for."""
    keysets: KeysetList
    number: int
    """Which of its wallet's."""
    payments: int = 0
    """How many were made."""

    @property
    def worth_micro(self) -> int:
        """What its coins are worth."""
        return sum(coin.slot.micro for coin in self.coins)

    def with_coins(self, more: tuple[Held, ...]) -> "Pocket":
        """With more coins in it."""
        return msgspec.structs.replace(self, coins=self.coins + more)

    def counted(self, counters: Mapping[str, int]) -> "Pocket":
        """With its counters further on."""
        return msgspec.structs.replace(self, counters=dict(counters))

    def instrument(self, currency: str) -> Instrument:
        """As the wallet keeps it; it ends with its last coin."""
        epochs = [coin.slot.epoch for coin in self.coins] or [self.keysets.epoch]
        return Instrument(
            id=f"ec:{self.number}",
            scheme=TRAITS.name,
            vendor_id="",
            currency=currency,
            worth_micro=self.worth_micro,
            expires_at_s=Epoch(max(epochs)).not_after_s,
            body=codec.canonical(self),
        )


POCKETS = codec.Reader(Pocket)
