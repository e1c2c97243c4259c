import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farthing import codec
from farthing.errors import Expired, Malformed, Unfit
from farthing.schemes.mac.millicent import scrip as made
from farthing.schemes.mac.millicent.scrip import (
    SCRIP_MICRO_MAX,
    Burn,
    Scrip,
    certificate,
    mark_of,
    mint_scrip,
    require_current,
    require_worth,
    serial_in,
    serial_of,
    series_id,
)
from tests.kit.millicent import MASTER_SECRETS
from tests.kit.parties import NOW_S

KEY = MASTER_SECRETS["own-series"]
PIECE = mint_scrip(
    KEY,
    vendor="news",
    currency="eur",
    value_micro=1000,
    serial=serial_of(2, 7),
    payer="0001a0b1c2d3e4f5",
    expires_at_s=NOW_S + 1000,
    props="state=ca;student=true",
)


def test_two_field_lists_never_share_a_certificate() -> None:
    one = certificate(KEY, "ab", "c", 1, "0" * 16, "0" * 16, 1, "")
    other = certificate(KEY, "a", "bc", 1, "0" * 16, "0" * 16, 1, "")
    assert one != other


def test_every_derived_key_is_another() -> None:
    secret = bytes(32)
    derived = {secret, made.sign_key(secret), made.receipt_key(secret)}
    assert len(derived) == 3


@pytest.mark.parametrize("late_s", [-1, 0, 120])
def test_two_minutes_of_skew_pass(late_s: int) -> None:
    require_current(PIECE, PIECE.expires_at_s + late_s)


@pytest.mark.parametrize("late_s", [121, 2 * 86_400])
def test_two_days_of_skew_do_not(late_s: int) -> None:
    with pytest.raises(Expired, match="scrip_expired"):
        require_current(PIECE, PIECE.expires_at_s + late_s)


def test_a_serial_is_remembered_longer_than_its_scrip_can_be_worth_anything() -> None:
    mark = mark_of(PIECE)
    assert mark.until_s >= PIECE.expires_at_s + 30 * 86_400 + 120
    assert mark.id != mark_of(msgspec.structs.replace(PIECE, serial=serial_of(2, 8))).id


@pytest.mark.parametrize(
    "changed",
    [
        {"serial": "0" * 15}, {"serial": "0" * 17}, {"serial": "0" * 15 + "G"},
        {"serial": "A" * 16}, {"serial": "0" * 16 + "\n"}, {"payer": ""}, {"payer": "-" + "0" * 15},
        {"value_micro": 0}, {"value_micro": -1}, {"value_micro": SCRIP_MICRO_MAX + 1},
        {"expires_at_s": 0}, {"expires_at_s": -1}, {"expires_at_s": 2**53}, {"props": "a"},
    ],
)  # fmt: skip  # - one field each
def test_scrip_cannot_exist_with_a_field_out_of_range(changed: dict[str, str | int]) -> None:
    with pytest.raises(Unfit):
        msgspec.structs.replace(PIECE, **changed)
    burn = Burn(expires_at_s=1, mac="", payer="0" * 16, serial="0" * 16, value_micro=1, vendor="v")
    if "props" not in changed:
        with pytest.raises(Unfit):
            msgspec.structs.replace(burn, **changed)


def test_scrip_of_the_largest_value_exists() -> None:
    assert msgspec.structs.replace(PIECE, value_micro=SCRIP_MICRO_MAX).value_micro == 5_000_000
    require_worth(SCRIP_MICRO_MAX, 2**53 - 1)


def test_scrip_of_the_smallest_value_and_of_the_first_second_exists() -> None:
    least = msgspec.structs.replace(PIECE, value_micro=1, expires_at_s=1)
    assert (least.value_micro, least.expires_at_s) == (1, 1)
    require_worth(1, 1)


def test_scrip_travels_under_short_names() -> None:
    assert set(msgspec.to_builtins(PIECE)) == {
        "cert", "currency", "expiresS", "payer", "props", "serial", "valueMicro", "vendor"
    }  # fmt: skip  # - a set of names
    assert codec.Reader(Scrip).read(codec.canonical(PIECE)) == PIECE
    with pytest.raises(Malformed):
        codec.Reader(Scrip).read(codec.canonical(PIECE)[:-1] + b',"more":1}')


@settings(max_examples=30)
@given(st.integers(0, 2**40 - 1), st.integers(0, 2**24 - 1))
def test_a_serial_names_its_series(series: int, index: int) -> None:
    serial = serial_of(series, index)
    assert serial_in(series_id(series), index) == serial
    assert msgspec.structs.replace(PIECE, serial=serial).series == series
    assert int(serial, 16) & 0xFFFFFF == index


def test_a_burn_receipt_shows_no_mac() -> None:
    burn = Burn(
        expires_at_s=1, mac="a" * 32, payer="0" * 16, serial="1" * 16, value_micro=7, vendor="v"
    )
    assert repr(burn) == f"Burn(v, {'1' * 16}, 7)"
