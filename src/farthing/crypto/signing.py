"""Ed25519 (RFC 8032) through `cryptography`, whose OpenSSL refuses S >= L and a second form of R.

It takes public keys that are no point of order L or not canonically written; those are refused
here, since under a key of small order one signature fits every message.
"""

from functools import lru_cache

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)

from farthing.errors import Forged

SIGNATURE_BYTES = 64
KEYS_CACHED = 4096  # parsed keys kept; a parse costs about as much as a tenth of a check
VERIFIED_CACHED = 1024  # signatures known to be right, with what they are of: half a megabyte
SECRETS_CACHED = 64  # likewise; who signs has few keys, and a parse costs as much as a signature


_P = 2**255 - 19
_Y8 = 0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7
# y of the eight points whose order divides the cofactor 8: twice 1, -1 and 0, and four of order 8.
_SMALL_ORDER_Y = frozenset({0, 1, _P - 1, _Y8, _P - _Y8})


@lru_cache(maxsize=KEYS_CACHED)
def _public(raw: bytes) -> Ed25519PublicKey:
    y = int.from_bytes(raw, "little") & (2**255 - 1)
    if y >= _P or y in _SMALL_ORDER_Y:
        raise ValueError("not a canonical public key of large order")
    return Ed25519PublicKey.from_public_bytes(raw)


@lru_cache(maxsize=SECRETS_CACHED)
def _secret(raw: bytes) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(raw)


def sign(secret: bytes, message: bytes) -> bytes:
    """The 64-byte signature of `message` under a 32-byte secret key."""
    return _secret(secret).sign(message)


def public_of(secret: bytes) -> bytes:
    """The 32-byte public key of a 32-byte secret key."""
    return _secret(secret).public_key().public_bytes_raw()


def verify_again(public: bytes, message: bytes, signature: bytes) -> None:
    """As `verify`, for what its holder shows with every payment: only its first time costs."""
    _verified(public, message, signature)


@lru_cache(maxsize=VERIFIED_CACHED)
def _verified(public: bytes, message: bytes, signature: bytes) -> None:
    verify(public, message, signature)


def verify(public: bytes, message: bytes, signature: bytes) -> None:
    """`Forged` unless `signature` (64 bytes) is that of `public` (32 bytes) over `message`."""
    try:
        _public(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        raise Forged("signature_wrong", "the signature does not fit the message") from None
