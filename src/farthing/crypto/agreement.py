"""X25519 (RFC 7748): a key that two parties share, and messages sealed to one party's public key.

``key = BLAKE2b(key = X25519(secret, public), tag ‖ fields)``, 32 bytes: the caller's tag gives the
key its purpose, and the fields name both public halves, as RFC 7748 asks.
``sealed = ephemeral(32) ‖ box(key, nonce, ephemeral ‖ recipient, message)`` (ours, after ECIES).
"""

from functools import lru_cache

from cryptography.hazmat.primitives.asymmetric.x25519 import (
    X25519PrivateKey,
    X25519PublicKey,
)

from farthing.crypto import sealing
from farthing.crypto.mac import mac
from farthing.errors import Forged

KEY_BYTES = 32
ENTROPY_BYTES = KEY_BYTES + sealing.NONCE_BYTES  # of one sealed message
SECRETS_CACHED = 64  # parsed keys kept: who agrees on keys has few of its own


@lru_cache(maxsize=SECRETS_CACHED)
def _secret(raw: bytes) -> X25519PrivateKey:
    return X25519PrivateKey.from_private_bytes(raw)


@lru_cache(maxsize=SECRETS_CACHED)
def public_of(secret: bytes) -> bytes:
    """The public half of a secret of 32 bytes."""
    return _secret(secret).public_key().public_bytes_raw()


def shared_key(secret: bytes, public: bytes, tag: str, *fields: bytes | str | int) -> bytes:
    """The 32-byte key under `tag` that both sides find; `Forged` for a public half of low order."""
    try:
        agreed = _secret(secret).exchange(X25519PublicKey.from_public_bytes(public))
    except ValueError:
        raise Forged("public_key_unusable", "no key is agreed on with this public half") from None
    return mac(KEY_BYTES, agreed, tag, *fields)


def seal_to(public: bytes, tag: str, message: bytes, entropy: bytes) -> bytes:
    """`message` for whoever has the secret of `public`; `entropy` is 44 random bytes, used once."""
    ephemeral, nonce = entropy[:KEY_BYTES], entropy[KEY_BYTES:ENTROPY_BYTES]
    own = public_of(ephemeral)
    key = shared_key(ephemeral, public, tag, own, public)
    return own + sealing.box(key, nonce, own + public, message)


def unseal_with(secret: bytes, tag: str, sealed: bytes) -> bytes:
    """The message; `Forged` unless it was sealed to this key under `tag`, as it stands."""
    theirs, own = sealed[:KEY_BYTES], public_of(secret)
    if len(theirs) != KEY_BYTES:
        raise Forged("seal_broken", "this was not sealed with the shared key")
    key = shared_key(secret, theirs, tag, theirs, own)
    return sealing.unbox(key, theirs + own, sealed[KEY_BYTES:])
