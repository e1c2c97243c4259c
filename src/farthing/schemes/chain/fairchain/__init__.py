"""The fair prepaid chain: half a unit before the page, the other half after it, no public key.

- Source: Yang, Lang & Tan 2004/05, from its abstracts; the construction is ours.
- `ticket.py`: a range of an escrow for one vendor, and its links. `till.py`: the vendor's counters.
- `mint.py`: the broker opens escrows under pseudonyms, assigns ranges, pays released units and
  charges committed ones. `escrow.py`: what it keeps of them. `purse.py`: the wallet's side.
- Keys are symmetric: the vendor's own, which it granted to the broker (K_VB), and one that the
  broker derives for each escrow and gives to its payer (K_PB).
- Departures: a page is one unit of its ticket, since a word of a later unit gives the earlier ones
  away; what a ticket leaves goes back to the account and its range is not assigned again.
"""

from farthing.schemes.chain.fairchain.mint import FairMint
from farthing.schemes.chain.fairchain.purse import FairPurse
from farthing.schemes.chain.fairchain.ticket import TRAITS
from farthing.schemes.chain.fairchain.till import FairTill
from farthing.schemes.contract import Scheme

FAIRCHAIN = Scheme(traits=TRAITS, mint=FairMint, purse=FairPurse, till=FairTill)
