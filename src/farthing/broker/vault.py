"""What must be kept and may not be readable on the disk: stored answers hold coins and tokens.

    key    = HKDF-SHA-256(broker's store key, info = "farthing/broker/vault/1")
    sealed = nonce (12 random bytes) ‖ ChaCha20-Poly1305(key, nonce, aad, plain)

Source: ours.
"""

import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from farthing.errors import Broken
from farthing.schemes.contract import Key

TAG = b"farthing/broker/vault/1"
NONCE_BYTES = 12


class Vault:
    """Seals and opens under one key. Its repr shows nothing."""

    def __init__(self, key: Key) -> None:
        """Under a key derived from the 32 secret bytes of `key`."""
        derived = HKDF(algorithm=SHA256(), length=32, salt=None, info=TAG).derive(key.secret)
        self._cipher = ChaCha20Poly1305(derived)

    def seal(self, plain: bytes, aad: bytes) -> bytes:
        """28 bytes longer than `plain`; opens only with the same `aad`."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, plain, aad)

    def open(self, sealed: bytes, aad: bytes) -> bytes:
        """What was sealed; `Broken` if the database or the key is not ours."""
        try:
            return self._cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], aad)
        except InvalidTag:
            raise Broken(
                "vault_unreadable", "database and key ring do not belong together; restore both"
            ) from None
