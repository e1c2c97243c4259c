"""Schnorr signatures on secp256k1 over SHA-256 of a message: what unlocks a Cashu coin.

A key is named by its 33 compressed bytes; the signature sees only x, so two keys that differ in
the sign of y are one. Source: BIP-340, as NUT-11 and NUT-20 use it.
"""

import hashlib

from coincurve import PrivateKey, PublicKey, PublicKeyXOnly

from farthing.errors import Forged, Malformed

SIGNATURE_BYTES = 64
KEY_BYTES = 33


def sign(secret: bytes, message: bytes) -> bytes:
    """64 bytes over SHA-256 of the message; the same for the same message."""
    return PrivateKey(secret).sign_schnorr(hashlib.sha256(message).digest(), b"")


def x_of(public: bytes) -> bytes:
    """The 32 bytes that name a key here; `Malformed` where 33 bytes are no point."""
    if len(public) != KEY_BYTES:
        raise Malformed("point_malformed", "a public key is 33 bytes, compressed")
    try:
        return PublicKey(public).format()[1:]
    except ValueError:
        raise Malformed("point_malformed", "this is no point of secp256k1") from None


def verify(x: bytes, message: bytes, signature: bytes) -> None:
    """`Forged` unless `signature` is that of the key with this x over the message."""
    try:
        right = PublicKeyXOnly(x).verify(signature, hashlib.sha256(message).digest())
    except ValueError:
        right = False
    if not right:
        raise Forged("signature_wrong", "the signature does not fit the message")
