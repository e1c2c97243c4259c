from farthing.schemes import registry
from farthing.schemes.coin.cashu.traits import TRAITS


def test_it_is_registered_by_its_name() -> None:
    assert registry.by_name("cashu").traits is TRAITS
    assert registry.registry_name("cashu") == "cashu"
