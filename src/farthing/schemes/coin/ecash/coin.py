"""Coins and blinded messages in bytes, and the box in which they travel to the broker.

    ref     = epoch(4) ‖ exponent(1) ‖ keyset id(16)
    coin    = ref ‖ serial(32) ‖ prefix(32) ‖ signature(256)
    output  = ref ‖ blinded message(256)
    box     = seal_to(broker, header(32) ‖ answer key(32) ‖ counts(1 + 1) ‖ coins ‖ outputs)

The signature is RSABSSA-SHA384-PSS-Randomized's over enc(coin tag, keyset id, serial). The header
is a digest of what the coins are for, so they are worth nothing in another payment; the answer to
the outputs comes back boxed under the answer key, so nobody else on the way sees it. In JSON a box
is a list of base64url texts, since one text has a limit. Source: ours.
"""

import struct
from collections.abc import Sequence

import msgspec

from farthing import codec
from farthing.crypto import agreement, blind_rsa, sealing
from farthing.errors import Forged, Malformed
from farthing.schemes.coin.ecash.keyset import ID_BYTES, SIZE_BYTES, Ref
from farthing.schemes.coin.values import COUNT_MAX

VARIANT = blind_rsa.PSS_RANDOMIZED
COIN_TAG = "farthing/ecash/coin/1"
_BOX_TAG = "farthing/ecash/sealed/1"
SERIAL_BYTES = 32
HEADER_BYTES = 32
KEY_BYTES = 32  # of the answer's key
TEXT_CHARS = 4096  # of one text of a box: as long as JSON strings may be here
TEXTS_MAX = 16  # of one box: 60 coins and 60 outputs are 50,000 characters
_REF = struct.Struct(f">IB{ID_BYTES}s")
_COIN = struct.Struct(f">IB{ID_BYTES}s{SERIAL_BYTES}s{blind_rsa.PREFIX_BYTES}s{SIZE_BYTES}s")
_OUTPUT = struct.Struct(f">IB{ID_BYTES}s{SIZE_BYTES}s")
_HEAD = struct.Struct(f">{HEADER_BYTES}s{KEY_BYTES}sBB")
COIN_BYTES, OUTPUT_BYTES = _COIN.size, _OUTPUT.size
_NO_NONCE = bytes(sealing.NONCE_BYTES)  # the answer key is used once


class Coin(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One coin. Its repr shows nothing that pays."""

    ref: Ref
    serial: bytes
    prefix: bytes
    signature: bytes

    def __repr__(self) -> str:
        """Its worth only."""
        return f"Coin({self.ref.micro})"

    @property
    def prepared(self) -> bytes:
        """What is signed."""
        return prepared(self.ref, self.serial, self.prefix)


class Output(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A blinded message, to be signed with the key that it names."""

    ref: Ref
    blinded: bytes

    @property
    def raw(self) -> bytes:
        """As it travels."""
        return _OUTPUT.pack(*_fields(self.ref), self.blinded)


class Box(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What is in a box. Its repr shows nothing that pays."""

    header: bytes
    answer_key: bytes
    coins: tuple[Coin, ...]
    outputs: tuple[Output, ...]

    def __repr__(self) -> str:
        """How many of each only."""
        return f"Box({len(self.coins)} coins, {len(self.outputs)} outputs)"


def prepared(ref: Ref, serial: bytes, prefix: bytes) -> bytes:
    """What the key of `ref` signs of a serial."""
    return prefix + codec.enc(COIN_TAG, ref.id, serial)


def write_coin(coin: Coin) -> str:
    """A coin as text, in the open: for whoever gets it."""
    raw = _COIN.pack(*_fields(coin.ref), coin.serial, coin.prefix, coin.signature)
    return codec.b64u(raw)


def read_coin(text: str) -> Coin:
    """A coin; `Malformed`."""
    *ref, serial, prefix, signature = _COIN.unpack(codec.unb64u(text, size_bytes=COIN_BYTES))
    return Coin(ref=Ref(*ref), serial=serial, prefix=prefix, signature=signature)


def read_output(raw: bytes) -> Output:
    """An output; `Malformed`."""
    if len(raw) != OUTPUT_BYTES:
        raise Malformed("output_malformed", f"an output has {OUTPUT_BYTES} bytes")
    *ref, blinded = _OUTPUT.unpack(raw)
    return Output(ref=Ref(*ref), blinded=blinded)


def seal(public: bytes, box: Box, entropy: bytes) -> list[str]:
    """The box as texts, for whoever has the secret of `public`; 44 random bytes, used once."""
    plain = _HEAD.pack(box.header, box.answer_key, len(box.coins), len(box.outputs))
    coins = (
        _COIN.pack(*_fields(coin.ref), coin.serial, coin.prefix, coin.signature)
        for coin in box.coins
    )
    plain += b"".join((*coins, *(output.raw for output in box.outputs)))
    return texts(agreement.seal_to(public, _BOX_TAG, plain, entropy))


def unseal(secrets: Sequence[bytes], found: Sequence[str]) -> Box:
    """What was sealed to one of these keys; `Malformed`, `Forged`."""
    sealed = joined(found)
    for secret in secrets[:-1]:
        try:
            return _read(agreement.unseal_with(secret, _BOX_TAG, sealed))
        except Forged:
            continue
    return _read(agreement.unseal_with(secrets[-1], _BOX_TAG, sealed))


def _read(plain: bytes) -> Box:
    try:
        header, answer_key, coins, outputs = _HEAD.unpack_from(plain)
    except struct.error:
        raise Malformed("box_malformed", "there is less in the box than every box has") from None
    middle = _HEAD.size + coins * COIN_BYTES
    if len(plain) != middle + outputs * OUTPUT_BYTES:
        raise Malformed("box_malformed", "the box has another length than it says")
    if not 1 <= coins <= COUNT_MAX or outputs > COUNT_MAX:
        raise Malformed("box_malformed", f"1 to {COUNT_MAX} coins, at most {COUNT_MAX} outputs")
    return Box(
        header=header,
        answer_key=answer_key,
        coins=tuple(
            Coin(ref=Ref(*ref), serial=serial, prefix=prefix, signature=signature)
            for *ref, serial, prefix, signature in _COIN.iter_unpack(plain[_HEAD.size : middle])
        ),
        outputs=tuple(
            Output(ref=Ref(*ref), blinded=blinded)
            for *ref, blinded in _OUTPUT.iter_unpack(plain[middle:])
        ),
    )


def seal_answer(answer_key: bytes, header: bytes, signatures: Sequence[bytes]) -> list[str]:
    """The blind signatures of a box's outputs, for who made it; the same each time."""
    return texts(sealing.box(answer_key, _NO_NONCE, header, b"".join(signatures)))


def unseal_answer(answer_key: bytes, header: bytes, found: Sequence[str]) -> list[bytes]:
    """The blind signatures; `Malformed`, `Forged`."""
    plain = sealing.unbox(answer_key, header, joined(found))
    if len(plain) % SIZE_BYTES:
        raise Malformed("answer_malformed", f"a signature has {SIZE_BYTES} bytes")
    return [plain[at : at + SIZE_BYTES] for at in range(0, len(plain), SIZE_BYTES)]


def texts(raw: bytes) -> list[str]:
    """Bytes as base64url texts, all but the last of the full length."""
    text = codec.b64u(raw)
    return [text[at : at + TEXT_CHARS] for at in range(0, len(text), TEXT_CHARS)]


def joined(found: Sequence[str]) -> bytes:
    """What was cut into texts; `Malformed` for any other way to cut it."""
    if not 1 <= len(found) <= TEXTS_MAX or any(len(text) != TEXT_CHARS for text in found[:-1]):
        raise Malformed("box_malformed", f"1 to {TEXTS_MAX} texts, each full but the last")
    if not 0 < len(found[-1]) <= TEXT_CHARS:
        raise Malformed("box_malformed", "an empty text, or one that is too long")
    return codec.unb64u("".join(found))


def _fields(ref: Ref) -> tuple[int, int, bytes]:
    return ref.epoch, ref.exponent, ref.id


def pack_ref(ref: Ref) -> bytes:
    """21 bytes."""
    return _REF.pack(*_fields(ref))
