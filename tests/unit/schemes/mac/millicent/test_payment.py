"""A payment holds no field longer than it may be."""

import pytest

from farthing.errors import Unfit
from farthing.schemes.mac.millicent.payment import NONCE_CHARS_MAX, Payment
from tests.kit.millicent import Scene, held


def test_a_nonce_may_be_so_long_and_no_longer() -> None:
    scrip = held(Scene().buy()).scrip
    Payment(scrip=scrip, nonce="n" * NONCE_CHARS_MAX, sig="0" * 32)
    with pytest.raises(Unfit, match="signature_malformed"):
        Payment(scrip=scrip, nonce="n" * (NONCE_CHARS_MAX + 1), sig="0" * 32)


@pytest.mark.parametrize("length", [1, 31, 33])
def test_a_signature_has_32_digits_or_none(length: int) -> None:
    scrip = held(Scene().buy()).scrip
    with pytest.raises(Unfit, match="signature_malformed"):
        Payment(scrip=scrip, sig="0" * length)


@pytest.mark.parametrize("plan", ["Month", "a b", "m" * 33])
def test_a_plan_is_named_in_one_way(plan: str) -> None:
    with pytest.raises(Unfit, match="plan_malformed"):
        Payment(scrip=held(Scene().buy()).scrip, plan=plan)
