"""Protocol B: request and answer sealed under keys that payer and vendor share.

Notation (`scrip.py` has the rest)::

    k_p2v, k_v2p = mac32(secret, <tag>)
    aad          = enc(private/1, vendor, payer_id)                   of a request
    aad'         = enc(private/1, vendor, payer_id, SHA-256(sealed))  of the answer to it
    sealed       = nonce(12) ‖ ChaCha20-Poly1305(key, nonce, aad, pad(message))

Source: the paper's protocol B; the AEAD, the padding and the second aad are ours. An old answer
does not open as the answer to another request, and the payer_id stays clear because the vendor
derives the keys from it.
"""

import hashlib
from functools import lru_cache

from farthing import codec
from farthing.crypto import sealing
from farthing.crypto.mac import mac
from farthing.schemes.mac.millicent.scrip import SECRETS_CACHED

P2V_TAG = "farthing/millicent/p2v/1"
V2P_TAG = "farthing/millicent/v2p/1"
PRIVATE_TAG = "farthing/millicent/private/1"
PAYER_BYTES = 8  # of a payer_id


@lru_cache(maxsize=SECRETS_CACHED)
def p2v_key(secret: bytes) -> bytes:
    """k_p2v of a payer's secret."""
    return mac(32, secret, P2V_TAG)


@lru_cache(maxsize=SECRETS_CACHED)
def v2p_key(secret: bytes) -> bytes:
    """k_v2p of a payer's secret."""
    return mac(32, secret, V2P_TAG)


def request_aad(vendor: str, payer: bytes) -> bytes:
    """What a sealed request is tied to; `payer` is the payer_id, 8 bytes."""
    return codec.enc(PRIVATE_TAG, vendor, payer)


def answer_aad(vendor: str, payer: bytes, request: bytes) -> bytes:
    """What a sealed answer is tied to: besides, the very request that it answers."""
    return codec.enc(PRIVATE_TAG, vendor, payer, hashlib.sha256(request).digest())


def seal_request(secret: bytes, vendor: str, payer: bytes, nonce: bytes, message: bytes) -> bytes:
    """The payer's `message`, sealed; `nonce` is 12 fresh random bytes. `TooLarge`."""
    return sealing.seal(p2v_key(secret), nonce, request_aad(vendor, payer), message)


def unseal_request(secret: bytes, vendor: str, payer: bytes, sealed: bytes) -> bytes:
    """What the payer sealed; `Forged`, `TooLarge`."""
    return sealing.unseal(p2v_key(secret), request_aad(vendor, payer), sealed)


def seal_answer(
    secret: bytes, vendor: str, payer: bytes, request: bytes, nonce: bytes, message: bytes
) -> bytes:
    """The vendor's `message`, sealed as the answer to `request`; `TooLarge`."""
    return sealing.seal(v2p_key(secret), nonce, answer_aad(vendor, payer, request), message)


def unseal_answer(secret: bytes, vendor: str, payer: bytes, request: bytes, sealed: bytes) -> bytes:
    """What the vendor sealed in answer to `request`; `Forged`, `TooLarge`."""
    return sealing.unseal(v2p_key(secret), answer_aad(vendor, payer, request), sealed)
