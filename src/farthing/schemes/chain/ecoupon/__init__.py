"""e-coupons: a day's credit at a vendor in segments, which can be handed to others.

- Source: Patil & Shyamasundar, "E-coupons: an efficient, secure and delegable micro-payment
  system", 2005; SPKI (RFC 2693) for delegation.
- `commitment.py`: many short chains under one signed root. `delegation.py`: who may spend which of
  them. `session.py`: how a holder begins, and what ties a payment to its request.
- `till.py`, `mint.py`, `purse.py`: what differs from the base of all chains on credit.
- Departures: Ed25519, a salted, indexed link, X25519 for the session key; a vendor binds a segment
  to the first holder that starts with it; segments of one length and unit (ours).
- Left out: TESLA, the source's other way to authenticate a payment. It is made for one who speaks
  to many without a secret in common. Holder and vendor have one here, so a payment is checked
  before its page is asked for. Under TESLA it is proved when its key is disclosed, some intervals
  later: until then a gate would deliver on what nobody has verified, and lose those units to
  whoever overheard them, or keep what it refuses, let every page wait and every purchase take two
  messages.
- Trust: as PayWord. Whoever got a purse can spend that purse, there and until then, no more.
"""

from farthing.schemes.chain.ecoupon.mint import EcouponMint
from farthing.schemes.chain.ecoupon.purse import EcouponPurse
from farthing.schemes.chain.ecoupon.till import EcouponTill
from farthing.schemes.chain.ecoupon.traits import TRAITS
from farthing.schemes.contract import Scheme

ECOUPON = Scheme(
    traits=TRAITS,
    mint=EcouponMint,
    purse=EcouponPurse,
    till=EcouponTill,
    options={"unit_micro": (200, 20)},
)
