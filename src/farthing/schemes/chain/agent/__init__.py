"""A Micropayment System: prepaid tokens that the broker makes, for one vendor or for all.

- Source: "A Micropayment System: generic and specific tokens", 2005.
- `certificate.py`: what broker and payer sign. `issued.py`: what the broker keeps of a certificate.
- `mint.py`: the broker sells tokens, pays openings and takes back. `till.py`: the vendor's side.
- `authorization.py`: the numbers that a separate web application looks up.
- `purse.py`: the payer's tokens, as a seed and a place at each vendor.
- Generic tokens are parted into segments with a seed each; a segment is used at one vendor, under
  an opening that the payer signs (ours, F1). The paper's one chain for all vendors lets a vendor
  claim tokens that were paid to another: the tests play that fraud, and in the paper's own format
  it works. The paper's other mends (F2, F3) are there as formats that stop it, and nowhere else.
- Departures: tokens of 16 bytes; Ed25519; a certificate does not revoke the one before it, since
  two devices or two requests at once would cut each other off; the broker keeps no token; what is
  re-issued rests in the payer's account.
- Trust: the payer trusts the broker with its money; a vendor lets a payer have what its cap allows
  on openings that the broker has not acknowledged.
"""

from farthing.schemes.chain.agent.certificate import TRAITS
from farthing.schemes.chain.agent.mint import AgentMint
from farthing.schemes.chain.agent.purse import AgentPurse
from farthing.schemes.chain.agent.till import AgentTill
from farthing.schemes.contract import Scheme

AGENT = Scheme(
    traits=TRAITS,
    mint=AgentMint,
    purse=AgentPurse,
    till=AgentTill,
    options={
        "authorize": (False, True),
        "mode": ("generic", "specific"),
        "unacknowledged_micro_max": (10_000, 0),
        "unit_micro": (100, 20),
    },
)
