import msgspec
import pytest

from farthing.errors import Forged, Overlimit, Unfit
from farthing.schemes.chain.ecoupon.commitment import Commitment, counter_id, revoked_name
from tests.kit.ecoupon import SLOT_MICRO, Scene, coupons_of


def committed() -> Commitment:
    return coupons_of(Scene().open()).commitment


def test_its_worth_is_every_word_of_every_segment() -> None:
    commitment = committed()
    assert (commitment.segments, commitment.length, commitment.unit_micro) == (4, 16, 100)
    assert commitment.worth_micro == SLOT_MICRO == commitment.share_micro


@pytest.mark.parametrize(
    ("name", "value"),
    [("segments", 0), ("segments", 65), ("length", 0), ("length", 100_001), ("unit_micro", 0)],
)
def test_a_number_out_of_range_is_unfit(name: str, value: int) -> None:
    with pytest.raises(Unfit):
        msgspec.structs.replace(committed(), **{name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("segments", 3),
        ("length", 15),
        ("unit_micro", 99),
        ("root", "A" * 43),
        ("salt", "A" * 22),
        ("vendor", "daily"),
        ("day", 1),
        ("slots", (1, 1)),
    ],
)
def test_every_field_is_signed(name: str, value: object) -> None:
    commitment = committed()
    commitment.verify()
    other = msgspec.structs.replace(commitment, **{name: value})
    assert other.id != commitment.id
    with pytest.raises(Forged, match="signature_wrong"):
        other.verify()


@pytest.mark.parametrize("name", ["segments", "length", "unit_micro"])
def test_one_more_than_its_part_of_the_credit_is_above_the_limit(name: str) -> None:
    commitment = committed()
    more = msgspec.structs.replace(commitment, **{name: getattr(commitment, name) + 1})
    with pytest.raises(Overlimit, match="commitment_above_limit"):
        more.verify()


def test_every_segment_has_a_key_a_leaf_and_a_counter_of_its_own() -> None:
    commitment = committed()
    segments = range(commitment.segments)
    assert len({commitment.link_key(one) for one in segments}) == commitment.segments
    assert len({commitment.leaf(one, bytes(16)) for one in segments}) == commitment.segments
    assert len({commitment.counter_id(one) for one in segments}) == commitment.segments
    assert commitment.counter_id(3) == counter_id(commitment.id, 3)
    assert revoked_name(commitment.id, 3) == f"{commitment.id}.3"
