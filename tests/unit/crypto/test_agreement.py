import pytest
from hypothesis import given
from hypothesis import strategies as st

from farthing.crypto import agreement
from farthing.errors import Forged
from tests.kit.canaries import canary, draw

ONE, OTHER = canary("one"), canary("other")
TAG = "farthing/test/agreement/1"


def test_both_sides_find_the_same_key_and_no_other_tag_or_field_does() -> None:
    theirs = agreement.public_of(OTHER)
    key = agreement.shared_key(ONE, theirs, TAG, "x")
    assert key == agreement.shared_key(OTHER, agreement.public_of(ONE), TAG, "x")
    assert len(key) == agreement.KEY_BYTES
    assert key != agreement.shared_key(ONE, theirs, TAG, "y")
    assert key != agreement.shared_key(ONE, theirs, "farthing/test/other/1", "x")


@pytest.mark.parametrize("low", [bytes(32), b"\x01" + bytes(31), b"\x01" * 31])
def test_no_key_is_agreed_on_with_a_public_half_of_low_order_or_another_size(low: bytes) -> None:
    with pytest.raises(Forged, match="public_key_unusable"):
        agreement.shared_key(ONE, low, TAG)


@given(st.binary(max_size=100), st.integers(0, 10**6), st.integers(1, 255))
def test_what_is_sealed_is_read_by_its_receiver_and_in_no_other_form(
    message: bytes, at: int, mask: int
) -> None:
    sealed = agreement.seal_to(agreement.public_of(OTHER), TAG, message, draw("seal"))
    assert agreement.unseal_with(OTHER, TAG, sealed) == message
    at %= len(sealed)
    changed = sealed[:at] + bytes((sealed[at] ^ mask,)) + sealed[at + 1 :]
    with pytest.raises(Forged):  # the one bit that X25519 ignores too
        agreement.unseal_with(OTHER, TAG, changed)


def test_nobody_else_and_under_no_other_tag_it_is_read() -> None:
    sealed = agreement.seal_to(agreement.public_of(OTHER), TAG, b"coins", draw("seal"))
    for secret, tag in ((ONE, TAG), (OTHER, "farthing/test/other/1")):
        with pytest.raises(Forged, match="seal_broken"):
            agreement.unseal_with(secret, tag, sealed)
    for short in (b"", sealed[:31], sealed[:40]):
        with pytest.raises(Forged):
            agreement.unseal_with(OTHER, TAG, short)
