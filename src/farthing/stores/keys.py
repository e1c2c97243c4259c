"""The key ring: the keys of one role, in one sealed file that its processes share.

- A key has one purpose. The newest key of a purpose with a secret half is its current one; older
  ones are still found, revoked ones are not.
- The file is sealed with ChaCha20-Poly1305 under a key from a passphrase (Argon2id, RFC 9106), or,
  for servers that restart unattended, under a random key in a file beside it.
- The key file protects copies of the ring alone: a backup, a mailed file, a disk of which the
  operator keeps the two apart. It does not protect against who can read both, which is everybody
  who can become the server's user; that is what a passphrase, or an encrypted disk, is for.
- A change is written whole or not at all, under a lock, with a generation that only rises; other
  processes see it at their next `refresh`.

Source: ours.
"""

import contextlib
import errno
import hmac
import os
import secrets
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from farthing import codec
from farthing.errors import Broken, Misconfigured, Refusal
from farthing.schemes.contract import Key
from farthing.stores import drafts
from farthing.stores.drafts import locked

ARGON2_MEMORY_KIB = 64 * 1024  # RFC 9106, section 4, second choice: 64 MiB ...
ARGON2_PASSES = 3  # ... three passes ...
ARGON2_LANES = 4  # ... four lanes: about a tenth of a second, once a start
SALT_BYTES = 16  # RFC 9106, section 3.1
SECRET_BYTES = 32  # of every key here: Ed25519 seeds, MAC keys, the sealing key
NONCE_BYTES = 12  # RFC 8439; drawn at random, for a few thousand changes in a ring's life
ID_BYTES = 9  # 72 bits, 12 characters: key ids only have to differ
RING_BYTES_MAX = 1024 * 1024  # some 5,000 keys
LIVE_MAX = 2  # the current key and the one before: what that one made is soon past its end

_ID_TAG = b"farthing/keys/id/1"
_RING_TAG = "farthing/keys/ring/1"

_Sealing = Literal["passphrase", "file"]


class _Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One key in the file, oldest first."""

    key: Key
    revoked: bool = False


class _Sealed(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The file as it lies on the disk."""

    format: Literal[1]
    sealing: _Sealing
    salt: bytes
    """16 bytes; also tells a ring from another one made in its place."""
    generation: Annotated[int, msgspec.Meta(ge=1)]
    nonce: bytes
    box: bytes


_read_sealed = msgspec.msgpack.Decoder(_Sealed).decode
_read_entries = msgspec.msgpack.Decoder(tuple[_Entry, ...]).decode
_DAMAGE = (msgspec.ValidationError, msgspec.DecodeError, UnicodeDecodeError)
_Stamp = tuple[int, int, int]


def make_signing_key(purpose: str, entropy: bytes, *, not_after_s: int = 0) -> Key:
    """An Ed25519 key from 32 random bytes, named by its public half."""
    assert len(entropy) == SECRET_BYTES
    public = Ed25519PrivateKey.from_private_bytes(entropy).public_key().public_bytes_raw()
    return Key(
        id=_id_of(public), purpose=purpose, secret=entropy, public=public, not_after_s=not_after_s
    )


def make_secret_key(purpose: str, entropy: bytes, *, not_after_s: int = 0) -> Key:
    """A symmetric key from 32 random bytes; its id tells nothing about it."""
    assert len(entropy) == SECRET_BYTES
    return Key(id=_id_of(entropy), purpose=purpose, secret=entropy, not_after_s=not_after_s)


def _id_of(material: bytes) -> str:
    return codec.b64u(hmac.digest(material, _ID_TAG, "sha256")[:ID_BYTES])


class KeyRing:
    """Keys by purpose, from a sealed file; a `farthing.schemes.contract.Ring`."""

    def __init__(self, path: Path, sealing_key: bytes, sealed: _Sealed, stamp: _Stamp) -> None:
        """Use `KeyRing.create` or `KeyRing.open`."""
        self._path = path
        self._sealing_key = sealing_key
        self.missed: set[str] = set()
        """Purposes of keys that were asked for and are not here; whoever looks after it clears."""
        self._adopt(sealed, stamp)

    @classmethod
    def create(cls, path: Path, passphrase: str | None = None) -> "KeyRing":
        """Make an empty ring; `Misconfigured` if there is a file already, or no place for one."""
        sealing: _Sealing = "file" if passphrase is None else "passphrase"
        salt = secrets.token_bytes(SALT_BYTES)
        with _failures_of(path), locked(path):
            if path.exists():
                raise Misconfigured(
                    "ring_exists", f"{path.name} is there; open it, or move it away"
                )
            if passphrase is None and not _secret_path(path).exists():
                _write(_secret_path(path), secrets.token_bytes(SECRET_BYTES))
            sealing_key = _sealing_key_of(path, sealing, salt, passphrase)
            sealed = _seal((), sealing_key, sealing=sealing, salt=salt, generation=1)
            return cls(path, sealing_key, sealed, _write(path, msgspec.msgpack.encode(sealed)))

    @classmethod
    def open(cls, path: Path, passphrase: str | None = None) -> "KeyRing":
        """Open a ring.

        `Misconfigured` if there is none, if others may read it, if it is damaged, or if the
        passphrase is wrong, missing or not needed.
        """
        with _failures_of(path):
            sealed, stamp = _load(path)
            sealing_key = _sealing_key_of(path, sealed.sealing, sealed.salt, passphrase)
            return cls(path, sealing_key, sealed, stamp)

    @property
    def generation(self) -> int:
        """How often the ring has changed, as last read."""
        return self._generation

    def current(self, purpose: str) -> Key:
        """The newest key of `purpose` that signs and is not revoked; `Misconfigured` if none."""
        return self.live(purpose)[0]

    def live(self, purpose: str) -> Sequence[Key]:
        """The current key and the one before it, newest first; `Misconfigured` if there is none."""
        try:
            return self._live[purpose]
        except KeyError:
            raise Misconfigured(
                "key_missing", f"{self._path.name} has no key for {purpose}; add one"
            ) from None

    def find(self, purpose: str, key_id: str) -> Key | None:
        """The key of `purpose` with this id; None if it is absent or revoked.

        Of one that is not here the file is asked: another process may have made it a moment ago,
        and what is paid with it since is good.
        """
        entry = self._by_name.get((purpose, key_id))
        if entry is None:
            with contextlib.suppress(Misconfigured):  # whoever refreshes hears of it
                self.refresh()
            entry = self._by_name.get((purpose, key_id))
        if entry is None:
            self.missed.add(purpose)
            return None
        return None if entry.revoked else entry.key

    def known(self, purpose: str) -> Sequence[Key]:
        """Every key of `purpose` that may still verify, newest first."""
        entries = [e for e in self._entries if e.key.purpose == purpose and not e.revoked]
        return [entry.key for entry in reversed(entries)]

    def is_revoked(self, purpose: str, key_id: str) -> bool:
        """Whether this key was here and has been revoked."""
        entry = self._by_name.get((purpose, key_id))
        return entry is not None and entry.revoked

    def goes_on_from(self, saved: bytes) -> bool:
        """Whether this ring has every key of a copy of it, as its file was."""
        try:
            entries = _unseal(_read_sealed(saved), self._sealing_key, self._path.name)
        except (*_DAMAGE, Misconfigured):
            return False
        return all((entry.key.purpose, entry.key.id) in self._by_name for entry in entries)

    def add(self, *keys: Key) -> None:
        """Add keys, each current from now on if it has a secret half; all of them or none.

        `Misconfigured` if an id is taken in its purpose, or a secret is in the ring already: one
        key, one purpose.
        """

        def added(entries: tuple[_Entry, ...]) -> tuple[_Entry, ...]:
            for key in keys:
                _require_new(key, entries)
                entries = (*entries, _Entry(key=key))
            return entries

        self._change(added)

    def rotate(self, purpose: str, entropy: bytes, *, not_after_s: int = 0) -> Key:
        """Make a new current key of the same kind from 32 random bytes; the old one still verifies.

        `Misconfigured` if there is none to rotate.
        """
        make = make_signing_key if self.current(purpose).public else make_secret_key
        key = make(purpose, entropy, not_after_s=not_after_s)
        self.add(key)
        return key

    def revoke(self, purpose: str, key_id: str) -> None:
        """Take a key out of use for good; its secret half is erased from the file.

        `Misconfigured` if there is no such key. Revoking twice is once.
        """

        def revoked(entries: tuple[_Entry, ...]) -> tuple[_Entry, ...]:
            if not any((e.key.purpose, e.key.id) == (purpose, key_id) for e in entries):
                raise Misconfigured("key_unknown", f"{purpose} has no key {key_id}")
            return tuple(
                _Entry(key=msgspec.structs.replace(e.key, secret=b""), revoked=True)
                if (e.key.purpose, e.key.id) == (purpose, key_id)
                else e
                for e in entries
            )

        self._change(revoked)

    def refresh(self) -> bool:
        """Read the file again if it has changed; whether it had. One `stat`: call it each second.

        Any refusal of `open`, and `Misconfigured` for a ring that is older than the one in use or
        another one: what is in use then stays in use.
        """
        with _failures_of(self._path):
            if _stamp_of(os.stat(self._path)) == self._stamp:
                return False
            return self._reload()

    def _reload(self) -> bool:
        sealed, stamp = _load(self._path)
        if sealed.salt != self._salt or sealed.generation < self._generation:
            raise Misconfigured(
                "ring_replaced",
                f"{self._path.name} was replaced by an older or another ring; "
                "restart the program if that was meant",
            )
        is_newer = sealed.generation > self._generation
        self._adopt(sealed, stamp)
        return is_newer

    def _change(self, change: Callable[[tuple[_Entry, ...]], tuple[_Entry, ...]]) -> None:
        with _failures_of(self._path), locked(self._path):
            self._reload()
            sealed = _seal(
                change(self._entries),
                self._sealing_key,
                sealing=self._sealing,
                salt=self._salt,
                generation=self._generation + 1,
            )
            self._adopt(sealed, _write(self._path, msgspec.msgpack.encode(sealed)))

    def _adopt(self, sealed: _Sealed, stamp: _Stamp) -> None:
        entries = _unseal(sealed, self._sealing_key, self._path.name)
        live: dict[str, tuple[Key, ...]] = {}
        for entry in entries:
            if entry.key.secret and not entry.revoked:
                older = live.get(entry.key.purpose, ())
                live[entry.key.purpose] = (entry.key, *older)[:LIVE_MAX]
        self._entries = entries
        self._by_name = {(e.key.purpose, e.key.id): e for e in entries}
        self._live = live  # whole: other threads look into it
        self._sealing: _Sealing = sealed.sealing
        self._salt = sealed.salt
        self._generation = sealed.generation
        self._stamp = stamp


def _require_new(key: Key, entries: tuple[_Entry, ...]) -> None:
    for entry in entries:
        if (entry.key.purpose, entry.key.id) == (key.purpose, key.id):
            raise Misconfigured("key_id_taken", f"{key.purpose} has a key {key.id} already")
        if key.secret and hmac.compare_digest(entry.key.secret, key.secret):
            raise Misconfigured("key_reused", "one key, one purpose: make another key")


def _head(sealing: _Sealing, salt: bytes, generation: int) -> bytes:
    return codec.enc(_RING_TAG, sealing, salt, generation)


def _seal(
    entries: tuple[_Entry, ...],
    sealing_key: bytes,
    *,
    sealing: _Sealing,
    salt: bytes,
    generation: int,
) -> _Sealed:
    nonce = secrets.token_bytes(NONCE_BYTES)
    plain = msgspec.msgpack.encode(entries)
    box = ChaCha20Poly1305(sealing_key).encrypt(nonce, plain, _head(sealing, salt, generation))
    return _Sealed(
        format=1, sealing=sealing, salt=salt, generation=generation, nonce=nonce, box=box
    )


def _unseal(sealed: _Sealed, sealing_key: bytes, name: str) -> tuple[_Entry, ...]:
    head = _head(sealed.sealing, sealed.salt, sealed.generation)
    try:
        plain = ChaCha20Poly1305(sealing_key).decrypt(sealed.nonce, sealed.box, head)
    except (InvalidTag, ValueError):  # ValueError: a nonce of another size
        raise Misconfigured(
            "ring_not_opened", f"the passphrase is wrong, or {name} or its key file is damaged"
        ) from None
    return _read_entries(plain)


def _sealing_key_of(path: Path, sealing: _Sealing, salt: bytes, passphrase: str | None) -> bytes:
    if sealing == "file":
        if passphrase is not None:
            raise Misconfigured("passphrase_unused", f"{path.name} is sealed by a key file")
        secret, _ = _read(_secret_path(path))
        if len(secret) != SECRET_BYTES:
            raise Misconfigured("ring_damaged", f"{_secret_path(path).name} is no key file")
        return secret
    if not passphrase:
        raise Misconfigured("passphrase_missing", f"{path.name} is sealed by a passphrase; give it")
    return Argon2id(
        salt=salt,
        length=SECRET_BYTES,
        iterations=ARGON2_PASSES,
        lanes=ARGON2_LANES,
        memory_cost=ARGON2_MEMORY_KIB,
    ).derive(passphrase.encode())


def _secret_path(path: Path) -> Path:
    return path.with_suffix(".secret")


def _load(path: Path) -> tuple[_Sealed, _Stamp]:
    raw, stamp = _read(path)
    try:
        return _read_sealed(raw), stamp
    except _DAMAGE:
        raise Misconfigured("ring_damaged", f"{path.name} is no key ring; restore it") from None


def _read(path: Path) -> tuple[bytes, _Stamp]:
    """The file's bytes; `Misconfigured` if anybody but its owner may touch it."""
    with open(path, "rb") as file:
        found = os.fstat(file.fileno())
        if found.st_mode & 0o077:
            raise Misconfigured(
                "ring_open_to_others", f"others may read {path.name}; run chmod 600 on it"
            )
        if found.st_size > RING_BYTES_MAX:
            raise Misconfigured("ring_damaged", f"{path.name} is too large for a key ring")
        return file.read(), _stamp_of(found)


def _write(path: Path, raw: bytes) -> _Stamp:
    return _stamp_of(drafts.write(path, raw))


def _stamp_of(found: os.stat_result) -> _Stamp:
    return found.st_mtime_ns, found.st_size, found.st_ino


@contextlib.contextmanager
def _failures_of(path: Path) -> Iterator[None]:
    """Failures of the disk as refusals, without the path."""
    try:
        yield
    except OSError as wrong:
        raise _refusal_of(wrong, path.name) from wrong


def _refusal_of(wrong: OSError, name: str) -> Refusal:
    if wrong.errno == errno.ENOSPC:
        return Broken("disk_full", f"no space left for {name}; free some and try again")
    why = os.strerror(wrong.errno or errno.EIO)
    return Misconfigured("ring_unreadable", f"cannot use {name} or its key file: {why}")
