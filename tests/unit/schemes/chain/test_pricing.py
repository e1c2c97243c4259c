"""A price is refused for what is wrong with it."""

import pytest

from farthing.errors import OutOfRange
from farthing.schemes.chain.pricing import require_price


@pytest.mark.parametrize("price_micro", [-100, 0, 50, 150])
def test_a_price_is_a_multiple_of_the_unit(price_micro: int) -> None:
    with pytest.raises(OutOfRange, match="price_not_in_units") as found:
        require_price(price_micro, 100, 1000)
    assert "unit_micro, 100 micro-units" in found.value.detail


def test_a_price_above_one_payment_names_the_largest() -> None:
    require_price(100_000, 100, 1000)
    for price_micro in (100_050, 100_100):
        with pytest.raises(OutOfRange, match="price_above_payment") as found:
            require_price(price_micro, 100, 1000)
        assert "at most 1000 times unit_micro, 100000 micro-units" in found.value.detail
