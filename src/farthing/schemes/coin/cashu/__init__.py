"""Cashu: coins that an unmodified wallet of that network loads, sends, receives, pays and pays out.

- `keysets.py`: one key for each power of two, ids that everybody can compute.
- `messages.py`: proofs, outputs and signatures as wallets send them, within limits.
- `conditions.py`: what unlocks a coin: keys, a hash, a time (NUT-10, 11 and 14).
- `transactions.py`: what every transaction is held to. `tokens.py`, `payment_request.py`: coins as
  one string, and what a vendor asks for as one. `payout_code.py`: where coins go to an account.
- At our gates: `keylist.py`, `coinage.py`, `mint.py`, `purse.py`, `till.py`, as of all blind coins;
  `at_gate.py`: tokens of other wallets, and their change.
- Departures: our own wallet's payments are sealed to the broker and bound to vendor and request,
  and its coins follow from the wallet's seed another way than NUT-13's.

Source: the NUT specifications of the Cashu network, as of July 2026.
"""

from farthing.schemes.coin.cashu.mint import CashuMint
from farthing.schemes.coin.cashu.purse import CashuPurse
from farthing.schemes.coin.cashu.till import CashuTill
from farthing.schemes.coin.cashu.traits import TRAITS
from farthing.schemes.contract import Scheme

CASHU = Scheme(traits=TRAITS, mint=CashuMint, purse=CashuPurse, till=CashuTill)
