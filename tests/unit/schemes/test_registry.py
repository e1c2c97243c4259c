import msgspec
import pytest

from farthing.errors import Misconfigured, Unsupported
from farthing.lab.conformance.stage import Play
from farthing.schemes import registry
from farthing.schemes.contract import Mint, Scheme
from tests.kit.bare import BARE
from tests.kit.registered import registered

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


def test_a_reference_says_which_scheme_paid() -> None:
    schemes = dict[str, str]()
    for scheme in EVERY:
        with Play(scheme.traits.name, "reference").stage() as stage:
            stage.buy()
            (entry,) = stage.payer.book.history()
        first, mark, _ = entry.reference.partition(":")
        assert mark, entry.reference
        assert schemes.setdefault(first, scheme.traits.name) == scheme.traits.name
    assert len(schemes) == len(EVERY)


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


def test_what_a_scheme_has_not_written_is_named() -> None:
    assert all(registry.unwritten(scheme) == "" for scheme in EVERY)
    assert registry.unwritten(BARE).startswith("Till.offer and Till.read and Till.take and Purse")
    some = msgspec.structs.replace(BARE, till=EVERY[0].till, purse=EVERY[0].purse)
    assert registry.unwritten(some) == "Mint.apply is not written yet"
    registry.verify_written([])
    with (
        registered(BARE),
        pytest.raises(Unsupported, match=r"scheme_unwritten\): bare: Till\.offer"),
    ):
        registry.verify_written([])


@pytest.mark.parametrize("kind", ["signing", "sealing"])
def test_two_schemes_that_name_one_key_are_told_with_it(kind: str) -> None:
    registry.verify_purposes()
    (purpose, owner) = next(
        (getattr(scheme.mint, kind)[0], scheme) for scheme in EVERY if getattr(scheme.mint, kind)
    )
    mint: type[Mint] = type("Second", (owner.mint,), {})
    traits = msgspec.structs.replace(owner.traits, name="second", variant="second")
    second = msgspec.structs.replace(owner, traits=traits, mint=mint)
    told = rf"purpose_taken\): second and {owner.traits.name} both name {purpose}:"
    with registered(second), pytest.raises(Misconfigured, match=told):
        registry.verify_purposes()
    setattr(mint, kind, (f"{purpose}/second",))
    with registered(second):
        registry.verify_purposes()
