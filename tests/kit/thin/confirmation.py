"""Offers and confirmations of the thin METEORE.

Toy: an offer is a MAC under a key that vendor and broker share, where the real one is signed.
"""

import msgspec

from farthing import codec
from farthing.crypto import signing
from farthing.crypto.mac import mac
from farthing.errors import WrongVendor


class Order(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An offer as the payer shows it to the broker."""

    mac: str
    offer: str
    price: int
    until: int
    vendor: str

    def sealed(self, shared: bytes) -> str:
        return codec.b64u(mac(16, shared, self.offer, self.price, self.until, self.vendor))


class Confirmation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The broker's word that an offer was paid; the payment, and the claim."""

    offer: str
    price: int
    sig: str
    tx: str
    vendor: str

    def signed(self) -> bytes:
        return codec.canonical(msgspec.structs.replace(self, sig=""))

    def verify(self, public: bytes, vendor: str) -> None:
        if self.vendor != vendor:
            raise WrongVendor("confirmation_for_another_vendor", "carry it to its own vendor")
        signing.verify(public, self.signed(), codec.unb64u(self.sig))
