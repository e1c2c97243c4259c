"""e-coupons: a day's credit at a vendor in segments, which can be handed to others.

- Source: Patil & Shyamasundar, "E-coupons: an efficient, secure and delegable micro-payment
  system", 2005; SPKI (RFC 2693) for delegation.
- `commitment.py`: many short chains under one signed root. `delegation.py`: who may spend which of
  them. `session.py`: how a holder begins, and what ties a payment to its request; `tesla.py`: the
  same without a secret in common, where a vendor asks for it (`demand.py`).
- `till.py`, `mint.py`, `purse.py`: what differs from the base of all chains on credit. `payment.py`
  is what goes between them, `coupons.py` what a wallet keeps.
- Departures: Ed25519, a salted, indexed link, X25519 for the session key; a vendor binds a segment
  to the first holder that starts with it; segments of one length and unit (ours).
- A payment is authenticated by a MAC under a session key, before its page is asked for. With the
  vendor's option `authentication = "tesla"` (RFC 4082) there is no secret in common: it is proved
  when a later payment shows its key, after its page is out.
- Risked with TESLA: who alters a payment on its way has its words pay for a page of his own, and
  the holder has paid for it; up to `unverified_micro_max` a session, whose last payments are never
  proved. The vendor is paid in any case: what is redeemed is the words. A payment that is found
  forged ends its session; a purse that was handed over ends with it.
- Trust: as PayWord. Whoever got a purse can spend that purse, there and until then, no more.
"""

from farthing.schemes.chain.ecoupon.demand import (
    AUTHENTICATION,
    AUTHENTICATIONS,
    DELAY,
    INTERVAL_S,
    UNVERIFIED_MICRO_MAX,
)
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
    options={
        "unit_micro": (200, 20),
        AUTHENTICATION: AUTHENTICATIONS,
        "tesla_delay": (DELAY,),
        "tesla_interval_s": (INTERVAL_S,),
        "unverified_micro_max": (UNVERIFIED_MICRO_MAX,),
    },
)
