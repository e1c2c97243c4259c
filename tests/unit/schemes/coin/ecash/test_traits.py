from farthing.schemes import registry
from farthing.schemes.coin.ecash.traits import TRAITS


def test_it_is_registered_by_its_name() -> None:
    assert registry.by_name("ecash").traits is TRAITS
    assert registry.registry_name("ecash") == "ecash"
