"""Many chains at once, in compiled code: the words that proofs lead to (the extra `mint`)."""

from collections.abc import Sequence
from functools import cache
from types import ModuleType
from typing import Any, Protocol

WORD_BYTES = 16


class Proof(Protocol):
    """What it reads of a `chain.Proof`."""

    @property
    def key(self) -> bytes:
        """Of the chain's links."""

    @property
    def word(self) -> bytes:
        """That which is shown."""

    @property
    def at(self) -> int:
        """Its index."""

    @property
    def last_index(self) -> int:
        """Where it must lead to."""


@cache
def _kernel() -> ModuleType | None:
    try:
        from farthing.crypto import lanes_kernel  # takes a second, and there may be none
    except ImportError:
        return None
    return lanes_kernel


def descend_all(proofs: Sequence[Proof]) -> list[bytes] | None:
    """The word at `last_index` of each, in their order; None without the extra.

    A word or key of another length than a chain's gives an empty one.
    """
    kernel = _kernel()
    if kernel is None:
        return None
    np, lanes = kernel.np, kernel.LANES
    fit = [n for n, proof in enumerate(proofs) if len(proof.word) == len(proof.key) == WORD_BYTES]
    if not fit:
        return [b""] * len(proofs)
    fit.sort(key=lambda n: proofs[n].at - proofs[n].last_index)  # a group ends together
    groups = -(-len(fit) // lanes)

    def side_by_side(parts: list[bytes]) -> Any:  # an array of the extra
        raw = b"".join(parts).ljust(groups * lanes * WORD_BYTES, b"\0")
        rows = np.frombuffer(raw, dtype=">u4").astype(np.uint32).reshape(groups, lanes, -1)
        return np.ascontiguousarray(rows.transpose(0, 2, 1))

    def numbers(found: list[int]) -> Any:
        padded = found + [0] * (groups * lanes - len(found))
        return np.array(padded, dtype=np.uint32).reshape(groups, lanes)

    words = side_by_side([proofs[n].word for n in fit])
    kernel.descend(
        side_by_side([proofs[n].key for n in fit]),
        words,
        numbers([proofs[n].at for n in fit]),
        numbers([proofs[n].at - proofs[n].last_index for n in fit]),
    )
    raw = words.transpose(0, 2, 1).astype(">u4").tobytes()
    ends = [b""] * len(proofs)
    for place, n in enumerate(fit):
        ends[n] = raw[place * WORD_BYTES : (place + 1) * WORD_BYTES]
    return ends
