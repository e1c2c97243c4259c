import hashlib
from typing import Any

import pytest
from coincurve import PrivateKey

from farthing.crypto import bdhke
from farthing.errors import Forged, Malformed
from tests.kit.nuts import vectors

SECRET = hashlib.sha256(b"TEST-mint").digest()
R = hashlib.sha256(b"TEST-blinding").digest()
COIN = b"TEST-coin-CANARY"


def name(vector: dict[str, Any]) -> str:
    return str(vector["name"])


@pytest.mark.parametrize("vector", vectors("nut00", "hash_to_curve"), ids=name)
def test_a_message_has_the_published_point(vector: dict[str, Any]) -> None:
    found = bdhke.hash_to_curve(bytes.fromhex(vector["message_hex"]))
    assert found.format().hex() == vector["point"]


@pytest.mark.parametrize("vector", vectors("nut00", "blinded_message"), ids=name)
def test_a_secret_is_blinded_as_published(vector: dict[str, Any]) -> None:
    blinded = bdhke.blind(bytes.fromhex(vector["x_hex"]), bytes.fromhex(vector["r"]))
    assert blinded.hex() == vector["B_"]


@pytest.mark.parametrize("vector", vectors("nut00", "blind_signature"), ids=name)
def test_a_blinded_message_is_signed_as_published(vector: dict[str, Any]) -> None:
    key = PrivateKey(bytes.fromhex(vector["k"]))
    signed = bdhke.sign(key, bdhke.point(bytes.fromhex(vector["B_"])))
    assert signed.C_.hex() == vector["C_"]


def test_points_are_hashed_as_published() -> None:
    (vector,) = vectors("nut12", "hash_e")
    points = [bdhke.point(bytes.fromhex(vector[name])) for name in ("R1", "R2", "K", "C_")]
    assert bdhke.hash_points(*points).hex() == vector["hash"]


def test_the_proof_is_the_published_one_byte_for_byte() -> None:
    (vector,) = vectors("nut12", "dleq_deterministic_nonce")
    key = PrivateKey(bytes.fromhex(vector["a"]))
    signed = bdhke.sign(key, bdhke.point(bytes.fromhex(vector["B_"])))
    assert bdhke.public_of(key.secret).hex() == vector["A"]
    found = {"C_": signed.C_.hex(), "e": signed.e.hex(), "s": signed.s.hex()}
    assert found == {name: vector[name] for name in ("C_", "e", "s")}


def test_the_published_proofs_are_right() -> None:
    (of_signature,) = vectors("nut12", "dleq_blind_signature")
    blind, public = of_signature["blind_signature"], bytes.fromhex(of_signature["A"])
    bdhke.verify_signed(public, bytes.fromhex(of_signature["B_"]), proof_of(blind, blind["C_"]))
    (of_coin,) = vectors("nut12", "dleq_proof")
    coin = of_coin["proof"]
    bdhke.verify_coin(
        bytes.fromhex(of_coin["A"]),
        coin["secret"].encode(),
        bytes.fromhex(coin["C"]),
        bytes.fromhex(coin["dleq"]["r"]),
        proof_of(coin, coin["C"]),
    )


def proof_of(vector: dict[str, Any], signed: str) -> bdhke.Signed:
    dleq = vector["dleq"]
    return bdhke.Signed(*(bytes.fromhex(part) for part in (signed, dleq["e"], dleq["s"])))


def minted() -> tuple[bytes, bytes, bdhke.Signed, bytes]:
    """Public key, B_, what was signed, and C of one coin."""
    key = PrivateKey(SECRET)
    public = bdhke.public_of(SECRET)
    blinded = bdhke.blind(COIN, R)
    signed = bdhke.sign(key, bdhke.point(blinded))
    return public, blinded, signed, bdhke.unblind(signed.C_, R, public)


def test_a_coin_is_right_to_who_signed_it_and_to_who_gets_it() -> None:
    public, blinded, signed, signature = minted()
    bdhke.verify(PrivateKey(SECRET), bdhke.hash_to_curve(COIN), signature)
    bdhke.verify_signed(public, blinded, signed)
    bdhke.verify_coin(public, COIN, signature, R, signed)


def test_a_coin_under_another_key_or_secret_is_forged() -> None:
    _, _, _, signature = minted()
    other = PrivateKey(hashlib.sha256(b"TEST-other").digest())
    for key, coin in ((other, COIN), (PrivateKey(SECRET), COIN + b"!")):
        with pytest.raises(Forged, match="coin_forged"):
            bdhke.verify(key, bdhke.hash_to_curve(coin), signature)


def test_a_proof_with_any_byte_changed_proves_nothing() -> None:
    public, blinded, signed, signature = minted()
    for at in range(32):
        for part in ("e", "s"):
            raw = bytearray(getattr(signed, part))
            raw[at] ^= 1
            wrong = bdhke.Signed(
                C_=signed.C_,
                e=bytes(raw) if part == "e" else signed.e,
                s=bytes(raw) if part == "s" else signed.s,
            )
            with pytest.raises(Forged, match="proof_wrong"):
                bdhke.verify_signed(public, blinded, wrong)
    with pytest.raises(Forged, match="proof_wrong"):
        bdhke.verify_coin(public, COIN + b"!", signature, R, signed)


@pytest.mark.parametrize("scalar", [bytes(32), b"\xff" * 32, bdhke.ORDER.to_bytes(32, "big")])
def test_a_scalar_out_of_range_proves_nothing(scalar: bytes) -> None:
    public, blinded, signed, signature = minted()
    with pytest.raises(Forged, match="proof_wrong"):
        bdhke.verify_signed(public, blinded, bdhke.Signed(signed.C_, scalar, signed.s))
    with pytest.raises(Forged, match="proof_wrong"):
        bdhke.verify_coin(public, COIN, signature, scalar, signed)


@pytest.mark.parametrize("raw", [b"", b"\x02" * 32, b"\x04" + bytes(32), b"\x02" + b"\xff" * 32])
def test_what_is_no_compressed_point_is_malformed(raw: bytes) -> None:
    with pytest.raises(Malformed, match="point_malformed"):
        bdhke.point(raw)
