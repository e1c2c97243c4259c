"""The vendor's side of eCash: as of all blind coins."""

from farthing.schemes.coin.blind.till import BlindTill
from farthing.schemes.coin.ecash.coinage import COINAGE
from farthing.schemes.coin.ecash.traits import TRAITS


class EcashTill(BlindTill):
    """One vendor's till."""

    traits = TRAITS
    coinage = COINAGE
