from hashlib import sha256
from itertools import combinations

import pytest

from farthing.codec import enc
from farthing.crypto import merkle
from farthing.errors import Forged


def leaves(count: int) -> list[bytes]:
    return [sha256(enc("leaf", number)).digest() for number in range(count)]


@pytest.mark.parametrize("count", range(1, 9))
def test_any_leaves_are_proved_at_once(count: int) -> None:
    row = leaves(count)
    root = merkle.root_of(row)
    for size in range(1, count + 1):
        for indices in combinations(range(count), size):
            proof = merkle.prove(row, indices)
            merkle.verify(root, count, {index: row[index] for index in indices}, proof)


def test_a_single_leaf_of_many_needs_one_sibling_a_height() -> None:
    row = leaves(64)
    proof = merkle.prove(row, [37])
    assert len(proof) == 6
    merkle.verify(merkle.root_of(row), 64, {37: row[37]}, proof)


def test_a_leaf_in_another_place_or_another_leaf_is_forged() -> None:
    row = leaves(7)
    root, proof = merkle.root_of(row), merkle.prove(row, [3])
    for index, leaf in ((2, row[3]), (4, row[3]), (3, row[2]), (3, root)):
        with pytest.raises(Forged, match=r"merkle_root_differs|merkle_proof_too_"):
            merkle.verify(root, 7, {index: leaf}, proof)


def test_a_sibling_too_few_too_many_or_changed_is_forged() -> None:
    row = leaves(6)
    root, proof = merkle.root_of(row), merkle.prove(row, [1, 4])
    known = {1: row[1], 4: row[4]}
    with pytest.raises(Forged, match="merkle_proof_too_short"):
        merkle.verify(root, 6, known, proof[:-1])
    with pytest.raises(Forged, match="merkle_proof_too_long"):
        merkle.verify(root, 6, known, [*proof, proof[0]])
    for place in range(len(proof)):
        with pytest.raises(Forged, match="merkle_root_differs"):
            merkle.verify(root, 6, known, [*proof[:place], bytes(32), *proof[place + 1 :]])


def test_a_node_is_no_leaf() -> None:
    row = leaves(4)
    inner = sha256(b"\x01" + row[0] + row[1]).digest()
    with pytest.raises(Forged):
        merkle.verify(merkle.root_of(row), 4, {0: inner}, merkle.prove(row, [0])[1:])
