from farthing.schemes import registry
from farthing.schemes.coin.ecash.traits import TRAITS


def test_the_broker_is_asked_before_each_page_and_nobody_loses_by_a_payer() -> None:
    assert registry.by_name("ecash").traits is TRAITS
    assert TRAITS.latest == "before"
    assert TRAITS.moments == ("before",)
    for role in ("vendor", "broker"):
        (by_payer,) = [loss.of for loss in TRAITS.losses[role] if loss.by == "payer"]
        assert by_payer == "nothing"


def test_a_thief_of_its_keys_gets_no_more_than_is_out() -> None:
    assert [loss.of for loss in TRAITS.losses["broker"] if loss.by == "thief"] == ["outstanding"]
