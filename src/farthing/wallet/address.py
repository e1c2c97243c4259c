"""Where a wallet can be handed something: two public keys, and what is sealed to them.

``address = "fa1" + base64url(nonce(16) ‖ Ed25519(32) ‖ X25519(32) ‖ check(4))``
``token = "fg1" + base64url(nonce(16) ‖ sealed)``

Both secrets follow from the wallet's own key and the nonce, so that every address is another, no
two can be tied together, and nothing has to be kept of them. A token is sealed to its receiver
(ours): a certificate names the receiver's key anyway, since whoever hands something over must not
be able to sign as who got it; so nothing is gained by a token that works for whoever finds it, and
a file that was copied on its way is worth nothing. It is still never put into a URL or a log.
"""

import hashlib

import msgspec

from farthing import codec
from farthing.crypto import agreement, signing
from farthing.errors import Forged, Malformed
from farthing.wallet.vault import Vault

NONCE_BYTES = 16
CHECK_BYTES = 4  # one mistyped address in four thousand million is taken for another
KEY_BYTES = 32
ADDRESS_PREFIX, TOKEN_PREFIX = "fa1", "fg1"
TOKEN_TAG = "farthing/wallet/token/1"  # noqa: S105 - a domain tag
TOKEN_CHARS_MAX = 64 * 1024  # ours have under 10,000
SIGNING, SEALING = "farthing/wallet/receiver/1", "farthing/wallet/sealing/1"


class Address(msgspec.Struct, frozen=True, kw_only=True):
    """Who may have what is handed over."""

    nonce: bytes
    signer: bytes
    """Ed25519."""
    sealer: bytes
    """X25519."""

    def __str__(self) -> str:
        """As it is passed on by any channel that cannot be changed."""
        body = self.nonce + self.signer + self.sealer
        return ADDRESS_PREFIX + codec.b64u(body + _check(body))


def _check(body: bytes) -> bytes:
    return hashlib.sha256(body).digest()[:CHECK_BYTES]


def new_address(vault: Vault, nonce: bytes) -> Address:
    """One of this wallet's, by 16 random bytes."""
    return Address(
        nonce=nonce,
        signer=signing.public_of(vault.secret(SIGNING, nonce)),
        sealer=agreement.public_of(vault.secret(SEALING, nonce)),
    )


def read_address(text: str) -> Address:
    """What was typed; `Malformed`."""
    raw = _read(ADDRESS_PREFIX, text, "address_malformed")
    body, check = raw[:-CHECK_BYTES], raw[-CHECK_BYTES:]
    if len(body) != NONCE_BYTES + 2 * KEY_BYTES or _check(body) != check:
        raise Malformed("address_malformed", "copy it whole from: farthing wallet address")
    return Address(
        nonce=body[:NONCE_BYTES],
        signer=body[NONCE_BYTES : NONCE_BYTES + KEY_BYTES],
        sealer=body[NONCE_BYTES + KEY_BYTES :],
    )


def seal(address: Address, message: bytes, entropy: bytes) -> str:
    """A token with this message for whoever has the address; 44 random bytes."""
    sealed = agreement.seal_to(address.sealer, TOKEN_TAG, message, entropy)
    return TOKEN_PREFIX + codec.b64u(address.nonce + sealed)


def unseal(vault: Vault, token: str) -> tuple[bytes, bytes]:
    """The message, and the secret of the key that it was handed to; `Malformed`, `Forged`."""
    if len(token) > TOKEN_CHARS_MAX:
        raise Malformed("token_malformed", "this is no token of a wallet")
    raw = _read(TOKEN_PREFIX, token, "token_malformed")
    nonce, sealed = raw[:NONCE_BYTES], raw[NONCE_BYTES:]
    try:
        message = agreement.unseal_with(vault.secret(SEALING, nonce), TOKEN_TAG, sealed)
    except Forged:
        raise Forged("token_of_another", "it was handed to another wallet's address") from None
    return message, vault.secret(SIGNING, nonce)


def _read(prefix: str, text: str, code: str) -> bytes:
    text = text.strip()
    if not text.startswith(prefix):
        raise Malformed(code, f"it must begin with {prefix}")
    try:
        return codec.unb64u(text[len(prefix) :])
    except (Malformed, ValueError):
        raise Malformed(code, "it was not copied whole") from None
