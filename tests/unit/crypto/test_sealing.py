"""Seals: any change breaks them, and lengths show in steps of 4 KiB only."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farthing.crypto import sealing
from farthing.errors import Forged, TooLarge

KEY, NONCE, AAD = bytes(32), bytes(12), b"aad"


@given(st.binary(max_size=9_000))
def test_what_is_sealed_opens_again(message: bytes) -> None:
    sealed = sealing.seal(KEY, NONCE, AAD, message)
    assert sealing.unseal(KEY, AAD, sealed) == message
    assert (len(sealed) - sealing.NONCE_BYTES - sealing.TAG_BYTES) % sealing.STEP_BYTES == 0


@pytest.mark.parametrize(("size", "steps"), [(0, 1), (4092, 1), (4093, 2), (8188, 2), (8189, 3)])
def test_the_length_shows_in_steps_only(size: int, steps: int) -> None:
    assert len(sealing.pad(bytes(size))) == steps * sealing.STEP_BYTES


def test_every_flipped_byte_breaks_the_seal() -> None:
    sealed = sealing.seal(KEY, NONCE, AAD, b"one page, please")
    for place in range(len(sealed)):
        broken = bytearray(sealed)
        broken[place] ^= 1
        with pytest.raises(Forged):
            sealing.unseal(KEY, AAD, bytes(broken))


def test_another_key_or_context_does_not_open() -> None:
    sealed = sealing.seal(KEY, NONCE, AAD, b"one page, please")
    for key, aad in ((b"1" * 32, AAD), (KEY, b"other")):
        with pytest.raises(Forged, match="seal_broken"):
            sealing.unseal(key, aad, sealed)


@pytest.mark.parametrize("size", [0, 1, 11, 12, 27, 28])
def test_what_is_too_short_to_be_sealed_is_refused(size: int) -> None:
    with pytest.raises(Forged):
        sealing.unseal(KEY, AAD, bytes(size))


def test_a_message_may_be_so_long_and_no_longer() -> None:
    longest = bytes(sealing.MESSAGE_BYTES_MAX - 4)
    sealed = sealing.seal(KEY, NONCE, AAD, longest)
    assert sealing.unseal(KEY, AAD, sealed) == longest
    with pytest.raises(TooLarge):
        sealing.pad(longest + b"\0")
    with pytest.raises(TooLarge):
        sealing.unseal(KEY, AAD, sealed + bytes(sealing.STEP_BYTES))


def test_padding_that_is_not_ours_is_refused() -> None:
    good = sealing.pad(b"abc")
    for bad in (good + bytes(sealing.STEP_BYTES), good[:-1] + b"\1", b"\xff" * 4 + good[4:], b""):
        with pytest.raises(Forged, match="padding_wrong"):
            sealing.unpad(bad)


def test_a_box_is_as_long_as_its_message_and_opens_in_its_own_place_only() -> None:
    key, nonce = bytes(range(32)), bytes(12)
    boxed = sealing.box(key, nonce, b"place", b"message")
    assert len(boxed) == sealing.NONCE_BYTES + len(b"message") + sealing.TAG_BYTES
    assert sealing.unbox(key, b"place", boxed) == b"message"
    flipped = bytes([boxed[-1] ^ 1])
    for wrong in ((key, b"other", boxed), (bytes(32), b"place", boxed), (key, b"place", b"")):
        with pytest.raises(Forged, match="seal_broken"):
            sealing.unbox(*wrong)
    with pytest.raises(Forged, match="seal_broken"):
        sealing.unbox(key, b"place", boxed[:-1] + flipped)
