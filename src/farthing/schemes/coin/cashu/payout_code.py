"""Payout codes: where a stock wallet's coins go when it "pays an invoice".

Stock wallets pay out to bolt11 strings only, so a code is one, well formed, on the regtest prefix,
that no lightning node knows. Its payment hash names the account that the broker pays into::

    lnbcrt<amount>  time (35 bits)  p: hash  s: secret  d: text  x: expiry    signature (65 bytes)

A coin's amount of 1 is one satoshi in it: wallets show what the mint answers. Source: BOLT 11 and
BIP-173; that it is no invoice is ours.
"""

import hashlib
from collections.abc import Iterable

from coincurve import PrivateKey

from farthing.errors import Unknown

PREFIX = "lnbcrt"
NANO_PER_SATOSHI = 10  # an amount ends with n: a billionth of a bitcoin

_CHARSET = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_GENERATORS = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)
_TIME_WORDS = 7
_HASH_AT = _TIME_WORDS + 3  # after the tag and its length, which our codes have first
_HASH_TAG, _SECRET_TAG, _TEXT_TAG, _EXPIRY_TAG = (_CHARSET.index(char) for char in "psdx")


def write(key: bytes, *, payment_hash: bytes, amount: int, at_s: int, expires_s: int) -> str:
    """The code; the same arguments make the same one."""
    head = f"{PREFIX}{amount * NANO_PER_SATOSHI}n"
    data = _words(at_s, _TIME_WORDS)
    data += _tagged(_HASH_TAG, _regroup(payment_hash))
    data += _tagged(_SECRET_TAG, _regroup(hashlib.sha256(payment_hash).digest()))
    data += _tagged(_TEXT_TAG, _regroup(b"payout"))
    data += _tagged(_EXPIRY_TAG, _words(expires_s - at_s, 6))
    digest = hashlib.sha256(head.encode() + _bytes(data)).digest()
    data += _regroup(PrivateKey(key).sign_recoverable(digest, hasher=None))
    return head + "1" + "".join(_CHARSET[word] for word in [*data, *_checksum(head, data)])


def _tagged(tag: int, words: list[int]) -> list[int]:
    return [tag, *_words(len(words), 2), *words]


def _words(number: int, count: int) -> list[int]:
    """A number in words of 5 bits."""
    return [number >> 5 * place & 31 for place in reversed(range(count))]


def _regroup(raw: bytes) -> list[int]:
    """Bytes in words of 5 bits, the last one filled with zeros."""
    count = -(-len(raw) * 8 // 5)
    return _words(int.from_bytes(raw, "big") << count * 5 - len(raw) * 8, count)


def _bytes(words: list[int]) -> bytes:
    """Words of 5 bits in bytes, the last one filled with zeros."""
    count = -(-len(words) * 5 // 8)
    number = sum(word << 5 * place for place, word in enumerate(reversed(words)))
    return (number << count * 8 - len(words) * 5).to_bytes(count, "big")


def _checksum(head: str, data: list[int]) -> list[int]:
    spread = [ord(char) >> 5 for char in head] + [0] + [ord(char) & 31 for char in head]
    return _words(_polymod([*spread, *data, *[0] * 6]) ^ 1, 6)


def _polymod(words: Iterable[int]) -> int:
    found = 1
    for word in words:
        top = found >> 25
        found = (found & 0x1FFFFFF) << 5 ^ word
        for place, generator in enumerate(_GENERATORS):
            found ^= generator if top >> place & 1 else 0
    return found


def hash_in(text: str) -> bytes:
    """The payment hash where our own codes have it, 32 bytes; `Unknown` for what is none.

    Nothing else in it is looked at: whoever pays a code compares it with the one that was made.
    """
    words = [_CHARSET.find(char) for char in text.rpartition("1")[2][_HASH_AT : _HASH_AT + 52]]
    if not text.startswith(PREFIX) or len(words) != 52 or -1 in words:
        raise Unknown("payout_unknown", "this mint pays out to its own payout codes only")
    return _bytes(words)[:32]
