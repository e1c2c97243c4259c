"""Orders, endorsements and sealed goods of the thin NetBill.

Toys: goods are sealed with a hash stream, and an endorsement is a MAC under a key that vendor and
broker share.
"""

import hashlib
from itertools import count

import msgspec

from farthing import codec
from farthing.crypto import signing
from farthing.crypto.mac import mac, require_equal
from farthing.errors import Mismatch


class Order(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the payer signs; as a payment it travels as it is."""

    goods: str
    """SHA-256 of the sealed goods."""
    key: str
    """SHA-256 of the key."""
    order: str
    price: int
    public: str
    sig: str
    until: int
    vendor: str

    def signed(self) -> bytes:
        return codec.canonical(msgspec.structs.replace(self, sig=""))

    def verify(self) -> None:
        signing.verify(codec.unb64u(self.public), self.signed(), codec.unb64u(self.sig))


class Endorsed(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """An order, and what the vendor adds; a status query adds nothing."""

    key: str = ""
    mac: str = ""
    order: Order

    def verify(self, shared: bytes) -> None:
        key = codec.unb64u(self.key)
        if digest(key) != self.order.key:
            raise Mismatch("key_not_as_ordered", "this is not the key that was ordered")
        expected = mac(16, shared, self.order.signed(), key)
        require_equal("endorsement_wrong", codec.unb64u(self.mac), expected)


def endorsed(order: Order, key: bytes, shared: bytes) -> Endorsed:
    made = codec.b64u(mac(16, shared, order.signed(), key))
    return Endorsed(key=codec.b64u(key), mac=made, order=order)


def digest(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest()


def sealing(key: bytes, goods: bytes) -> bytes:
    """Seals, and opens what was sealed."""
    blocks = zip(count(), goods[::32], strict=False)
    stream = b"".join(mac(32, key, number) for number, _ in blocks)
    return bytes(a ^ b for a, b in zip(goods, stream, strict=False))
