import hmac
from hashlib import blake2b

import pytest

from farthing.crypto.mac import hmac_sha256, mac, require_equal
from farthing.errors import Forged

KEY = b"test key of thirty-two bytes ..."


def test_a_mac_is_keyed_blake2b_over_the_encoded_fields() -> None:
    encoded = bytes.fromhex("00000003746167000000080000000000000007")
    assert mac(16, KEY, "tag", 7) == blake2b(encoded, key=KEY, digest_size=16).digest()


def test_the_key_is_in_it_and_so_is_every_field() -> None:
    made = {mac(16, KEY, "a", "b"), mac(16, KEY[::-1], "a", "b"), mac(16, KEY, "ab"),
            mac(16, KEY, "a", "b", ""), mac(16, KEY, "b", "a")}  # fmt: skip  # - a set of five
    assert len(made) == 5


def test_a_shorter_mac_is_no_prefix_of_a_longer_one() -> None:
    assert not mac(32, KEY, "a").startswith(mac(16, KEY, "a"))


@pytest.mark.parametrize("size_bytes", [1, 32, 64, 65, 200])
def test_hmac_is_that_of_the_library_whatever_was_asked_before(size_bytes: int) -> None:
    for key in (KEY * 7, KEY[::-1] * 7):
        for message in (b"", b"one", b"two" * 100):
            expected = hmac.digest(key[:size_bytes], message, "sha256")
            assert hmac_sha256(key[:size_bytes], message) == expected


def test_equal_codes_pass_and_others_are_forged() -> None:
    require_equal("code_wrong", b"abc", b"abc")
    for other in (b"abd", b"ab", b"", b"abcd"):
        with pytest.raises(Forged, match="code_wrong"):
            require_equal("code_wrong", other, b"abc")
