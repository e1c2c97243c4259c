import pytest

from farthing.schemes.contract import Scheme
from tests.kit.blind import SCHEMES


@pytest.mark.parametrize("scheme", SCHEMES, ids=lambda scheme: scheme.traits.name)
def test_the_broker_is_asked_before_each_page_and_nobody_loses_by_a_payer(scheme: Scheme) -> None:
    traits = scheme.traits
    assert (traits.latest, traits.moments) == ("before", ("before",))
    for role in ("vendor", "broker"):
        (by_payer,) = [loss.of for loss in traits.losses[role] if loss.by == "payer"]
        assert by_payer == "nothing"
    assert [loss.of for loss in traits.losses["broker"] if loss.by == "thief"] == ["outstanding"]
