import pytest

from farthing.errors import Unsupported
from farthing.schemes import registry
from farthing.schemes.contract import Scheme

EVERY = registry.all_schemes()


def test_names_and_wire_names_are_taken_once() -> None:
    names = [scheme.traits.name for scheme in EVERY]
    on_the_wire = [(scheme.traits.wire, scheme.traits.variant) for scheme in EVERY]
    assert len(set(names)) == len(names)
    assert len(set(on_the_wire)) == len(on_the_wire)


@pytest.mark.parametrize("scheme", EVERY, ids=lambda scheme: scheme.traits.name)
def test_a_scheme_is_found_by_either_name(scheme: Scheme) -> None:
    name = scheme.traits.name
    assert registry.by_name(name) is scheme
    assert registry.registry_name(*registry.wire_name(name)) == name


@pytest.mark.parametrize("name", ["", "gold", "MilliCent", "payword\n"])
def test_an_unknown_name_is_unsupported(name: str) -> None:
    with pytest.raises(Unsupported, match="scheme_unknown"):
        registry.by_name(name)
    with pytest.raises(Unsupported, match="scheme_unknown"):
        registry.wire_name(name)
    with pytest.raises(Unsupported, match="method_unsupported"):
        registry.registry_name(name)


def test_a_variant_that_is_not_there_is_unsupported() -> None:
    with pytest.raises(Unsupported):
        registry.registry_name("payword", "mr2")


def test_a_long_name_is_not_echoed_whole() -> None:
    with pytest.raises(Unsupported) as caught:
        registry.by_name("x" * 10_000)
    assert len(str(caught.value)) < 200
