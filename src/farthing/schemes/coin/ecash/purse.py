"""The payer's side of eCash: pockets of coins, as of all blind coins."""

from farthing.schemes.coin.blind.kept import Readers
from farthing.schemes.coin.blind.purse import BlindPurse
from farthing.schemes.coin.ecash.coinage import COINAGE
from farthing.schemes.coin.ecash.keyset import KeysetList
from farthing.schemes.coin.ecash.traits import TRAITS


class EcashPurse(BlindPurse[KeysetList]):
    """One wallet's coins of one broker."""

    traits = TRAITS
    coinage = COINAGE
    readers = Readers(KeysetList)
