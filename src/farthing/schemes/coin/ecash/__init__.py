"""eCash: coins that a broker signed without seeing them, so that nobody can tell who pays whom.

- Source: Chaum 1982 and DigiCash's eCash; the blind signatures are RFC 9474's. The binding, the
  derivation and the messages are ours.
- `keyset.py`: one key a denomination and epoch. `coin.py`: coins in bytes. `coinage.py`: how a
  wallet makes and handles them. `mint.py`: the broker's side. All else is that of blind coins.
- Departures: one modulus a denomination where Chaum had one exponent each on one modulus; change
  comes from the broker through the vendor, sealed, where DigiCash's wallets kept small coins.
"""

from farthing.schemes.coin.ecash.mint import EcashMint
from farthing.schemes.coin.ecash.purse import EcashPurse
from farthing.schemes.coin.ecash.till import EcashTill
from farthing.schemes.coin.ecash.traits import TRAITS
from farthing.schemes.contract import Scheme

ECASH = Scheme(traits=TRAITS, mint=EcashMint, purse=EcashPurse, till=EcashTill)
