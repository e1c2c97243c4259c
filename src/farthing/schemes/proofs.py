"""Who paid: `<kind>:<base64url>` over a statement (`Purse.prove`, `Till.verify_owner`)."""

from typing import Literal

from farthing import codec
from farthing.errors import Malformed

ProofKind = Literal["ed25519", "mac"]
_SIZES_BYTES: dict[ProofKind, int] = {"ed25519": 64, "mac": 16}


def write_proof(kind: ProofKind, proof: bytes) -> str:
    """The proof as it travels."""
    return f"{kind}:{codec.b64u(proof)}"


def read_proof(text: str, kind: ProofKind) -> bytes:
    """The signature (64 bytes) or code (16 bytes) in it; `Malformed` for another kind."""
    found, _, proof = text.partition(":")
    if found != kind:
        raise Malformed("outcome_proof_malformed", f"this instrument proves with {kind}:")
    return codec.unb64u(proof, size_bytes=_SIZES_BYTES[kind])
