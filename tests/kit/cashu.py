"""A Cashu wallet on paper: it blinds, unblinds and unlocks; a mint answers it."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from itertools import count

import msgspec

from farthing.crypto import bdhke, schnorr
from farthing.schemes.coin.cashu import keysets, tokens
from farthing.schemes.coin.cashu.messages import Dleq, Output, Proof, Signature
from farthing.schemes.setting import Key

_NUMBERS = count(1)


def scalar(name: str) -> bytes:
    return hashlib.sha256(f"TEST-{name}".encode()).digest()


def public(name: str) -> str:
    return bdhke.public_of(scalar(name)).hex()


def key_of(name: str, final_expiry: int = 0) -> Key:
    secret = scalar(name)
    return Key(id=name, purpose=keysets.KEYSET_KEY, secret=secret, not_after_s=final_expiry)


def mint_keys(unit: str = "eur", name: str = "mint", final_expiry: int = 0) -> keysets.MintKeys:
    return keysets.MintKeys(key_of(name, final_expiry), unit)


class Blank(msgspec.Struct, frozen=True):
    """An output, and what its payer must keep."""

    output: Output
    secret: str
    r: bytes


def blank(keyset_id: str, amount: int, secret: str = "") -> Blank:
    number = next(_NUMBERS)
    secret = secret or hashlib.sha256(f"TEST-coin-{number}-CANARY".encode()).hexdigest()
    r = scalar(f"blinding {number}")
    output = Output(amount=amount, id=keyset_id, B_=bdhke.blind(secret.encode(), r).hex())
    return Blank(output, secret, r)


def blanks(keyset_id: str, amount: int) -> list[Blank]:
    return [blank(keyset_id, part) for part in keysets.amounts_of(amount)]


def sign(keys: keysets.MintKeys, output: Output) -> Signature:
    """What a mint that checks nothing gives for an output."""
    key = keys.find(output.amount)
    assert key is not None
    signed = bdhke.sign(key, bdhke.point(bytes.fromhex(output.B_)))
    return Signature(
        amount=output.amount,
        id=keys.id,
        C_=signed.C_.hex(),
        dleq=Dleq(e=signed.e.hex(), s=signed.s.hex()),
    )


def coin(blank: Blank, signature: Signature, keys: dict[int, str]) -> Proof:
    """The coin of an output that was signed; its proof is held to the mint's public key."""
    raw = bytes.fromhex
    mint = raw(keys[signature.amount])
    signed = bdhke.Signed(raw(signature.C_), raw(signature.dleq.e), raw(signature.dleq.s))
    bdhke.verify_signed(mint, raw(blank.output.B_), signed)
    dleq = msgspec.structs.replace(signature.dleq, r=blank.r.hex())
    return Proof(
        amount=signature.amount,
        id=signature.id,
        secret=blank.secret,
        C=bdhke.unblind(signed.C_, blank.r, mint).hex(),
        dleq=dleq,
    )


def coins(
    blanks: Iterable[Blank], signatures: Iterable[Signature], keys: dict[int, str]
) -> tuple[Proof, ...]:
    return tuple(
        coin(one, signature, keys) for one, signature in zip(blanks, signatures, strict=True)
    )


def claiming(amount: int, mint: str, unit: str = "eur", name: str = "coin") -> str:
    """A token that says what it is worth; nobody has signed its coin."""
    proof = Proof(amount=amount, id="01" * 33, secret=name, C="02" * 33)
    return tokens.write(tokens.Token(mint=mint, unit=unit, proofs=(proof,)))


def lock(kind: str, data: str, **tags: Sequence[str] | str) -> str:
    """A secret that locks a coin."""
    rows = [[name, *([value] if isinstance(value, str) else value)] for name, value in tags.items()]
    nonce = scalar(f"nonce {next(_NUMBERS)}").hex()
    return json.dumps([kind, {"nonce": nonce, "data": data, "tags": rows}])


def unlocked(proof: Proof, *signers: str, message: str = "", preimage: str = "") -> Proof:
    """The proof with a witness by these keys, over its secret or another message."""
    over = (message or proof.secret).encode()
    witness: dict[str, object] = {
        "signatures": [schnorr.sign(scalar(name), over).hex() for name in signers]
    }
    if preimage:
        witness |= {"preimage": preimage}
    return msgspec.structs.replace(proof, witness=json.dumps(witness))
