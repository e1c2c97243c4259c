"""Reductions as they stand in the price file: canonical, lower, and few."""

from typing import Any

import msgspec
import pytest

from farthing.errors import Misconfigured
from farthing.vendor import reductions
from farthing.vendor.reductions import REDUCED_MAX, Reduced


def reduced(price: str = "100", **props: Any) -> Reduced:
    return Reduced(price=price, props=props)


def test_tables_become_canonical_text() -> None:
    assert reductions.text_of({"student": True, "age": 18, "country": "fr"}) == (
        "age=18;country=fr;student=true"
    )
    assert reductions.text_of({}) == ""


def test_reductions_keep_the_files_order() -> None:
    wanted = [reduced("50", student=True, age=18), reduced("100", student=True)]
    pairs = reductions.read(wanted, 200, int)
    assert pairs == (("age=18;student=true", 50), ("student=true", 100))


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ([reduced("200", student=True)], "reduction_not_lower"),
        ([reduced("100")], "reduction_for_everybody"),
        ([reduced("100", student="very much")], "props_malformed"),
        ([reduced("1", student=True)] * (REDUCED_MAX + 1), "too_many_reductions"),
    ],
)
def test_what_reduces_nothing_is_refused(wrong: list[Reduced], code: str) -> None:
    with pytest.raises(Misconfigured) as refused:
        reductions.read(wrong, 200, int)
    assert refused.value.code == code


def test_a_property_is_a_word_a_number_or_a_truth() -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"price": "1u", "props": {"student": [1]}}, Reduced)


def test_a_price_is_reduced_as_often_as_an_offer_names() -> None:
    assert len(reductions.read([reduced("1", student=True)] * REDUCED_MAX, 200, int)) == REDUCED_MAX
