"""The payer's side of Cashu at a gate of ours: pockets of coins, as of all blind coins."""

from farthing.schemes.coin.blind.kept import Readers
from farthing.schemes.coin.blind.purse import BlindPurse
from farthing.schemes.coin.cashu import tokens
from farthing.schemes.coin.cashu.coinage import COINAGE
from farthing.schemes.coin.cashu.keylist import KeyList
from farthing.schemes.coin.cashu.traits import TRAITS


class CashuPurse(BlindPurse[KeyList]):
    """One wallet's coins of one broker."""

    traits = TRAITS
    coinage = COINAGE
    readers = Readers(KeyList)
    bearer_prefixes = (tokens.V4_PREFIX, tokens.V3_PREFIX)

    @classmethod
    def issuer_of(cls, text: str) -> str:
        """The mint that a token names."""
        return tokens.read(text).mint
