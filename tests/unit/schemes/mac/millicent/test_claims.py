"""Claims: their MAC covers every field, and a renewal's fields come together."""

import msgspec
import pytest

from farthing.errors import Unfit
from farthing.marks import Once
from farthing.schemes.mac.millicent.claims import ClaimBody, body_of, claim_mac, claim_row

CLAIM = ClaimBody(
    expires_at_s=100,
    moved_micro=5,
    moved_to_s=200,
    price_micro=3,
    serial="0" * 15 + "1",
    vendor="news",
)
KEY = bytes(32)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("expires_at_s", 101),
        ("moved_micro", 6),
        ("moved_to_s", 201),
        ("price_micro", 4),
        ("serial", "0" * 16),
        ("vendor", "other"),
    ],
)
def test_every_field_is_under_the_mac(name: str, value: int | str) -> None:
    other = msgspec.structs.replace(CLAIM, **{name: value})
    assert claim_mac(KEY, other) != claim_mac(KEY, CLAIM)


def test_the_mac_is_not_under_itself() -> None:
    assert claim_mac(KEY, msgspec.structs.replace(CLAIM, mac="0" * 32)) == claim_mac(KEY, CLAIM)


@pytest.mark.parametrize("changed", [{"moved_micro": 0}, {"moved_to_s": 0}])
def test_a_renewal_moves_some_value_to_some_day(changed: dict[str, int]) -> None:
    with pytest.raises(Unfit):
        msgspec.structs.replace(CLAIM, **changed)


def test_a_row_of_the_outbox_reads_back_as_the_claim() -> None:
    row = claim_row(
        Once(id=b"mark", until_s=1),
        serial=CLAIM.serial,
        price_micro=CLAIM.price_micro,
        expires_at_s=CLAIM.expires_at_s,
        moved_micro=CLAIM.moved_micro,
        moved_to_s=CLAIM.moved_to_s,
    )
    assert (row.scheme, row.key, row.order, row.value_micro) == ("millicent", b"mark", 1, 3)
    assert body_of(row, "news") == CLAIM


@pytest.mark.parametrize("serial", ["", "0" * 15, "0" * 17, "A" * 16])
def test_a_claim_names_a_serial_in_its_one_spelling(serial: str) -> None:
    with pytest.raises(Unfit, match="scrip_id_malformed"):
        msgspec.structs.replace(CLAIM, serial=serial)


def test_a_claim_is_for_something_and_names_an_end_that_can_be() -> None:
    worthless = {"moved_micro": 0, "moved_to_s": 0, "price_micro": 0}
    for changed in (worthless, {"expires_at_s": 0}, {"price_micro": -1}):
        with pytest.raises(Unfit):
            msgspec.structs.replace(CLAIM, **changed)
    free = msgspec.structs.replace(CLAIM, price_micro=0)
    assert free.moved_micro == 5, "a vendor may renew for nothing"
