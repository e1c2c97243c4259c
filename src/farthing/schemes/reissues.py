"""What a payer who lost its wallet gets back, as purses and the wallet speak of it.

A purse with `reissues` asks its broker which instruments the account has (`Purse.survey`), and
gives each of them back without having it (`Purse.reclaim`). The mint answers that `take_back` with
a `Comeback`.
"""

import msgspec

from farthing import codec
from farthing.errors import Unfit
from farthing.schemes.messages import Asked

REST_AT_S_MAX = 253_402_300_799  # the last second of the year 9999: dates end there


class Lost(msgspec.Struct, frozen=True, kw_only=True):
    """An instrument that the broker has sold, wherever it is now."""

    id: str
    """As `Instrument.id`."""
    asked: Asked
    """What ends it and gives back the rest."""


class Comeback(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What a mint says to that."""

    rest_at_s: int
    """When the rest comes, unix seconds."""
    rest_micro: int
    """What may still be claimed for payments on their way; comes back where it is not."""
    returned_micro: int
    """What is in the account at once."""

    def __post_init__(self) -> None:
        """`Unfit` for what is no time or no amount."""
        if not 0 <= self.rest_at_s <= REST_AT_S_MAX:
            raise Unfit("time_out_of_range", "the rest comes at a time in unix seconds")
        if not min(self.rest_micro, self.returned_micro) >= 0:
            raise Unfit("amount_out_of_range", "amounts are not negative")
        if max(self.rest_micro, self.returned_micro) > codec.JSON_INT_MAX:
            raise Unfit("amount_out_of_range", f"amounts are at most {codec.JSON_INT_MAX}")
