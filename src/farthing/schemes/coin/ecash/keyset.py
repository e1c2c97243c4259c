"""Keysets: one RSA key for each denomination and epoch, and the signed list of an epoch's.

    keyset id = SHA-256(enc(keyset tag, n, e, denomination, currency, not before, not after))[:16]

- One modulus a denomination, never several exponents on one: roots multiply.
- The list is the same for everybody, and is asked for without an account, since a key of one's own
  would be a name tag. A withdrawal's answer says which list the account is given: another one for
  the same epoch is a `Conflict`.
- The broker keeps one secret of 32 bytes; its RSA keys and the key that payments are sealed to
  follow from it. A new secret makes a new list of each epoch, which names the ones before.
- Source: schemes as published by RFC 9474; ids and derivation are ours.
"""

import hashlib
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Annotated

import msgspec

from farthing import codec
from farthing.crypto import agreement, blind_rsa, signing
from farthing.crypto.mac import mac
from farthing.errors import Forged, Malformed, Mismatch
from farthing.schemes.coin.blind.coinage import OLDER_MAX, Slot
from farthing.schemes.coin.epochs import EPOCH_MAX, Epoch
from farthing.schemes.coin.values import EXPONENT_MAX
from farthing.schemes.contract import Key, Setting

KEYS = "farthing/ecash/keys/1"
LIST_KEY = "farthing/ecash/keysets/1"
_KEYSET_TAG = "farthing/ecash/keyset/1"
_RSA_TAG = "farthing/ecash/rsa/1"
_BOX_TAG = "farthing/ecash/box/1"
BITS = 2048  # 112 bits of security, until what is out is worth more than breaking it
SIZE_BYTES = BITS // 8
ID_BYTES = 16  # of a keyset: with 8 a broker could make two keysets of one id
NAME_CHARS = 22  # of such an id in base64url
SECRETS_CACHED = 4096  # keys derived and kept: the epochs of sixty secrets; 3 kB each
LISTS_CACHED = 256  # likewise; 10 kB each


class Ref(msgspec.Struct, frozen=True, order=True, gc=False):
    """Which key a coin is signed with: its id, and what finds it."""

    epoch: int
    exponent: int
    id: bytes

    @property
    def micro(self) -> int:
        """What a coin of it is worth."""
        return 1 << self.exponent


class Keyset(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One public key of a list."""

    id: str
    n: str


class KeysetList(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"
):
    """The keys of one epoch, signed by their broker."""

    broker: str
    currency: str
    epoch: Annotated[int, msgspec.Meta(ge=0, le=EPOCH_MAX)]
    key: str
    """Ed25519 public half of who signs the list, base64url."""
    keysets: tuple[Keyset, ...]
    """By exponent, from 0."""
    older: Annotated[tuple[str, ...], msgspec.Meta(max_length=OLDER_MAX)]
    """Names of the epoch's lists before, whose coins are good still, the oldest first."""
    sealing: str
    """X25519 public half, base64url: payments are sealed to it."""
    sig: str = ""

    @property
    def name(self) -> str:
        """The id of its first keyset."""
        return self.keysets[0].id

    @property
    def period(self) -> int:
        """Its epoch: what a slot tells time by."""
        return self.epoch

    @property
    def era(self) -> int:
        """Its epoch."""
        return self.epoch

    @property
    def count(self) -> int:
        """How many keys it has."""
        return len(self.keysets)

    def label(self, exponent: int) -> str:
        """The id of a keyset."""
        return self.keysets[exponent].id

    def slot(self, exponent: int, counter: int) -> Slot:
        """Where a coin of a denomination comes from."""
        return Slot(self.epoch, exponent, codec.unb64u(self.keysets[exponent].id), counter)

    @property
    def digest(self) -> bytes:
        """What is signed: SHA-256 of all but who signs, which says nothing of the keys."""
        return codec.digest(msgspec.structs.replace(self, key="", sig=""))

    def public(self, exponent: int) -> blind_rsa.PublicKey:
        """The key of a denomination."""
        return _public(self.keysets[exponent].n)

    def verify(self, broker_id: str, currency: str) -> None:
        """`Forged`, `Mismatch` unless it is whole, of this broker and signed."""
        if (self.broker, self.currency) != (broker_id, currency):
            raise Mismatch("keysets_of_another", "this list is another broker's")
        if len(self.keysets) != EXPONENT_MAX + 1:
            raise Forged("keysets_incomplete", f"a list has {EXPONENT_MAX + 1} keys")
        codec.unb64u(self.sealing, size_bytes=agreement.KEY_BYTES)
        for exponent, keyset in enumerate(self.keysets):
            public = self.public(exponent)
            if codec.b64u(id_of(public, self.epoch, exponent, currency)) != keyset.id:
                raise Forged("keyset_id_wrong", "a keyset's id follows from its key")
        signature = codec.unb64u(self.sig, size_bytes=signing.SIGNATURE_BYTES)
        key = codec.unb64u(self.key, size_bytes=32)
        signing.verify(key, codec.enc(LIST_KEY, self.digest), signature)


LISTS = codec.Reader(KeysetList)


@lru_cache(maxsize=SECRETS_CACHED)
def _public(n: str) -> blind_rsa.PublicKey:
    return blind_rsa.PublicKey(int.from_bytes(codec.unb64u(n, size_bytes=SIZE_BYTES)))


def id_of(public: blind_rsa.PublicKey, epoch: int, exponent: int, currency: str) -> bytes:
    """The 16-byte id of a keyset."""
    times = Epoch(epoch)
    fields = (public.raw, blind_rsa.E, 1 << exponent, currency)
    tagged = codec.enc(_KEYSET_TAG, *fields, times.not_before_s, times.not_after_s)
    return hashlib.sha256(tagged).digest()[:ID_BYTES]


@lru_cache(maxsize=SECRETS_CACHED)
def _derived(secret: bytes, epoch: int, exponent: int) -> blind_rsa.SecretKey:
    return blind_rsa.derive_key(mac(32, secret, _RSA_TAG, epoch, exponent), BITS)


class BrokerKeys:
    """The keys of one broker's coins, as they follow from its ring."""

    def __init__(self, setting: Setting) -> None:
        """Of the broker of this setting."""
        self._setting = setting

    def list_of(self, epoch: Epoch) -> KeysetList:
        """The present signed list of an epoch."""
        return self._signed(self._setting.ring.current(KEYS), epoch.number)

    def list_named(self, name: str, epochs: Iterable[Epoch]) -> KeysetList:
        """That of one of these epochs whose first keyset has this id; `Malformed`, `Forged`."""
        if len(name) != NAME_CHARS:
            raise Malformed("list_malformed", "ask for the current list, by its epoch or its name")
        for epoch in epochs:
            for key in self._setting.ring.known(KEYS):
                if self._name(key, epoch.number) == name:
                    return self._signed(key, epoch.number)
        raise Forged("keyset_unknown", "ask for the current list, by its epoch, or by its name")

    def list_with(self, ref: Ref) -> KeysetList:
        """The one that the key of a coin is on, also if the broker has a newer; `Forged`."""
        return self._signed(self.find(ref)[0], ref.epoch)

    def _signed(self, key: Key, epoch: int) -> KeysetList:
        setting = self._setting
        known = setting.ring.known(KEYS)
        before = known[known.index(key) + 1 :][:OLDER_MAX]
        older = tuple(self._name(one, epoch) for one in reversed(before))
        signer = setting.ring.current(LIST_KEY)
        return _signed_list(key, signer, setting.broker_id, setting.currency, epoch, older)

    def find(self, ref: Ref) -> tuple[Key, blind_rsa.SecretKey]:
        """The secret and its key that a coin names; `Forged` for what this broker does not have."""
        if ref.exponent <= EXPONENT_MAX:
            for key in self._setting.ring.known(KEYS):
                found = _derived(key.secret, ref.epoch, ref.exponent)
                if self._id(found.public, ref.epoch, ref.exponent) == ref.id:
                    return key, found
        raise Forged("keyset_unknown", "no key of this broker has signed such a coin")

    def _name(self, key: Key, epoch: int) -> str:
        """Of the list that follows from this secret."""
        return codec.b64u(self._id(_derived(key.secret, epoch, 0).public, epoch, 0))

    def _id(self, public: blind_rsa.PublicKey, epoch: int, exponent: int) -> bytes:
        return _known_id(public.n, epoch, exponent, self._setting.currency)

    def box_secrets(self) -> Sequence[bytes]:
        """X25519 secrets that payments may be sealed to, newest first."""
        return [box_secret(key.secret) for key in self._setting.ring.known(KEYS)]


@lru_cache(maxsize=SECRETS_CACHED)
def _known_id(n: int, epoch: int, exponent: int, currency: str) -> bytes:
    return id_of(blind_rsa.PublicKey(n), epoch, exponent, currency)


@lru_cache(maxsize=64)
def box_secret(secret: bytes) -> bytes:
    """The X25519 secret that follows from a broker's secret."""
    return mac(agreement.KEY_BYTES, secret, _BOX_TAG)


@lru_cache(maxsize=LISTS_CACHED)
def _signed_list(
    key: Key, signer: Key, broker_id: str, currency: str, epoch: int, older: tuple[str, ...]
) -> KeysetList:
    publics = [_derived(key.secret, epoch, exponent).public for exponent in range(EXPONENT_MAX + 1)]
    bare = KeysetList(
        broker=broker_id,
        currency=currency,
        epoch=epoch,
        key=codec.b64u(signer.public),
        keysets=tuple(
            Keyset(codec.b64u(id_of(public, epoch, exponent, currency)), codec.b64u(public.raw))
            for exponent, public in enumerate(publics)
        ),
        older=older,
        sealing=codec.b64u(agreement.public_of(box_secret(key.secret))),
    )
    signature = signing.sign(signer.secret, codec.enc(LIST_KEY, bare.digest))
    return msgspec.structs.replace(bare, sig=codec.b64u(signature))
