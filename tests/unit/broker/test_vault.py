import pytest

from farthing.broker.vault import Vault
from farthing.errors import Broken
from farthing.schemes.contract import Key


def vault(byte: int = 1) -> Vault:
    return Vault(Key(id="1", purpose="vault", secret=bytes([byte]) * 32))


def test_what_is_sealed_opens_in_its_place_only() -> None:
    sealed = vault().seal(b"a coin", b"place")
    assert b"a coin" not in sealed
    assert vault().open(sealed, b"place") == b"a coin"
    for other, aad in ((vault(), b"elsewhere"), (vault(2), b"place")):
        with pytest.raises(Broken):
            other.open(sealed, aad)


def test_a_flipped_bit_is_noticed() -> None:
    sealed = bytearray(vault().seal(b"a coin", b""))
    for index in range(len(sealed)):
        sealed[index] ^= 1
        with pytest.raises(Broken):
            vault().open(bytes(sealed), b"")
        sealed[index] ^= 1


def test_two_seals_of_one_text_differ() -> None:
    assert vault().seal(b"x", b"") != vault().seal(b"x", b"")
