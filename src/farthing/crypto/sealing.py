"""Sealed messages of a padded length: ChaCha20-Poly1305 (RFC 8439), one key a direction.

``sealed = nonce(12) ‖ AEAD(key, nonce, aad, pad(message))``. `pad` puts the length in 4 bytes in
front and fills with zeros to the next 4 KiB, so an observer learns the length in steps only.
"""

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from farthing.errors import Forged, TooLarge

NONCE_BYTES = 12
TAG_BYTES = 16
STEP_BYTES = 4096
MESSAGE_BYTES_MAX = 1024 * 1024  # padded: a private answer is buffered whole
_LENGTH_BYTES = 4


def pad(message: bytes) -> bytes:
    """The message with its length, filled to a multiple of 4 KiB; `TooLarge` above 1 MiB."""
    size_bytes = _LENGTH_BYTES + len(message)
    padded_bytes = -(-size_bytes // STEP_BYTES) * STEP_BYTES
    if padded_bytes > MESSAGE_BYTES_MAX:
        raise TooLarge("private_message_too_large", f"at most {MESSAGE_BYTES_MAX} bytes, padded")
    return len(message).to_bytes(_LENGTH_BYTES, "big") + message.ljust(
        padded_bytes - _LENGTH_BYTES, b"\0"
    )


def unpad(padded: bytes) -> bytes:
    """What was padded; `Forged` for any other form."""
    length = int.from_bytes(padded[:_LENGTH_BYTES], "big")
    message = padded[_LENGTH_BYTES : _LENGTH_BYTES + length]
    if len(message) != length or pad(message) != padded:
        raise Forged("padding_wrong", "this is not how private messages are padded")
    return message


def seal(key: bytes, nonce: bytes, aad: bytes, message: bytes) -> bytes:
    """Nonce and ciphertext; `key` is 32 bytes, `nonce` 12 fresh random ones."""
    return box(key, nonce, aad, pad(message))


def unseal(key: bytes, aad: bytes, sealed: bytes) -> bytes:
    """The message; `Forged` unless it was sealed under this key and `aad`, as it stands."""
    if len(sealed) > NONCE_BYTES + MESSAGE_BYTES_MAX + TAG_BYTES:
        raise TooLarge("private_message_too_large", f"at most {MESSAGE_BYTES_MAX} bytes, padded")
    return unpad(unbox(key, aad, sealed))


def box(key: bytes, nonce: bytes, aad: bytes, message: bytes) -> bytes:
    """As `seal`, of the message's own length: for what lies on a disk."""
    return nonce + ChaCha20Poly1305(key).encrypt(nonce, message, aad)


def unbox(key: bytes, aad: bytes, boxed: bytes) -> bytes:
    """The message; `Forged` unless it was boxed under this key and `aad`, as it stands."""
    try:
        return ChaCha20Poly1305(key).decrypt(boxed[:NONCE_BYTES], boxed[NONCE_BYTES:], aad)
    except (InvalidTag, ValueError):
        raise Forged("seal_broken", "this was not sealed with the shared key") from None
