"""eCash: coins that a broker signed without seeing them, so that nobody can tell who pays whom.

- Source: Chaum 1982 and DigiCash's eCash; the blind signatures are RFC 9474's. The binding, the
  derivation and the messages are ours.
- `keyset.py`: one key a denomination and epoch. `coin.py`: coins in a box that only the broker
  opens. `messages.py`: what is sent. `opening.py`: its cryptography at the broker.
- `mint.py`: withdrawals, deposits, exchanges, proofs. `making.py`, `pocket.py`, `purse.py`: the
  wallet's side, all of it from one seed. `till.py`: the vendor's.
- Departures: one modulus a denomination where Chaum had one exponent each on one modulus; change
  comes from the broker through the vendor, sealed, where DigiCash's wallets kept small coins.
"""

from farthing.schemes.coin.ecash.mint import CoinMint
from farthing.schemes.coin.ecash.purse import CoinPurse
from farthing.schemes.coin.ecash.till import CoinTill
from farthing.schemes.coin.ecash.traits import TRAITS
from farthing.schemes.contract import Scheme

ECASH = Scheme(traits=TRAITS, mint=CoinMint, purse=CoinPurse, till=CoinTill)
