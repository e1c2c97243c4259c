"""PayWord: credit, one signature per vendor and day, one hash per payment.

- Source: Rivest & Shamir, "PayWord and MicroMint: two simple micropayment schemes", 1996.
- `commitment.py`: certificate and commitment. `till.py`: the vendor's counters and claims.
- `mint.py`: the broker certifies payers and bills the last word. `purse.py`: the wallet's chains.
- Departures: Ed25519 for RSA; a salted, indexed link; several denominations under one commitment.
- Trust: the broker bears a payer's credit up to the limit for each vendor and day, V above it.
"""

from farthing.schemes.chain.payword.commitment import TRAITS
from farthing.schemes.chain.payword.mint import PaywordMint
from farthing.schemes.chain.payword.purse import PaywordPurse
from farthing.schemes.chain.payword.till import PaywordTill
from farthing.schemes.contract import Scheme

PAYWORD = Scheme(
    traits=TRAITS,
    mint=PaywordMint,
    purse=PaywordPurse,
    till=PaywordTill,
    options={"unit_micro": (200, 20)},
)
