"""Hash chains whose links cost one SHA-256 compression each (schemes, section 2).

``key = SHA256(enc("farthing/chain/link/1", salt))[:16]`` and
``w_i = SHA256(enc(key, i, w_{i+1}))[:16]`` for i = n-1 … 0, with i as 4 bytes: 48 bytes of input.
`w_n` is random, `w_0` is the root that somebody signs; a payment reveals a link of higher index.
The key from the chain's own salt, and the index, keep one table from attacking all chains (ours).
Words may be shorter, down to 10 bytes: all of one chain have the size of its last.
"""

from collections.abc import Sequence
from functools import lru_cache
from hashlib import sha256
from hmac import compare_digest
from typing import NamedTuple

from farthing.codec import enc
from farthing.crypto import lanes
from farthing.errors import Forged

WORD_BYTES = 16
WORD_BYTES_MIN = 10  # 80 bits, for a table of one chain only: the salt is in every link
SALT_BYTES = 16
LENGTH_MAX = 100_000  # links of one chain: a tenth of a second to build
READY_MADE = 4096  # links whose encoding is made beforehand: chains are seldom longer
BULK = 2_000  # links from which compiled code is worth its start
LADDERS_CACHED = 64  # chains that one process spends from at a time; 80 kB each of the longest
RUNG = 64  # links between two words that are kept of a whole chain
LINK_TAG = "farthing/chain/link/1"

_INDEX = b"\0\0\0\x04"
_WORD = b"\0\0\0\x10"
_BETWEEN = tuple(_INDEX + step.to_bytes(4, "big") + _WORD for step in range(READY_MADE))
"""What stands between key and word: ready made where chains are of common length (1.6 times as
fast)."""


class Proof(NamedTuple):
    """That `word`, the one `at` an index, hashes to `last_word`; the gap is bounded."""

    key: bytes
    word: bytes
    at: int
    last_word: bytes
    last_index: int


def link_key(salt: bytes) -> bytes:
    """The 16-byte key of a chain's links."""
    return sha256(enc(LINK_TAG, salt)).digest()[:16]


def descend(key: bytes, word: bytes, index: int, to: int) -> bytes:
    """The word at index `to`, from the word at `index`: `index - to` hashes."""
    head = _WORD + key
    if len(word) != WORD_BYTES:
        return _descend_short(head + _INDEX, word, index, to)
    for step in range(index - 1, max(to, READY_MADE) - 1, -1):
        word = sha256(head + _INDEX + step.to_bytes(4, "big") + _WORD + word).digest()[:16]
    for between in _BETWEEN[to:index][::-1]:
        word = sha256(head + between + word).digest()[:16]
    return word


def before(key: bytes, word: bytes, index: int) -> bytes:
    """The word before the one at `index`: what nearly every payment takes."""
    if index > READY_MADE or len(word) != WORD_BYTES:
        return descend(key, word, index, index - 1)
    return sha256(_WORD + key + _BETWEEN[index - 1] + word).digest()[:16]


def _descend_short(head: bytes, word: bytes, index: int, to: int) -> bytes:
    size = len(word)
    width = size.to_bytes(4, "big")
    for step in range(index - 1, to - 1, -1):
        word = sha256(head + step.to_bytes(4, "big") + width + word).digest()[:size]
    return word


def root_of(salt: bytes, seed: bytes, length: int) -> bytes:
    """The root of the chain that ends in `seed`, its last word, after `length` links."""
    return word_of(link_key(salt), seed, length, 0)


def word_of(key: bytes, seed: bytes, length: int, index: int) -> bytes:
    """The word at `index` of a chain of `length` links.

    Of a known chain `RUNG` words are made at once, so that each is hashed once as it is spent.
    """
    if not index:
        return _ladder(key, seed, length)[0]
    rung, step = divmod(index - 1, RUNG)
    return _words(key, seed, length, rung)[step]


@lru_cache(maxsize=LADDERS_CACHED)
def _words(key: bytes, seed: bytes, length: int, rung: int) -> tuple[bytes, ...]:
    """The words above one that is kept, as far as the next that is, that one included."""
    top = min((rung + 1) * RUNG, length)
    words = [_ladder(key, seed, length)[rung + 1]]
    for index in range(top, rung * RUNG + 1, -1):
        words.append(before(key, words[-1], index))
    return tuple(reversed(words))


@lru_cache(maxsize=LADDERS_CACHED)
def _ladder(key: bytes, seed: bytes, length: int) -> tuple[bytes, ...]:
    """Every word of a chain whose index is a multiple of `RUNG`, from the root, and the last."""
    rungs, at = [seed], length
    while at:
        below = (at - 1) // RUNG * RUNG
        rungs.append(descend(key, rungs[-1], at, below))
        at = below
    return tuple(reversed(rungs))


def verify_word(key: bytes, word: bytes, index: int, last_word: bytes, last_index: int) -> None:
    """`Forged` unless `word` at `index` hashes to `last_word` at `last_index`.

    The caller has bounded `index - last_index`.
    """
    # What nearly every payment takes, in line.
    if last_index == index - 1 < READY_MADE and len(word) == WORD_BYTES:
        found = sha256(_WORD + key + _BETWEEN[last_index] + word).digest()[:16]
    else:
        found = descend(key, word, index, last_index)
    if not compare_digest(found, last_word):
        raise Forged("word_does_not_hash_to_last", "this word is not of the committed chain")


def are_proved(proofs: Sequence[Proof]) -> list[bool]:
    """Of each proof whether it holds; many at once in compiled code, with the extra `mint`.

    One that comes several times is hashed once.
    """
    once = list(dict.fromkeys(proofs))
    links = sum(proof.at - proof.last_index for proof in once)
    is_bulk = links >= BULK and all(len(proof.word) == WORD_BYTES for proof in once)
    ends = lanes.descend_all(once) if is_bulk else None
    if ends is None:
        ends = [descend(proof.key, proof.word, proof.at, proof.last_index) for proof in once]
    ends_of = dict(zip(once, ends, strict=True))
    return [compare_digest(ends_of[proof], proof.last_word) for proof in proofs]
