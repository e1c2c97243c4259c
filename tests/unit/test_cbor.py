from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farthing import cbor
from farthing.errors import Malformed

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(0, 2**64 - 1)
    | st.binary(max_size=300)
    | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=8,
)


def depth_of(value: Any) -> int:
    inner = list(value.values()) if isinstance(value, dict) else value
    return 1 + max(map(depth_of, inner), default=0) if isinstance(inner, list) else 1


@given(VALUES.filter(lambda value: depth_of(value) < cbor.CBOR_DEPTH_MAX))
def test_what_is_written_is_read(value: Any) -> None:
    assert cbor.read(cbor.write(value)) == value


@given(st.binary(max_size=64))
def test_whatever_is_read_has_one_spelling(raw: bytes) -> None:
    try:
        value = cbor.read(raw)
    except Malformed:
        return
    if b"\xf7" not in raw:  # a member that was left out
        assert cbor.write(value) == raw


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        ("", "cbor_cut_short"),
        ("1818", "ok"),
        ("1817", "cbor_not_shortest"),
        ("190017", "cbor_not_shortest"),
        ("1900ff", "cbor_not_shortest"),
        ("1a0000ffff", "cbor_not_shortest"),
        ("1c", "cbor_indefinite"),
        ("9fff", "cbor_indefinite"),
        ("20", "cbor_unsupported"),
        ("c000", "cbor_unsupported"),
        ("f7", "cbor_unsupported"),
        ("fb0000000000000000", "cbor_not_shortest"),
        ("0000", "cbor_malformed"),
        ("61ff", "cbor_text_no_utf8"),
        ("a10000", "cbor_key_no_text"),
        ("a2616100616101", "cbor_key_repeated"),
        ("9bffffffffffffffff", "cbor_cut_short"),
        ("5bffffffffffffffff", "cbor_cut_short"),
        ("a16161f7", "ok"),
    ],
)
def test_what_nobody_should_write_is_refused(raw: str, code: str) -> None:
    if code == "ok":
        cbor.read(bytes.fromhex(raw))
        return
    with pytest.raises(Malformed) as refused:
        cbor.read(bytes.fromhex(raw))
    assert refused.value.code == code


def test_a_bomb_is_refused_before_it_is_built() -> None:
    with pytest.raises(Malformed, match="cbor_too_deep"):
        cbor.read(b"\x81" * 1_000_000 + b"\x00")
    with pytest.raises(Malformed, match="cbor_too_many_items"):
        cbor.read(b"\x9a\x00\x0f\x42\x40" + b"\x00" * 1_000_000)
    deep = b"\x81" * (cbor.CBOR_DEPTH_MAX - 1)
    assert cbor.read(deep + b"\x00")
    many = cbor.write([0] * (cbor.CBOR_ITEMS_MAX - 1))
    assert len(cbor.read(many)) == cbor.CBOR_ITEMS_MAX - 1
    with pytest.raises(Malformed, match="cbor_too_many_items"):
        cbor.read(cbor.write([0] * cbor.CBOR_ITEMS_MAX))


def test_a_member_that_is_undefined_is_left_out() -> None:
    assert cbor.read(bytes.fromhex("a26161f7616201")) == {"b": 1}
