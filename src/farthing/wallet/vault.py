"""Secrets of the wallet file, sealed under a key that only the passphrase gives.

    passphrase --Argon2id--> key --ChaCha20-Poly1305--> data key --ChaCha20-Poly1305--> each secret

Source: RFC 9106 (Argon2id, the parameters of its second recommendation), RFC 8439. The data key is
random and never changes, so a new passphrase re-seals 32 bytes and not the whole file. What is
sealed is bound to its place (table, column, row): two cells cannot be exchanged.
"""

import secrets
from collections.abc import Callable
from hashlib import blake2b

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from farthing import codec
from farthing.codec import enc
from farthing.crypto.mac import hmac_sha256
from farthing.errors import Broken, Denied, Malformed, Misconfigured

KEY_BYTES = 32  # ChaCha20-Poly1305
NONCE_BYTES = 12  # random: at 2^32 cells under one key a repeat is still less likely than 2^-32
SALT_BYTES = 16  # RFC 9106, section 3.1
MEMORY_KIB = 65_536  # RFC 9106, section 4, second recommendation: 64 MiB, 0.3 s on two cores
ITERATIONS = 3  # likewise
LANES = 4  # likewise
MEMORY_KIB_MAX = 1_048_576  # a tampered file may not ask for more than 1 GiB
ITERATIONS_MAX = 64  # nor for more than some seconds
LANES_MAX = 16  # nor for more threads than a desktop has
Entropy = Callable[[int], bytes]
"""So many random bytes."""
_KEY_CONTEXT = b"farthing/wallet/key/1"


class Cost(msgspec.Struct, frozen=True, kw_only=True):
    """How hard a passphrase is to guess."""

    memory_kib: int = MEMORY_KIB
    iterations: int = ITERATIONS
    lanes: int = LANES

    def __post_init__(self) -> None:
        """`Misconfigured` outside the limits of this module."""
        if not (
            8 * self.lanes <= self.memory_kib <= MEMORY_KIB_MAX
            and 1 <= self.iterations <= ITERATIONS_MAX
            and 1 <= self.lanes <= LANES_MAX
        ):
            raise Misconfigured(
                "wallet_cost_out_of_range", "the wallet file is damaged: restore it from a backup"
            )


class Lock(msgspec.Struct, frozen=True, kw_only=True):
    """What the file stores of the passphrase: enough to try one, no more."""

    cost: Cost
    salt: bytes
    nonce: bytes
    sealed_key: bytes


def read_lock(raw: bytes) -> Lock:
    """What the file has of its lock; `Misconfigured`."""
    try:
        lock = codec.read_open(raw, Lock)
    except Malformed:
        lock = None
    if lock is None or (len(lock.salt), len(lock.nonce)) != (SALT_BYTES, NONCE_BYTES):
        raise Misconfigured("wallet_lock_damaged", "restore the wallet file from a backup")
    return lock


class Vault:
    """Seals and opens under one data key. Its repr shows nothing."""

    def __init__(self, data_key: bytes) -> None:
        """`data_key` is 32 bytes."""
        self._aead = ChaCha20Poly1305(data_key)
        self._own_key = blake2b(b"farthing/wallet/own/1", key=data_key, digest_size=32).digest()
        self._tag_key = blake2b(b"farthing/wallet/tag/1", key=data_key, digest_size=32).digest()

    def seal(self, plain: bytes, *place: str) -> bytes:
        """Nonce and ciphertext, 28 bytes longer than `plain`, bound to `place`."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        return nonce + self._aead.encrypt(nonce, plain, enc(*place))

    def open(self, sealed: bytes, *place: str) -> bytes:
        """What was sealed at `place`; `Broken` if the file was changed."""
        try:
            return self._aead.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], enc(*place))
        except InvalidTag:
            raise Broken(
                "wallet_file_damaged", "the wallet file was changed: restore it from a backup"
            ) from None

    def secret(self, purpose: str, nonce: bytes) -> bytes:
        """A secret of this wallet's own, 32 bytes: the same for the same purpose and nonce."""
        return hmac_sha256(self._own_key, enc(purpose, nonce))

    def tag(self, *fields: bytes | str) -> bytes:
        """16 bytes that find a row again without storing what is looked for in clear."""
        return hmac_sha256(self._tag_key, enc(*fields))[:16]


def _key_of(passphrase: str, cost: Cost, salt: bytes) -> bytes:
    if not passphrase:
        raise Denied("passphrase_missing", "give the wallet's passphrase")
    return Argon2id(
        salt=salt,
        length=KEY_BYTES,
        iterations=cost.iterations,
        lanes=cost.lanes,
        memory_cost=cost.memory_kib,
    ).derive(passphrase.encode())


def create(
    passphrase: str, cost: Cost, entropy: Entropy = secrets.token_bytes
) -> tuple[Lock, Vault]:
    """A fresh data key, and the lock that `passphrase` opens; `Denied` for an empty one."""
    salt, nonce = entropy(SALT_BYTES), entropy(NONCE_BYTES)
    data_key = entropy(KEY_BYTES)
    key = _key_of(passphrase, cost, salt)
    sealed = ChaCha20Poly1305(key).encrypt(nonce, data_key, _KEY_CONTEXT)
    return Lock(cost=cost, salt=salt, nonce=nonce, sealed_key=sealed), Vault(data_key)


def unlock(lock: Lock, passphrase: str) -> Vault:
    """The vault behind `lock`; `Denied` `passphrase_wrong`."""
    key = _key_of(passphrase, lock.cost, lock.salt)
    try:
        return Vault(ChaCha20Poly1305(key).decrypt(lock.nonce, lock.sealed_key, _KEY_CONTEXT))
    except InvalidTag:
        raise Denied(
            "passphrase_wrong", "this passphrase does not open the wallet; nothing was changed"
        ) from None
