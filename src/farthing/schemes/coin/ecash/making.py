"""How a wallet makes coins: serial, prefix, salt and blinding factor of each follow from its seed.

What is asked for is known before it is asked, so nothing has to be kept but where the counters
stand. Source: RFC 9474; the derivation is ours.
"""

from collections.abc import Mapping, Sequence

import msgspec

from farthing.codec import enc
from farthing.crypto import blind_rsa
from farthing.errors import Forged
from farthing.schemes.coin.deriving import Maker
from farthing.schemes.coin.ecash.coin import SERIAL_BYTES, VARIANT, Coin, Output, prepared
from farthing.schemes.coin.ecash.keyset import KeysetList, Ref

_SERIAL_TAG = "farthing/ecash/serial/1"
_PREFIX_TAG = "farthing/ecash/prefix/1"
_SALT_TAG = "farthing/ecash/salt/1"
_FACTOR_TAG = "farthing/ecash/factor/1"
_PAYER_TAG = "farthing/ecash/payer-secret/1"
_ANSWER_TAG = "farthing/ecash/answer/1"


class Slot(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Where a coin comes from: a keyset, and a counter."""

    epoch: int
    exponent: int
    id: bytes
    counter: int

    @property
    def ref(self) -> Ref:
        """Its keyset."""
        return Ref(self.epoch, self.exponent, self.id)

    @property
    def micro(self) -> int:
        """What its coin is worth."""
        return 1 << self.exponent


def slots(
    keysets: KeysetList, exponents: Sequence[int], counters: Mapping[str, int]
) -> tuple[tuple[Slot, ...], dict[str, int]]:
    """The next slots for coins of these exponents, and the counters behind them."""
    after, found = dict(counters), list[Slot]()
    for exponent in exponents:
        ref, name = keysets.ref(exponent), keysets.keysets[exponent].id
        counter = after.get(name, 0)
        found.append(Slot(ref.epoch, exponent, ref.id, counter))
        after[name] = counter + 1
    return tuple(found), after


def coin_of(maker: Maker, slot: Slot, signature: bytes) -> Coin:
    """The coin of a slot, whose signature is known."""
    serial, prefix = _names(maker, slot)
    return Coin(ref=slot.ref, serial=serial, prefix=prefix, signature=signature)


def output_of(maker: Maker, keysets: KeysetList, slot: Slot) -> Output:
    """What is to be signed for a slot."""
    key = keysets.public(slot.exponent)
    message = prepared(slot.ref, *_names(maker, slot))
    salt = maker.secret(_SALT_TAG, slot.id, slot.counter, VARIANT.salt_bytes)
    blinded = blind_rsa.blind(key, message, salt, _factor(maker, key, slot))
    return Output(ref=slot.ref, blinded=blinded)


def signature_of(maker: Maker, keysets: KeysetList, slot: Slot, blind: bytes) -> bytes:
    """The signature of a slot's coin, out of the blind one; `Forged` unless it is right."""
    key = keysets.public(slot.exponent)
    message = prepared(slot.ref, *_names(maker, slot))
    return blind_rsa.finalize(key, VARIANT, message, blind, _factor(maker, key, slot))


def signatures_of(
    maker: Maker, keysets: KeysetList, made: Sequence[Slot], blind: Sequence[bytes]
) -> list[bytes]:
    """Those of several slots; `Forged` for more or fewer."""
    if len(made) != len(blind):
        raise Forged("signatures_missing", "each output gets one signature")
    return [signature_of(maker, keysets, slot, one) for slot, one in zip(made, blind, strict=True)]


def payer_secret(maker: Maker, number: int) -> bytes:
    """The Ed25519 secret of a pocket's payment with this number: the payer's code for it."""
    return maker.secret(_PAYER_TAG, b"", number)


def answer_key(maker: Maker, number: int) -> bytes:
    """The key under which the change of that payment comes back."""
    return maker.secret(_ANSWER_TAG, b"", number)


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
