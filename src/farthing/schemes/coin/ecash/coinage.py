"""eCash as wallets handle it: serial, prefix, salt and blinding factor follow from the seed.

Source: RFC 9474; the derivation is ours.
"""

import hashlib
from collections.abc import Sequence
from typing import Annotated

import msgspec

from farthing import codec
from farthing.codec import enc
from farthing.crypto import blind_rsa
from farthing.schemes.coin.blind.coinage import Slot
from farthing.schemes.coin.deriving import Maker
from farthing.schemes.coin.ecash.coin import (
    SERIAL_BYTES,
    VARIANT,
    Coin,
    Output,
    prepared,
    read_coin,
)
from farthing.schemes.coin.ecash.keyset import LISTS, SIZE_BYTES, KeysetList, Ref
from farthing.schemes.coin.ecash.traits import TRAITS
from farthing.schemes.coin.epochs import EPOCH_S, GRACE_S, LISTED_S, Epoch, epoch_at
from farthing.schemes.coin.values import COUNT_MAX
from farthing.schemes.contract import Json

EPOCHS_MAX = -(-(2 * EPOCH_S + GRACE_S) // EPOCH_S)  # whose coins can be good at one time
MARK_TAG = "farthing/ecash/mark/1"
MARK_BYTES = 16  # of the name under which a coin is remembered as spent
_SERIAL_TAG = "farthing/ecash/serial/1"
_PREFIX_TAG = "farthing/ecash/prefix/1"
_SALT_TAG = "farthing/ecash/salt/1"
_FACTOR_TAG = "farthing/ecash/factor/1"


class Token(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Coins for whoever has it: from wallet to wallet, never to a broker."""

    coins: Annotated[tuple[str, ...], msgspec.Meta(min_length=1, max_length=COUNT_MAX)]


_TOKENS = codec.Reader(Token)


class EcashCoinage:
    """As `Coinage`."""

    name = TRAITS.name
    short = "ec"
    lists = LISTS
    blind_bytes = SIZE_BYTES

    def require_signing(self, keys: KeysetList, now_s: int) -> None:
        """In its epoch, and a day after."""
        Epoch(keys.epoch).require_signing(now_s)

    def is_fresh(self, keys: KeysetList, listed_s: int, now_s: int) -> bool:
        """In its epoch, and so that nobody is given coins of a stolen secret for long."""
        return now_s < min(Epoch(keys.epoch).signs_until_s, listed_s + LISTED_S)

    def require_spendable(self, period: int, now_s: int) -> None:
        """In the epoch and the one after."""
        Epoch(period).require_spendable(now_s)

    def pays_until_s(self, period: int) -> int:
        """The end of the epoch after."""
        return Epoch(period).not_after_s

    def ends_at_s(self, period: int) -> int:
        """Thirty days later."""
        return Epoch(period).ends_at_s

    def lists_at(self, now_s: int) -> tuple[int, ...]:
        """Those of the epochs that are not over."""
        last = epoch_at(now_s).number
        epochs = range(last - EPOCHS_MAX + 1, last + 1)
        return tuple(epoch for epoch in epochs if now_s <= Epoch(epoch).ends_at_s)

    def output(self, maker: Maker, keys: KeysetList, slot: Slot) -> bytes:
        """A blinded message."""
        key = keys.public(slot.exponent)
        message = prepared(_ref(slot), *_names(maker, slot))
        salt = maker.secret(_SALT_TAG, slot.id, slot.counter, VARIANT.salt_bytes)
        blinded = blind_rsa.blind(key, message, salt, _factor(maker, key, slot))
        return Output(ref=_ref(slot), blinded=blinded).raw

    def signature(self, maker: Maker, keys: KeysetList, slot: Slot, blind: bytes) -> bytes:
        """Verified under the key of the list."""
        key = keys.public(slot.exponent)
        message = prepared(_ref(slot), *_names(maker, slot))
        return blind_rsa.finalize(key, VARIANT, message, blind, _factor(maker, key, slot))

    def coin(self, maker: Maker, slot: Slot, signature: bytes) -> bytes:
        """The coin of a slot."""
        serial, prefix = _names(maker, slot)
        return Coin(ref=_ref(slot), serial=serial, prefix=prefix, signature=signature).raw

    def mark(self, maker: Maker, slot: Slot, signature: bytes) -> str:
        """Of its serial."""
        return codec.b64u(mark_of(slot.id, _names(maker, slot)[0]))

    def write_token(
        self,
        maker: Maker,
        coins: Sequence[tuple[Slot, bytes]],
        broker_url: str,
        currency: str,
    ) -> Json:
        """A `Token`."""
        return {"coins": [codec.b64u(self.coin(maker, *one)) for one in coins]}

    def read_token(
        self, token: Json, keys: KeysetList | None = None
    ) -> tuple[int, tuple[bytes, ...]]:
        """What is in a `Token`."""
        raw = tuple(codec.unb64u(text) for text in _TOKENS.convert(token).coins)
        return sum(read_coin(one).ref.micro for one in raw), raw


COINAGE = EcashCoinage()


def mark_of(keyset_id: bytes, own: bytes) -> bytes:
    """The name under which a coin (its serial) or an output (what is blinded) is remembered."""
    return hashlib.sha256(enc(MARK_TAG, keyset_id, own)).digest()[:MARK_BYTES]


def _ref(slot: Slot) -> Ref:
    return Ref(slot.period, slot.exponent, slot.id)


def _names(maker: Maker, slot: Slot) -> tuple[bytes, bytes]:
    """Serial and prefix."""
    serial, prefix = (_secret(maker, tag, slot) for tag in (_SERIAL_TAG, _PREFIX_TAG))
    assert len(serial) == SERIAL_BYTES
    assert len(prefix) == VARIANT.prefix_bytes
    return serial, prefix


def _factor(maker: Maker, key: blind_rsa.PublicKey, slot: Slot) -> int:
    return blind_rsa.below(key, enc(_FACTOR_TAG, _secret(maker, _FACTOR_TAG, slot)))


def _secret(maker: Maker, tag: str, slot: Slot) -> bytes:
    return maker.secret(tag, slot.id, slot.counter)
