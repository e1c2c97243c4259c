"""Coins and blinded messages in bytes, as they lie in a box.

    ref     = epoch(4) ‖ exponent(1) ‖ keyset id(16)
    coin    = ref ‖ serial(32) ‖ prefix(32) ‖ signature(256)
    output  = ref ‖ blinded message(256)

The signature is RSABSSA-SHA384-PSS-Randomized's over enc(coin tag, keyset id, serial). Source: RFC
9474; the bytes are ours.
"""

import struct

import msgspec

from farthing import codec
from farthing.crypto import blind_rsa
from farthing.errors import Malformed
from farthing.schemes.coin.ecash.keyset import ID_BYTES, SIZE_BYTES, Ref

VARIANT = blind_rsa.PSS_RANDOMIZED
COIN_TAG = "farthing/ecash/coin/1"
SERIAL_BYTES = 32
_COIN = struct.Struct(f">IB{ID_BYTES}s{SERIAL_BYTES}s{blind_rsa.PREFIX_BYTES}s{SIZE_BYTES}s")
_OUTPUT = struct.Struct(f">IB{ID_BYTES}s{SIZE_BYTES}s")


class Coin(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One coin. Its repr shows nothing that pays."""

    ref: Ref
    serial: bytes
    prefix: bytes
    signature: bytes

    def __repr__(self) -> str:
        """Its worth only."""
        return f"Coin({self.ref.micro})"

    @property
    def prepared(self) -> bytes:
        """What is signed."""
        return prepared(self.ref, self.serial, self.prefix)

    @property
    def raw(self) -> bytes:
        """As it travels."""
        return _COIN.pack(*_fields(self.ref), self.serial, self.prefix, self.signature)


class Output(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A blinded message, to be signed with the key that it names."""

    ref: Ref
    blinded: bytes

    @property
    def raw(self) -> bytes:
        """As it travels."""
        return _OUTPUT.pack(*_fields(self.ref), self.blinded)


def prepared(ref: Ref, serial: bytes, prefix: bytes) -> bytes:
    """What the key of `ref` signs of a serial."""
    return prefix + codec.enc(COIN_TAG, ref.id, serial)


def read_coin(raw: bytes) -> Coin:
    """A coin; `Malformed`."""
    if len(raw) != _COIN.size:
        raise Malformed("coin_malformed", f"a coin has {_COIN.size} bytes")
    *ref, serial, prefix, signature = _COIN.unpack(raw)
    return Coin(ref=Ref(*ref), serial=serial, prefix=prefix, signature=signature)


def read_output(raw: bytes) -> Output:
    """An output; `Malformed`."""
    if len(raw) != _OUTPUT.size:
        raise Malformed("output_malformed", f"an output has {_OUTPUT.size} bytes")
    *ref, blinded = _OUTPUT.unpack(raw)
    return Output(ref=Ref(*ref), blinded=blinded)


def _fields(ref: Ref) -> tuple[int, int, bytes]:
    return ref.epoch, ref.exponent, ref.id
