import pytest

from farthing import codec
from farthing.crypto import signing
from farthing.errors import Forged, Malformed
from farthing.wallet.address import new_address, read_address, seal, unseal
from farthing.wallet.vault import Vault
from tests.kit.canaries import canary, draw

ONE, OTHER = Vault(canary("one")), Vault(canary("other"))
NONCE = canary("nonce", 16)


def test_an_address_is_read_as_it_was_written_and_is_another_each_time() -> None:
    address = new_address(ONE, NONCE)
    assert read_address(f" {address}\n") == address
    assert str(address) != str(new_address(ONE, canary("another nonce", 16)))
    assert str(address) != str(new_address(OTHER, NONCE))
    assert str(new_address(ONE, NONCE)) == str(address), "nothing is kept of it"


@pytest.mark.parametrize("place", [0, 2, 3, 20, 60, -1])
def test_a_mistyped_address_is_refused(place: int) -> None:
    text = list(str(new_address(ONE, NONCE)))
    text[place] = "A" if text[place] != "A" else "B"
    with pytest.raises(
        Malformed, match=r"address_malformed.*(must begin with fa1|copied whole|copy it)"
    ):
        read_address("".join(text))


@pytest.mark.parametrize("text", ["", "fa1", "fa1AAAA", "fa1" + "ü" * 10, "fg1" + "A" * 112])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(Malformed, match="address_malformed"):
        read_address(text)


def test_a_token_is_for_one_wallet_and_comes_with_its_key() -> None:
    address = new_address(ONE, NONCE)
    token = seal(address, b"words", draw("token"))
    message, secret = unseal(ONE, token + "\n")
    assert message == b"words"
    assert signing.public_of(secret) == address.signer
    with pytest.raises(Forged, match="token_of_another"):
        unseal(OTHER, token)


def test_a_token_changed_anywhere_is_refused() -> None:
    token = seal(new_address(ONE, NONCE), b"words", draw("token"))
    raw = codec.unb64u(token[3:])
    for place in range(len(raw)):
        wrong = raw[:place] + bytes((raw[place] ^ 1,)) + raw[place + 1 :]
        with pytest.raises(Forged, match="token_of_another"):
            unseal(ONE, "fg1" + codec.b64u(wrong))


@pytest.mark.parametrize("token", ["", "fg1", "fg1AAAA", "nothing", "fg1" + "A" * 70_000, "fg1é"])
def test_what_is_no_token_is_refused(token: str) -> None:
    with pytest.raises((Malformed, Forged)):
        unseal(ONE, token)
