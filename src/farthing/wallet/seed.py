"""The wallet's seed: 32 random bytes from which purses derive what they can make again.

    key of a purpose = HMAC-SHA-256(seed, enc("farthing/wallet/seed/1", purpose))

It lies sealed in the file, and a payer may write it down: a new wallet that begins with it makes
the same secrets in the same order. It does not open the file. Source: ours.
"""

import secrets

from farthing import codec
from farthing.crypto.mac import hmac_sha256
from farthing.errors import Malformed, Misconfigured
from farthing.schemes.contract import Key
from farthing.wallet.file import File

SEED_BYTES = 32
_TAG = "farthing/wallet/seed/1"
_PLACE = ("meta", "seed")
_PUT = "INSERT INTO meta VALUES ('seed', ?) ON CONFLICT DO UPDATE SET value=excluded.value"


class SeedRing:
    """The wallet's key ring: a key of every purpose, out of its seed. Its repr shows nothing."""

    def __init__(self, seed: bytes) -> None:
        """Of a wallet with this seed."""
        self._seed = seed

    def current(self, purpose: str) -> Key:
        """The one key of a purpose."""
        return Key(
            id="seed",
            purpose=purpose,
            secret=hmac_sha256(self._seed, codec.enc(_TAG, purpose)),
        )

    def live(self, purpose: str) -> tuple[Key, ...]:
        """Likewise."""
        return (self.current(purpose),)

    def known(self, purpose: str) -> tuple[Key, ...]:
        """Likewise."""
        return (self.current(purpose),)

    def find(self, purpose: str, key_id: str) -> Key | None:
        """None: others' keys are in the instruments that they belong to."""
        return None


def seed_of(file: File) -> bytes:
    """The seed of this wallet, made where there is none yet."""
    with file.write() as db:  # one transaction: what another process made first is the seed
        sealed = db.execute("SELECT value FROM meta WHERE name='seed'").get
        if isinstance(sealed, bytes):
            return file.vault.open(sealed, *_PLACE)
        seed = secrets.token_bytes(SEED_BYTES)
        db.execute(_PUT, (file.vault.seal(seed, *_PLACE),))
        return seed


def put_seed(file: File, seed: bytes) -> None:
    """The seed of a new wallet; `Misconfigured` where something was made of another one."""
    with file.write() as db:
        if db.execute("SELECT EXISTS (SELECT 1 FROM instruments)").get:
            raise Misconfigured(
                "wallet_in_use", "restore into a new wallet: farthing wallet init --data NEW"
            )
        db.execute(_PUT, (file.vault.seal(seed, *_PLACE),))


def read_seed(text: str) -> bytes:
    """A seed as a payer has written it down; `Misconfigured`."""
    try:
        return codec.unb64u(text.strip(), size_bytes=SEED_BYTES)
    except Malformed:
        raise Misconfigured(
            "seed_malformed", "a seed is 43 characters: farthing wallet seed"
        ) from None


def shown(file: File) -> str:
    """The seed as a payer writes it down: 43 characters."""
    return codec.b64u(seed_of(file))
