"""Merkle trees over any number of leaves, and one proof for several of them at once.

``node = SHA256(0x01 || left || right)`` over digests of 32 bytes; a node without a right sibling
goes up as it is. Leaves are digests of `codec.enc` strings, which begin with a zero byte, so no
leaf passes for a node. A proof lists the siblings that the known nodes lack, bottom up and from
left to right; the number of leaves is signed elsewhere, and with it the shape. Source: RFC 6962,
section 2.1, for the idea; proofs for several leaves are ours.
"""

from collections.abc import Iterator, Sequence
from hashlib import sha256

from farthing.errors import Forged

DIGEST_BYTES = 32


def _node(left: bytes, right: bytes) -> bytes:
    return sha256(b"\x01" + left + right).digest()


def _rows(leaves: Sequence[bytes]) -> list[list[bytes]]:
    """All nodes, a list a height, leaves first."""
    rows = [list(leaves)]
    while len(rows[-1]) > 1:
        row = rows[-1]
        above = [_node(row[i], row[i + 1]) for i in range(0, len(row) - 1, 2)]
        rows.append(above + row[len(above) * 2 :])
    return rows


def root_of(leaves: Sequence[bytes]) -> bytes:
    """The root over one or more leaves, 32 bytes each."""
    return _rows(leaves)[-1][0]


def prove(leaves: Sequence[bytes], indices: Sequence[int]) -> list[bytes]:
    """The siblings from which `verify` gets the root, given the leaves at `indices`."""
    proof: list[bytes] = []
    known = set(indices)
    for row in _rows(leaves)[:-1]:
        proof += [row[i ^ 1] for i in sorted(known) if i ^ 1 not in known and i ^ 1 < len(row)]
        known = {i // 2 for i in known}
    return proof


def verify(root: bytes, count: int, leaves: dict[int, bytes], proof: Sequence[bytes]) -> None:
    """`Forged` unless these leaves, by index, are among the `count` under `root`.

    The caller has checked that there is a leaf and that indices are below `count`.
    """
    nodes, siblings = dict(sorted(leaves.items())), iter(proof)
    try:
        while count > 1:
            nodes, count = _above(nodes, count, siblings), (count + 1) // 2
    except StopIteration:
        raise Forged("merkle_proof_too_short", "a sibling is missing in the path") from None
    if next(siblings, None) is not None:
        raise Forged("merkle_proof_too_long", "the path has a sibling too many")
    if nodes[0] != root:
        raise Forged("merkle_root_differs", "these leaves are not under the signed root")


def _above(nodes: dict[int, bytes], count: int, siblings: Iterator[bytes]) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    for index, node in nodes.items():
        if index // 2 in found:
            continue  # its left sibling was here
        if index % 2:
            found[index // 2] = _node(next(siblings), node)
        elif index + 1 == count:
            found[index // 2] = node
        else:
            other = nodes.get(index + 1) or next(siblings)
            found[index // 2] = _node(node, other)
    return found
