import pytest

from farthing.crypto import signing
from farthing.errors import Forged
from tests.kit.flips import bit_flips

# RFC 8032, section 7.1, test 3.
SECRET = bytes.fromhex("c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7")
PUBLIC = bytes.fromhex("fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025")
MESSAGE = bytes.fromhex("af82")
SIGNATURE = bytes.fromhex(
    "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
    "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"
)
P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
Y8 = "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"


def test_signatures_are_those_of_rfc_8032() -> None:
    assert signing.public_of(SECRET) == PUBLIC
    assert signing.sign(SECRET, MESSAGE) == SIGNATURE
    signing.verify(PUBLIC, MESSAGE, SIGNATURE)


def test_what_was_right_once_is_right_again_and_nothing_else_is() -> None:
    for _ in range(2):
        signing.verify_again(PUBLIC, MESSAGE, SIGNATURE)
        for wrong in ((PUBLIC, MESSAGE + b"x", SIGNATURE), (PUBLIC, MESSAGE, bytes(64))):
            with pytest.raises(Forged, match="signature_wrong"):
                signing.verify_again(*wrong)


def test_every_flipped_bit_is_forged() -> None:
    for flipped in bit_flips(SIGNATURE):
        with pytest.raises(Forged, match="signature_wrong"):
            signing.verify(PUBLIC, MESSAGE, flipped)
    for flipped in bit_flips(PUBLIC):
        with pytest.raises(Forged):
            signing.verify(flipped, MESSAGE, SIGNATURE)
    for flipped in bit_flips(MESSAGE):
        with pytest.raises(Forged):
            signing.verify(PUBLIC, flipped, SIGNATURE)


@pytest.mark.parametrize("size_bytes", [0, 31, 33, 63, 65])
def test_another_size_is_forged(size_bytes: int) -> None:
    with pytest.raises(Forged):
        signing.verify(bytes(size_bytes), MESSAGE, SIGNATURE)
    with pytest.raises(Forged):
        signing.verify(PUBLIC, MESSAGE, SIGNATURE.ljust(size_bytes, b"\0")[:size_bytes])


def test_a_second_form_of_s_is_forged() -> None:
    s = int.from_bytes(SIGNATURE[32:], "little") + L
    with pytest.raises(Forged):
        signing.verify(PUBLIC, MESSAGE, SIGNATURE[:32] + s.to_bytes(32, "little"))


def sealed_with(y: int, sign: int) -> bytes:
    return (y | sign << 255).to_bytes(32, "little")


@pytest.mark.parametrize("sign", [0, 1])
@pytest.mark.parametrize(
    "y",
    [0, 1, P - 1, P, P + 1, int.from_bytes(bytes.fromhex(Y8), "little"),
     P - int.from_bytes(bytes.fromhex(Y8), "little")],
)  # fmt: skip  # - the y of every point of small order, in each of its forms
def test_a_key_under_which_one_signature_fits_many_messages_is_refused(y: int, sign: int) -> None:
    identity, nothing = (1).to_bytes(32, "little"), bytes(32)
    public = sealed_with(y, sign)
    for number in range(32):  # one in eight would pass for the worst of these keys
        for first in (identity, public):
            with pytest.raises(Forged):
                signing.verify(public, b"message %d" % number, first + nothing)


def test_a_key_that_is_not_canonical_is_refused() -> None:
    for excess in range(19):
        with pytest.raises(Forged):
            signing.verify((P + excess).to_bytes(32, "little"), MESSAGE, SIGNATURE)
