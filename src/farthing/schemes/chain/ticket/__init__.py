"""Lottery-ticket chains: each link is a ticket, and only winning ones go to the broker.

- Source: Rivest, "Electronic lottery tickets as micropayments", 1997; bets are Wheeler's, 1996.
- `commitment.py`: what the payer signs, and the draw. `till.py`: the vendor's chain, drawn against
  the payer's. `mint.py`: winners are paid. `purse.py`: the wallet's chains.
- Vendor and payer both have a chain. The vendor's root goes out in the offer, then the payer
  commits to it with a root of its own. Ticket i wins if a hash of both i-th words is below
  2^64 / odds: neither can foresee or bend a draw, and any odds are exact. A jump of k links is k
  tickets, and each of them is drawn.
- Departures, ours: the vendor's root is not signed. The payer's commitment names it, the vendor
  knows it again by making it anew, and the broker checks claims against what the payer signed, so
  nobody would look at that signature. The vendor's chain follows from its key and a random session,
  without the payer, who is not known when it goes out: one mark lets one commitment use it.
- Trust: the broker stands for prizes within the credit of the commitment's slots; wins above it are
  the vendor's loss, and a pledge leaves so much room that this is one chain in a million. What one
  purchase costs may be a prize for each ticket of it, or nothing; the price is right on average.
"""

from farthing.schemes.chain.ticket.commitment import TRAITS
from farthing.schemes.chain.ticket.mint import TicketMint
from farthing.schemes.chain.ticket.purse import TicketPurse
from farthing.schemes.chain.ticket.till import TicketTill
from farthing.schemes.contract import Scheme

TICKET = Scheme(
    traits=TRAITS,
    mint=TicketMint,
    purse=TicketPurse,
    till=TicketTill,
    options={"unit_micro": (50,), "odds": (1, 4)},
)
