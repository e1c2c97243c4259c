"""A piece is genuine under exactly one of the vendor's keys, and a revoked one ends no other."""

import msgspec
import pytest

from farthing.crypto.mac import mac
from farthing.errors import Forged, Revoked
from farthing.schemes.contract import Key
from farthing.schemes.mac.millicent.scrip import (
    OWN_SERIES,
    PAYER_RANGE,
    STOCK_SERIES,
    mint_scrip,
    serial_of,
)
from farthing.schemes.mac.millicent.vendor_keys import VendorKeys, require_certified
from tests.kit.millicent import MASTER_SECRETS, vendor_ring
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


def test_a_certificate_is_the_mac_of_every_other_field_in_turn() -> None:
    expected = mac(
        16, KEY, "farthing/millicent/scrip/1", "news", "eur", 1000, 2 << 24 | 7,
        0x0001A0B1C2D3E4F5, NOW_S + 1000, "state=ca;student=true",
    )  # fmt: skip  # - the fields in their order
    assert PIECE.cert == expected.hex()
    require_certified(VendorKeys(vendor_ring()), PIECE)


@pytest.mark.parametrize(
    "changed",
    [
        {"vendor": "newt"}, {"currency": "usd"}, {"value_micro": 1001}, {"serial": serial_of(2, 8)},
        {"payer": "0001a0b1c2d3e4f6"}, {"expires_at_s": NOW_S + 1001}, {"props": ""},
        {"props": "state=ca"}, {"cert": "0" * 32}, {"cert": PIECE.cert.upper()}, {"cert": ""},
        {"cert": PIECE.cert[:-1]}, {"cert": "é" * 32}, {"serial": serial_of(1, 7)},
    ],
)  # fmt: skip  # - one field each
def test_scrip_changed_in_any_field_is_forged(changed: dict[str, str | int]) -> None:
    piece = msgspec.structs.replace(PIECE, **changed)
    with pytest.raises(Forged, match="scrip_certificate_wrong"):
        require_certified(VendorKeys(vendor_ring()), piece)


def test_revoking_one_series_leaves_the_others_alone() -> None:
    ring = vendor_ring()
    keys = VendorKeys(ring)
    licensed = mint_scrip(
        MASTER_SECRETS["licensed-series"], vendor="news", currency="eur", value_micro=1,
        serial=serial_of(1, 0), payer=PIECE.payer, expires_at_s=1,
    )  # fmt: skip  # - arguments of one piece
    ring.revoke(OWN_SERIES, "0000000002")
    with pytest.raises(Revoked, match="series_revoked"):
        require_certified(keys, PIECE)
    require_certified(keys, licensed)


def test_a_rotated_series_takes_over_and_the_old_one_still_verifies() -> None:
    ring = vendor_ring()
    keys = VendorKeys(ring)
    ring.add(Key(id="0000000003", purpose=OWN_SERIES, secret=bytes(32)))
    assert keys.change_series(PIECE).id == "0000000003"
    require_certified(keys, PIECE)


def test_a_payer_of_an_unknown_range_is_forged() -> None:
    keys = VendorKeys(vendor_ring())
    with pytest.raises(Forged, match="payer_range_unknown"):
        keys.secret("news", "0003" + "0" * 12)


def test_a_payers_secret_depends_on_range_vendor_and_payer() -> None:
    master = MASTER_SECRETS["payer-range"]
    expected = mac(32, master, PAYER_RANGE, "news", 0x0001000000000007)
    keys = VendorKeys(vendor_ring())
    assert keys.secret("news", "0001000000000007") == expected
    assert keys.secret("newt", "0001000000000007") != expected
    assert keys.secret("news", "0001000000000008") != expected


def test_a_vendor_that_never_stocked_a_warehouse_changes_no_such_scrip() -> None:
    ring = vendor_ring()
    ring.revoke(STOCK_SERIES, "8000000001")
    stock = msgspec.structs.replace(PIECE, serial=serial_of(0x8000000001, 1))
    with pytest.raises(Revoked, match="series_revoked"):
        VendorKeys(ring).change_series(stock)
