"""The kernel of `lanes.py`: SHA-256 of sixteen blocks in step, compiled when it is first called.

Imported only where the extra `mint` is installed. One link is one compression, so it knows a single
message layout (`chain.py`). Sixteen chains lie side by side, which lets the compiler use the widest
registers that the machine has. Source: FIPS 180-4; the layout is ours.
"""

from typing import Any

import numba
import numpy as np

LANES = 16
WORD_WORDS = 4  # of 32 bits: a word or a key of a chain
BLOCK_WORDS = 16
ROUNDS = 64

_ROUND_CONSTANTS = np.array((
    0x428A2F98, 0x71374491, 0xB5C0FBCF, 0xE9B5DBA5, 0x3956C25B, 0x59F111F1, 0x923F82A4, 0xAB1C5ED5,
    0xD807AA98, 0x12835B01, 0x243185BE, 0x550C7DC3, 0x72BE5D74, 0x80DEB1FE, 0x9BDC06A7, 0xC19BF174,
    0xE49B69C1, 0xEFBE4786, 0x0FC19DC6, 0x240CA1CC, 0x2DE92C6F, 0x4A7484AA, 0x5CB0A9DC, 0x76F988DA,
    0x983E5152, 0xA831C66D, 0xB00327C8, 0xBF597FC7, 0xC6E00BF3, 0xD5A79147, 0x06CA6351, 0x14292967,
    0x27B70A85, 0x2E1B2138, 0x4D2C6DFC, 0x53380D13, 0x650A7354, 0x766A0ABB, 0x81C2C92E, 0x92722C85,
    0xA2BFE8A1, 0xA81A664B, 0xC24B8B70, 0xC76C51A3, 0xD192E819, 0xD6990624, 0xF40E3585, 0x106AA070,
    0x19A4C116, 0x1E376C08, 0x2748774C, 0x34B0BCB5, 0x391C0CB3, 0x4ED8AA4A, 0x5B9CCA4F, 0x682E6FF3,
    0x748F82EE, 0x78A5636F, 0x84C87814, 0x8CC70208, 0x90BEFFFA, 0xA4506CEB, 0xBEF9A3F7, 0xC67178F2,
), np.uint32)  # fmt: skip  # - the table of FIPS 180-4, 4.2.2
_BEGINNING = np.array((
    0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A, 0x510E527F, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19,
), np.uint32)  # fmt: skip  # - FIPS 180-4, 5.3.3
_PADDING = np.array(
    ((0, 16), (5, 4), (7, 16), (12, 0x80000000), (13, 0), (14, 0), (15, 384)), np.uint32
)
"""(place, value) of what every link's block holds: lengths of key, index and word; end and size."""
_INDEX_PLACE, _KEY_PLACE, _WORD_PLACE = 6, 1, 8
u32 = np.uint32


@numba.njit(inline="always")
def _right(x: Any, count: int) -> Any:
    return (x >> u32(count)) | (x << u32(32 - count))


@numba.njit(nogil=True, cache=True)
def _compress(block: Any, state: Any) -> None:
    for t in range(ROUNDS):
        constant, i = _ROUND_CONSTANTS[t], t & 15
        if t >= BLOCK_WORDS:
            i1, i9, i14 = (t + 1) & 15, (t + 9) & 15, (t + 14) & 15
            for lane in range(LANES):
                x, y = block[i1, lane], block[i14, lane]
                block[i, lane] += (
                    block[i9, lane]
                    + (_right(x, 7) ^ _right(x, 18) ^ (x >> u32(3)))
                    + (_right(y, 17) ^ _right(y, 19) ^ (y >> u32(10)))
                )
        ia, ib, ic, id_ = (-t) & 7, (1 - t) & 7, (2 - t) & 7, (3 - t) & 7
        ie, if_, ig, ih = (4 - t) & 7, (5 - t) & 7, (6 - t) & 7, (7 - t) & 7
        for lane in range(LANES):
            a, e = state[ia, lane], state[ie, lane]
            one = (
                state[ih, lane]
                + (_right(e, 6) ^ _right(e, 11) ^ _right(e, 25))
                + ((e & state[if_, lane]) ^ (~e & state[ig, lane]))
                + constant
                + block[i, lane]
            )
            b, c = state[ib, lane], state[ic, lane]
            two = (_right(a, 2) ^ _right(a, 13) ^ _right(a, 22)) + ((a & b) ^ (a & c) ^ (b & c))
            state[id_, lane] += one
            state[ih, lane] = one + two


@numba.njit(nogil=True, cache=True)
def descend(keys: Any, words: Any, indices: Any, gaps: Any) -> None:
    """Every lane of every group down by its gap, in place; all arrays of 32-bit numbers.

    `keys`, `words`: (groups, 4, lanes); `indices`, `gaps`: (groups, lanes).
    """
    block = np.empty((BLOCK_WORDS, LANES), np.uint32)
    state = np.empty((8, LANES), np.uint32)
    for group in range(keys.shape[0]):
        for step in range(gaps[group].max()):
            for row in range(_PADDING.shape[0]):
                block[_PADDING[row, 0], :] = _PADDING[row, 1]
            for lane in range(LANES):
                block[_INDEX_PLACE, lane] = indices[group, lane] - u32(1) - u32(step)
            for j in range(WORD_WORDS):
                block[_KEY_PLACE + j, :] = keys[group, j, :]
                block[_WORD_PLACE + j, :] = words[group, j, :]
            for j in range(8):
                state[j, :] = _BEGINNING[j]
            _compress(block, state)
            for j in range(WORD_WORDS):
                for lane in range(LANES):
                    if u32(step) < gaps[group, lane]:
                        words[group, j, lane] = state[j, lane] + _BEGINNING[j]
