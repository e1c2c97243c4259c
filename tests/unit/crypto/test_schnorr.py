import hashlib

import pytest

from farthing.crypto import bdhke, schnorr
from farthing.errors import Forged, Malformed

SECRET = hashlib.sha256(b"TEST-key").digest()
X = bdhke.public_of(SECRET)[1:]


def test_a_signature_is_right_for_its_message_only() -> None:
    signature = schnorr.sign(SECRET, b"one")
    assert len(signature) == schnorr.SIGNATURE_BYTES
    schnorr.verify(X, b"one", signature)
    for wrong in (signature[:-1] + bytes([signature[-1] ^ 1]), signature[:-1], b""):
        with pytest.raises(Forged):
            schnorr.verify(X, b"one", wrong)
    with pytest.raises(Forged):
        schnorr.verify(X, b"two", signature)
    with pytest.raises(Forged):
        schnorr.verify(b"\xff" * 32, b"one", signature)


def test_two_keys_with_one_x_are_one() -> None:
    assert schnorr.x_of(b"\x02" + X) == schnorr.x_of(b"\x03" + X) == X


@pytest.mark.parametrize("raw", [b"", X, b"\x02" + b"\xff" * 32])
def test_what_is_no_key_is_malformed(raw: bytes) -> None:
    with pytest.raises(Malformed, match="point_malformed"):
        schnorr.x_of(raw)
