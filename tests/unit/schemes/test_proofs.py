import pytest

from farthing.errors import Malformed, Refusal
from farthing.schemes.proofs import ProofKind, read_proof, write_proof


@pytest.mark.parametrize(("kind", "size_bytes"), [("ed25519", 64), ("mac", 16)])
def test_a_proof_comes_back_as_it_was_written(kind: ProofKind, size_bytes: int) -> None:
    proof = bytes(range(size_bytes))
    assert read_proof(write_proof(kind, proof), kind) == proof


@pytest.mark.parametrize(
    "text",
    ["", "mac", "mac:", "mac:?", write_proof("ed25519", bytes(64)), write_proof("mac", bytes(17))],
)
def test_a_proof_of_another_kind_or_size_is_malformed(text: str) -> None:
    with pytest.raises(Malformed):
        read_proof(text, "mac")


def test_the_refusal_says_which_kind_is_wanted() -> None:
    with pytest.raises(Refusal, match="proves with ed25519:"):
        read_proof(write_proof("mac", bytes(16)), "ed25519")
