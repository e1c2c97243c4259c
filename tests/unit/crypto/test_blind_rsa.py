import json
from functools import lru_cache
from pathlib import Path
from typing import Any

import gmpy2
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA384
from hypothesis import given, settings
from hypothesis import strategies as st

from farthing.codec import enc
from farthing.crypto import blind_rsa
from farthing.crypto.blind_rsa import VARIANTS, PublicKey, SecretKey, Variant
from farthing.errors import Broken, Forged, Malformed, OutOfRange

VECTORS = json.loads(Path("tests/vectors/rfc9474.json").read_text())["vectors"]
BY_NAME = {variant.name: variant for variant in VARIANTS}
BITS = 1024  # the smallest that OpenSSL verifies: quick to make


@lru_cache
def secret() -> SecretKey:
    return blind_rsa.derive_key(b"seed", BITS)


def signed(variant: Variant, message: bytes = b"coin") -> tuple[bytes, bytes]:
    """A prepared message and its signature, by way of a blind one."""
    key, r = secret().public, blind_rsa.below(secret().public, b"r")
    prepared = bytes(variant.prefix_bytes) + message
    blinded = blind_rsa.blind(key, prepared, bytes(variant.salt_bytes), r)
    answer = blind_rsa.blind_sign(secret(), blinded)
    return prepared, blind_rsa.finalize(key, variant, prepared, answer, r)


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"])
def test_the_vectors_of_the_rfc_come_out_byte_for_byte(vector: dict[str, Any]) -> None:
    variant = BY_NAME[vector["name"]]
    raw = {name: bytes.fromhex(value) for name, value in vector.items() if _is_hex(value)}
    number = {name: int.from_bytes(raw[name]) for name in ("p", "q", "n", "e", "inv")}
    key, r = PublicKey(number["n"]), int(gmpy2.invert(number["inv"], number["n"]))
    prefix, salt = raw.get("msg_prefix", b""), raw.get("salt", b"")
    assert number["e"] == blind_rsa.E
    assert (len(prefix), len(salt)) == (variant.prefix_bytes, variant.salt_bytes)
    assert prefix + raw["msg"] == raw["prepared_msg"]
    bits = key.n.bit_length() - 1
    assert blind_rsa.encode(raw["prepared_msg"], salt, bits) == raw["encoded_msg"]
    blinded = blind_rsa.blind(key, raw["prepared_msg"], salt, r)
    assert blinded == raw["blinded_msg"]
    answer = blind_rsa.blind_sign(SecretKey(number["p"], number["q"]), blinded)
    assert answer == raw["blind_sig"]
    done = blind_rsa.finalize(key, variant, raw["prepared_msg"], answer, r)
    assert done == raw["sig"]


def _is_hex(value: object) -> bool:
    return isinstance(value, str) and bool(value) and not value.strip("0123456789abcdef")


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda variant: variant.name)
def test_what_was_signed_blind_is_an_ordinary_pss_signature(variant: Variant) -> None:
    prepared, signature = signed(variant)
    stock = rsa.RSAPublicNumbers(blind_rsa.E, secret().public.n).public_key()
    how = padding.PSS(padding.MGF1(SHA384()), salt_length=variant.salt_bytes)
    stock.verify(signature, prepared, how, SHA384())
    with pytest.raises(InvalidSignature):
        stock.verify(signature, prepared + b"x", how, SHA384())


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda variant: variant.name)
def test_a_signature_of_one_salt_length_is_none_of_the_other(variant: Variant) -> None:
    prepared, signature = signed(variant)
    for other in VARIANTS:
        if other.salt_bytes == variant.salt_bytes:
            blind_rsa.verify(secret().public, other, prepared, signature)
        else:
            with pytest.raises(Forged, match="signature_wrong"):
                blind_rsa.verify(secret().public, other, prepared, signature)


@settings(max_examples=40)
@given(at=st.integers(0, BITS - 1))
def test_each_flipped_bit_of_a_signature_is_forged(at: int) -> None:
    prepared, signature = signed(blind_rsa.PSS_RANDOMIZED)
    flipped = (int.from_bytes(signature) ^ 1 << at).to_bytes(len(signature))
    with pytest.raises(Forged, match="signature_wrong"):
        blind_rsa.verify(secret().public, blind_rsa.PSS_RANDOMIZED, prepared, flipped)


def test_a_signature_plus_the_modulus_is_no_second_one() -> None:
    prepared, signature = signed(blind_rsa.PSS_RANDOMIZED)
    key = secret().public
    for other in (signature[:-1], signature + b"\0", b"\0" + signature, b""):
        with pytest.raises(Forged, match="signature_wrong"):
            blind_rsa.verify(key, blind_rsa.PSS_RANDOMIZED, prepared, other)
    larger = int.from_bytes(signature) + key.n
    if larger < 1 << BITS:
        with pytest.raises(Forged, match="signature_wrong"):
            blind_rsa.verify(
                key, blind_rsa.PSS_RANDOMIZED, prepared, larger.to_bytes(key.size_bytes)
            )


def test_nothing_is_signed_that_is_not_below_the_modulus() -> None:
    key = secret().public
    for number in (0, key.n, key.n + 1, (1 << BITS) - 1):
        with pytest.raises(OutOfRange, match="blinded_out_of_range"):
            blind_rsa.blind_sign(secret(), number.to_bytes(key.size_bytes))
    for raw in (b"", b"\1", bytes(key.size_bytes - 1) + b"\1\1"):
        with pytest.raises(Malformed, match="blinded_malformed"):
            blind_rsa.blind_sign(secret(), raw)


def test_a_signature_with_a_fault_in_it_is_never_released(monkeypatch: pytest.MonkeyPatch) -> None:
    """One wrong half of the power, released, would give both primes away."""
    real = gmpy2.powmod_sec
    p = blind_rsa._prime(enc(blind_rsa._PRIME_TAG, b"seed", BITS, "p"), BITS // 2)

    def faulty(base: Any, exponent: Any, modulus: Any) -> Any:
        return real(base, exponent, modulus) + (modulus == p)

    monkeypatch.setattr(gmpy2, "powmod_sec", faulty)
    with pytest.raises(Broken, match="signature_fault"):
        blind_rsa.blind_sign(secret(), (2).to_bytes(secret().public.size_bytes))


def test_a_blind_answer_to_another_message_is_forged() -> None:
    key, variant = secret().public, blind_rsa.PSS_DETERMINISTIC
    r, salt = blind_rsa.below(key, b"r"), bytes(variant.salt_bytes)
    answer = blind_rsa.blind_sign(secret(), blind_rsa.blind(key, b"one", salt, r))
    with pytest.raises(Forged, match="signature_wrong"):
        blind_rsa.finalize(key, variant, b"two", answer, r)
    with pytest.raises(Forged, match="signature_wrong"):
        blind_rsa.finalize(key, variant, b"one", answer[1:], r)


def test_any_transcript_fits_any_signature() -> None:
    """Blindness: for each pair there is a blinding factor that leads from the one to the other."""
    key, variant = secret().public, blind_rsa.PSS_DETERMINISTIC
    blinded = [
        blind_rsa.blind(key, b"%d" % n, bytes(48), blind_rsa.below(key, b"%d" % n))
        for n in range(3)
    ]
    answers = [blind_rsa.blind_sign(secret(), one) for one in blinded]
    signatures = [
        blind_rsa.finalize(key, variant, b"%d" % n, answer, blind_rsa.below(key, b"%d" % n))
        for n, answer in enumerate(answers)
    ]
    for z, answer in zip(blinded, answers, strict=True):
        for number, signature in enumerate(signatures):
            r = int.from_bytes(answer) * gmpy2.invert(int.from_bytes(signature), key.n) % key.n
            assert blind_rsa.blind(key, b"%d" % number, bytes(48), int(r)) == z


def test_factors_out_of_range_blind_nothing() -> None:
    key = secret().public
    p = blind_rsa._prime(enc(blind_rsa._PRIME_TAG, b"seed", BITS, "p"), BITS // 2)
    for r in (0, key.n, key.n + 1, -1, p):
        with pytest.raises(OutOfRange, match="blinding_unusable"):
            blind_rsa.blind(key, b"m", b"", r)


def test_a_seed_makes_one_key_and_another_seed_another() -> None:
    again = blind_rsa.derive_key(b"seed", BITS).public
    assert again == secret().public
    assert again.n.bit_length() == BITS
    assert len(again.raw) == again.size_bytes == BITS // 8
    assert blind_rsa.derive_key(b"other", BITS).public != again


def test_a_modulus_of_another_size_or_an_even_one_is_out_of_range() -> None:
    largest = (1 << blind_rsa.BITS_MAX) - 1
    assert PublicKey(largest).n == largest
    for n in (0, 7, (1 << 1016) - 1, 1 << 1023, (1 << 1025) - 1, largest << 8 | 255):
        with pytest.raises(OutOfRange, match="modulus_out_of_range"):
            PublicKey(n)


@pytest.mark.parametrize(
    ("bits", "is_good"),
    [
        (blind_rsa.BITS_MIN, True),
        (blind_rsa.BITS_MIN - 8, False),
        (blind_rsa.BITS_MAX, True),
        (blind_rsa.BITS_MAX + 8, False),
    ],
)
def test_a_modulus_has_so_many_bits_and_no_more(bits: int, *, is_good: bool) -> None:
    if is_good:
        assert blind_rsa.PublicKey((1 << bits) - 1).size_bytes == bits // 8
        return
    with pytest.raises(OutOfRange, match="modulus_out_of_range"):
        blind_rsa.PublicKey((1 << bits) - 1)


def test_a_secret_key_shows_nothing() -> None:
    assert str(secret().public.n)[:8] not in repr(secret())
