"""What a gate keeps beside the counter of a chain: one fixed record, read and written in place.

``word(16) key(16) length(4) word_bytes(1) ends_at_s(8) public_key(32) payer(rest)``; a shorter word
is followed by zeros. A payment replaces the word and leaves the rest as it is, which is why it is
bytes and not a message, and why the rest is read once a chain: this is the hot path of every scheme
of the mechanism.
"""

import struct
from functools import lru_cache

from farthing.codec import unb64u
from farthing.crypto import chain
from farthing.errors import Expired, Finalized, JumpTooLong, OutOfRange, Replayed
from farthing.schemes.chain.times import DISPUTE_S, SKEW_S

WORD_BYTES = chain.WORD_BYTES  # of the longest word; every record begins with so many
CHAINS_CACHED = 16_384  # chains that a process remembers: some 500 bytes each

_REST = struct.Struct(">16sIBQ32s")


class Kept:
    """What stays the same of one chain: its record without the word."""

    __slots__ = (
        "ends_at_s",
        "key",
        "length",
        "payer",
        "public_key",
        "raw",
        "until_s",
        "word_bytes",
    )

    def __init__(self, raw: bytes) -> None:
        """From the end of what `pack` made."""
        self.raw = raw
        (self.key, self.length, self.word_bytes, self.ends_at_s, self.public_key) = (
            _REST.unpack_from(raw)
        )
        self.payer = raw[_REST.size :].decode()
        self.until_s = self.ends_at_s + SKEW_S + DISPUTE_S  # of its marks

    def __repr__(self) -> str:
        """Length and end only: a key tells which words are worth money."""
        return f"Kept({self.length}, {self.ends_at_s})"


kept_of = lru_cache(maxsize=CHAINS_CACHED)(Kept)
"""`Kept`, of a record from `WORD_BYTES` on; made once a chain."""


def pack(
    *, word: bytes, key: bytes, length: int, ends_at_s: int, public_key: bytes, payer: str
) -> bytes:
    """The record of a chain that is opened; `word` is its root."""
    rest = _REST.pack(key, length, len(word), ends_at_s, public_key)
    return word.ljust(WORD_BYTES, b"\0") + rest + payer.encode()


def chain_closed() -> Finalized:
    """Of a chain that its payer had closed."""
    return Finalized("chain_closed", "this chain was closed: open another")


def require_step(
    kept: Kept, index: int, last: int, now_s: int, skew_s: int, steps_max: int, steps: int = 0
) -> int:
    """`Expired`, `Replayed`, `OutOfRange`, `JumpTooLong`, all before any hashing.

    `Finalized` where the counter stands above the chain. `steps` are those that the payment took on
    other chains. Returns them with these.
    """
    if now_s > kept.ends_at_s + skew_s:
        raise Expired("commitment_expired", "commit anew: a commitment is for one day")
    if index <= last:
        if last > kept.length:
            raise chain_closed()
        told = "paid with before; an old copy of a wallet pays otherwise when it tries again"
        raise Replayed("chain_index_not_above_last", told, lastIndex=last)
    if index > kept.length:
        raise OutOfRange("chain_index_above_length", f"this chain has {kept.length} links")
    steps += index - last
    if steps > steps_max:
        raise JumpTooLong("jump_too_long", f"at most {steps_max} links in one payment")
    return steps


def verify_next(kept: Kept, record: bytes, last: int, index: int, text: str) -> bytes:
    """The word that `text` spells, which is the chain's at `index`; `Malformed`, `Forged`.

    `record` has the word at `last`. The caller has made sure of the step.
    """
    size_bytes = kept.word_bytes
    word = unb64u(text, size_bytes)
    chain.verify_word(kept.key, word, index, record[:size_bytes], last)
    return word
