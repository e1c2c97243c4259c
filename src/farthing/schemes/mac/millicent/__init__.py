"""MilliCent: prepaid scrip of one vendor, checked by that vendor alone.

- Source: Glassman, Manasse, Abadi, Gauthier, Sobalvarro, "The Millicent Protocol for Inexpensive
  Electronic Commerce", WWW4, 1995.
- `scrip.py`: the fields, their certificate and the keys. `till.py`: the vendor's checks and change.
- `private.py`: protocol B, which hides request and answer. The others: A in clear, C signed.
- `mint.py`: the broker mints under a vendor's licence and pays claims. `purse.py`: the wallet.
- `own_scrip.py`: the broker's scrip, which buys others'. `abroad.py`: scrip of another broker.
- Departures: keyed BLAKE2b for MD5; the payer carries the vendor's burn receipt at a cash-out;
  receipts are MACed, so altered change is noticed; value is pooled per vendor and expiry day.
- Trust: payers trust the broker with their float and a vendor with one purchase.
"""

from farthing.schemes.contract import Scheme
from farthing.schemes.mac.millicent.mint import MillicentMint
from farthing.schemes.mac.millicent.purse import MillicentPurse
from farthing.schemes.mac.millicent.scrip import PROTOCOLS, TRAITS
from farthing.schemes.mac.millicent.till import MillicentTill
from farthing.schemes.mac.millicent.vendor_mint import MillicentVendorMint

MILLICENT = Scheme(
    traits=TRAITS,
    mint=MillicentMint,
    purse=MillicentPurse,
    till=MillicentTill,
    vendor_mint=MillicentVendorMint,
    options={"protocol": PROTOCOLS, "renew_fee_e4": (0, 100)},
)
