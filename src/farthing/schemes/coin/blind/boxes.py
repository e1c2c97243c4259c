"""The box in which coins and outputs travel to the broker.

    item    = length(2) ‖ bytes
    box     = seal_to(broker, header(32) ‖ answer key(32) ‖ counts(1 + 1) ‖ coins ‖ outputs)
    answer  = box under the answer key, bound to the header: the signatures, all of one length

The header is a digest of what the coins are for, so they are worth nothing in another payment; the
answer to the outputs comes back boxed under the answer key, so nobody else on the way sees it. Its
nonce follows from what is in it, since an old copy of a wallet, or a vendor that lies of what it
was paid, may bring about two answers under one key. In JSON a box is a list of base64url texts,
since one text has a limit. Source: ours.
"""

import struct
from collections.abc import Iterable, Sequence

import msgspec

from farthing import codec
from farthing.crypto import agreement, sealing
from farthing.crypto.mac import mac
from farthing.errors import Forged, Malformed
from farthing.schemes.coin.values import COUNT_MAX

HEADER_BYTES = 32
KEY_BYTES = 32  # of the answer's key
TEXT_CHARS = 4096  # of one text of a box: as long as JSON strings may be here
TEXTS_MAX = 16  # of one box: 60 coins and 60 outputs are 50,000 characters
_HEAD = struct.Struct(f">{HEADER_BYTES}s{KEY_BYTES}sBB")
_LENGTH = struct.Struct(">H")
_MAC_BYTES = 16  # cut to a nonce
_NONCE_TAG = "farthing/blind/answer-nonce/1"


class Box(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What is in a box; coins and outputs as their scheme writes them.

    Its repr shows nothing that pays.
    """

    header: bytes
    answer_key: bytes
    coins: tuple[bytes, ...]
    outputs: tuple[bytes, ...]

    def __repr__(self) -> str:
        """How many of each only."""
        return f"Box({len(self.coins)} coins, {len(self.outputs)} outputs)"


def seal(tag: str, public: bytes, box: Box, entropy: bytes) -> list[str]:
    """The box as texts, for whoever has the secret of `public`; 44 random bytes, used once."""
    head = _HEAD.pack(box.header, box.answer_key, len(box.coins), len(box.outputs))
    items = (_LENGTH.pack(len(item)) + item for item in (*box.coins, *box.outputs))
    return texts(agreement.seal_to(public, tag, head + b"".join(items), entropy))


def unseal(tag: str, secrets: Sequence[bytes], found: Sequence[str]) -> Box:
    """What was sealed to one of these keys; `Malformed`, `Forged`."""
    sealed = joined(found)
    for secret in secrets[:-1]:
        try:
            return _read(agreement.unseal_with(secret, tag, sealed))
        except Forged:
            continue
    return _read(agreement.unseal_with(secrets[-1], tag, sealed))


def _read(plain: bytes) -> Box:
    try:
        header, answer_key, coins, outputs = _HEAD.unpack_from(plain)
        items, at = list[bytes](), _HEAD.size
        for _ in range(coins + outputs):
            (length,) = _LENGTH.unpack_from(plain, at)
            at += _LENGTH.size + length
            items.append(plain[at - length : at])
    except struct.error:
        raise Malformed("box_malformed", "there is less in the box than it says") from None
    if at != len(plain):
        raise Malformed("box_malformed", "the box has another length than it says")
    if not 1 <= coins <= COUNT_MAX or outputs > COUNT_MAX:
        raise Malformed("box_malformed", f"1 to {COUNT_MAX} coins, at most {COUNT_MAX} outputs")
    return Box(
        header=header,
        answer_key=answer_key,
        coins=tuple(items[:coins]),
        outputs=tuple(items[coins:]),
    )


def seal_answer(answer_key: bytes, header: bytes, signatures: Iterable[bytes]) -> list[str]:
    """The blind signatures of a box's outputs, for who made it; the same each time."""
    plain = b"".join(signatures)
    nonce = mac(_MAC_BYTES, answer_key, _NONCE_TAG, header, plain)[: sealing.NONCE_BYTES]
    return texts(sealing.box(answer_key, nonce, header, plain))


def unseal_answer(
    answer_key: bytes, header: bytes, found: Sequence[str], size_bytes: int
) -> list[bytes]:
    """The blind signatures, each of this size; `Malformed`, `Forged`."""
    plain = sealing.unbox(answer_key, header, joined(found))
    if len(plain) % size_bytes:
        raise Malformed("answer_malformed", f"a signature has {size_bytes} bytes")
    return [plain[at : at + size_bytes] for at in range(0, len(plain), size_bytes)]


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
