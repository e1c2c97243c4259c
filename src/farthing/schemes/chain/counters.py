"""What a gate keeps beside the counter of a chain: one fixed record, read and written in place.

``word(16) key(16) length(4) word_bytes(1) ends_at_s(8) public_key(32) payer(rest)``; a shorter word
is followed by zeros. A payment replaces the word and leaves the rest as it is, which is why it is
bytes and not a message: this is the hot path of every scheme of the mechanism.
"""

import struct

from farthing.errors import Expired, JumpTooLong, OutOfRange, Replayed

_HEAD = struct.Struct(">16s16sIBQ32s")


class Kept:
    """The record of one chain."""

    __slots__ = ("ends_at_s", "key", "length", "public_key", "raw", "word", "word_bytes")

    def __init__(self, raw: bytes) -> None:
        """From what `pack` or `with_word` made."""
        self.raw = raw
        (self.word, self.key, self.length, self.word_bytes, self.ends_at_s, self.public_key) = (
            _HEAD.unpack_from(raw)
        )

    @property
    def payer(self) -> str:
        """The payer's pseudonym."""
        return self.raw[_HEAD.size :].decode()

    def with_word(self, word: bytes) -> bytes:
        """The record after this word was paid with."""
        return word + self.raw[len(word) :]

    def __repr__(self) -> str:
        """Length and end only: a word is worth money."""
        return f"Kept({self.length}, {self.ends_at_s})"


def pack(
    *, word: bytes, key: bytes, length: int, ends_at_s: int, public_key: bytes, payer: str
) -> Kept:
    """The record of a chain that is opened; `word` is its root."""
    head = _HEAD.pack(word, key, length, len(word), ends_at_s, public_key)
    return Kept(head + payer.encode())


def require_step(
    kept: Kept, index: int, last: int, now_s: int, *, skew_s: int, steps_max: int
) -> None:
    """`Expired`, `Replayed`, `OutOfRange`, `JumpTooLong`, all before any hashing."""
    if now_s > kept.ends_at_s + skew_s:
        raise Expired("commitment_expired", "commit anew: a commitment is for one day")
    if index <= last:
        raise Replayed("chain_index_not_above_last", "pay with a higher index", lastIndex=last)
    if index > kept.length:
        raise OutOfRange("chain_index_above_length", f"this chain has {kept.length} links")
    if index - last > steps_max:
        raise JumpTooLong("jump_too_long", f"at most {steps_max} links in one payment")
