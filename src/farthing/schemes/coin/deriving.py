"""What a wallet makes its coins of: everything follows from one seed, and can be made again of it.

    secret = MAC(seed, tag of the scheme and kind, broker, pocket, keyset id, counter)

A wallet numbers its pockets, and a pocket counts what it has had signed by each keyset. So a wallet
that has lost all but the seed makes the same secrets in the same order, and asks the broker which
of them were signed. Source: ours, after NUT-13.
"""

import msgspec

from farthing.crypto.mac import mac
from farthing.schemes.contract import Ring

SEED = "farthing/wallet/coins/1"
GAP = 4  # counters without a signature after which there are no more: only what is paid counts
SECRET_BYTES = 32


class Maker(msgspec.Struct, frozen=True):
    """Makes the secrets of one pocket. Its repr shows none."""

    seed: bytes
    broker_id: str
    pocket: int

    def __repr__(self) -> str:
        """The pocket only."""
        return f"Maker({self.pocket})"

    def secret(
        self, tag: str, keyset_id: bytes, counter: int, size_bytes: int = SECRET_BYTES
    ) -> bytes:
        """32 bytes, or as many as are asked for, for one purpose."""
        fields = (self.broker_id, self.pocket, keyset_id, counter)
        return mac(size_bytes, self.seed, tag, *fields)


def maker_of(ring: Ring, broker_id: str, pocket: int) -> Maker:
    """Of the wallet whose ring it is."""
    return Maker(ring.current(SEED).secret, broker_id, pocket)
