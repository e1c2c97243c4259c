"""A keyset as our own wallets get it: signed by the broker, with the key that boxes are sealed to.

Stock wallets read the same keys without a signature (`broker/cashu/info.py`). With it, whoever is
given other keys than everybody can show that. Source: NUT-01 and 02; signature and sealing key are
ours.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Annotated

import msgspec

from farthing import codec
from farthing.crypto import agreement, signing
from farthing.crypto.mac import mac
from farthing.errors import Forged, Mismatch
from farthing.money import asset_label
from farthing.schemes.coin.blind.coinage import CURRENT, OLDER_MAX, ListName, Slot
from farthing.schemes.coin.blind.messages import Period
from farthing.schemes.coin.cashu.keysets import (
    KEYSET_KEY,
    SHORT_ID_CHARS,
    Keyset,
    MintKeys,
    powers_of,
    units_of,
)
from farthing.schemes.coin.cashu.messages import Point
from farthing.schemes.coin.values import EXPONENT_MAX
from farthing.schemes.contract import Key, Setting

LIST_KEY = "farthing/cashu/keylist/1"
_BOX_TAG = "farthing/cashu/box/1"
LABEL_CHARS = 18  # of a keyset's id, in what a wallet counts by
KEYSETS_CACHED = 256  # a few keys of a few brokers, in two units


class KeyList(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"
):
    """The keys of one keyset, signed by their broker."""

    broker: str
    currency: str
    key: str
    """Ed25519 public half of who signs the list, base64url."""
    keys: tuple[Point, ...]
    """By exponent, from 0, in the micro-unit of the currency."""
    older: Annotated[tuple[str, ...], msgspec.Meta(max_length=OLDER_MAX)]
    """Ids of the keysets before, whose coins are good still, the oldest first."""
    period: Period
    """When its coins end, unix seconds; 0: not at all."""
    sealing: str
    """X25519 public half, base64url: payments are sealed to it."""
    sig: str = ""

    @property
    def name(self) -> str:
        """Its keyset's id."""
        return _id_of(self.keys, self.currency, self.period)

    @property
    def era(self) -> int:
        """One: each list names those before."""
        return 0

    @property
    def count(self) -> int:
        """How many of its keys our wallets use."""
        return EXPONENT_MAX + 1

    def label(self, exponent: int) -> str:
        """Part of the keyset's id, and the exponent."""
        return f"{self.name[:LABEL_CHARS]}/{exponent}"

    def slot(self, exponent: int, counter: int) -> Slot:
        """Where a coin of a denomination comes from."""
        return Slot(self.period, exponent, bytes.fromhex(self.name), counter)

    def public(self, exponent: int) -> bytes:
        """The key of a denomination, 33 bytes."""
        return bytes.fromhex(self.keys[exponent])

    @property
    def digest(self) -> bytes:
        """What is signed: SHA-256 of all but who signs, which says nothing of the keys."""
        return codec.digest(msgspec.structs.replace(self, key="", sig=""))

    def verify(self, broker_id: str, currency: str) -> None:
        """`Forged`, `Mismatch` unless it is whole, of this broker and signed."""
        if (self.broker, self.currency) != (broker_id, currency):
            raise Mismatch("keysets_of_another", "this list is another broker's")
        if len(self.keys) != powers_of(asset_label(currency)):
            raise Forged("keysets_incomplete", "a list has a key for each power of two")
        codec.unb64u(self.sealing, size_bytes=agreement.KEY_BYTES)
        signature = codec.unb64u(self.sig, size_bytes=signing.SIGNATURE_BYTES)
        key = codec.unb64u(self.key, size_bytes=32)
        signing.verify(key, codec.enc(LIST_KEY, self.digest), signature)


LISTS = codec.Reader(KeyList)


@lru_cache(maxsize=KEYSETS_CACHED)
def _id_of(keys: tuple[str, ...], currency: str, period: int) -> str:
    keyset = Keyset(
        unit=asset_label(currency),
        keys={1 << exponent: key for exponent, key in enumerate(keys)},
        final_expiry=period or None,
    )
    return keyset.id


class BrokerKeys:
    """The keysets of one broker in all its units, as `transactions.Keysets`."""

    def __init__(self, setting: Setting) -> None:
        """Of the broker of this setting."""
        self._setting = setting
        self.unit = asset_label(setting.currency)
        self._by_id: dict[str, MintKeys] = {}
        self._names: tuple[str, ...] = ()

    def _refresh(self) -> dict[str, MintKeys]:
        """Each keyset; made once for each state of the ring."""
        known = self._setting.ring.known(KEYSET_KEY)
        names = tuple(key.id for key in known)
        if names != self._names:
            units = units_of(self._setting.currency)
            made = [_keys_of(key, unit) for key in known for unit in units]
            self._by_id = {
                name: keys for keys in made for name in (keys.id, keys.id[:SHORT_ID_CHARS])
            }
            self._names = names
        return self._by_id

    def find(self, keyset_id: str) -> MintKeys:
        """The keyset with this id, whole or short; `Forged` for one that is not this broker's."""
        found = self._refresh().get(keyset_id)
        if found is None:
            raise Forged("keyset_unknown", "no key of this broker has signed such a coin")
        return found

    def signing(self, keyset_id: str) -> MintKeys:
        """As `find`: all sign, since a wallet may have had its list for `LISTED_S`."""
        return self.find(keyset_id)

    def current(self, unit: str) -> MintKeys:
        """The newest keyset of a unit."""
        return _keys_of(self._setting.ring.current(KEYSET_KEY), unit)

    def list_of(self, name: ListName) -> KeyList:
        """The present list, or that of a keyset; `Malformed`, `Forged`."""
        known = self._setting.ring.known(KEYSET_KEY)
        made = [_keys_of(key, self.unit) for key in known]
        if name == CURRENT:
            name = self.current(self.unit).id
        for place, keys in enumerate(made):
            if keys.id == name:
                older = tuple(keys.id for keys in reversed(made[place + 1 :]))
                return self._signed(known[place], keys, older)
        raise Forged("keyset_unknown", "ask for the current list, or by a keyset's id")

    def _signed(self, key: Key, keys: MintKeys, older: tuple[str, ...]) -> KeyList:
        signer = self._setting.ring.current(LIST_KEY)
        bare = KeyList(
            broker=self._setting.broker_id,
            currency=self._setting.currency,
            key=codec.b64u(signer.public),
            keys=tuple(point for _, point in sorted(keys.public.keys.items())),
            older=older[-OLDER_MAX:],
            period=keys.public.final_expiry or 0,
            sealing=codec.b64u(agreement.public_of(_box_secret(key.secret))),
        )
        signature = signing.sign(signer.secret, codec.enc(LIST_KEY, bare.digest))
        return msgspec.structs.replace(bare, sig=codec.b64u(signature))

    def box_secrets(self) -> Sequence[bytes]:
        """X25519 secrets that boxes may be sealed to, newest first."""
        return [_box_secret(key.secret) for key in self._setting.ring.known(KEYSET_KEY)]


@lru_cache(maxsize=KEYSETS_CACHED)
def _keys_of(key: Key, unit: str) -> MintKeys:
    return MintKeys(key, unit)


@lru_cache(maxsize=KEYSETS_CACHED)
def _box_secret(secret: bytes) -> bytes:
    return mac(agreement.KEY_BYTES, secret, _BOX_TAG)
