"""Schemes that are registered for the length of a test, in the place of the real ones."""

from collections.abc import Iterator
from contextlib import contextmanager

from farthing.schemes import registry
from farthing.schemes.contract import Scheme


@contextmanager
def registered(*schemes: Scheme) -> Iterator[None]:
    """The registry with these beside its own; one of the same name is replaced."""
    kept = registry._ALL, dict(registry._BY_NAME), dict(registry._BY_WIRE)
    names = {scheme.traits.name for scheme in schemes}
    registry._ALL = (
        *(one for one in registry._ALL if one.traits.name not in names),
        *schemes,
    )
    for one in schemes:
        registry._BY_NAME[one.traits.name] = one
        registry._BY_WIRE[one.traits.wire, one.traits.variant] = one.traits.name
    try:
        yield
    finally:
        registry._ALL = kept[0]
        registry._BY_NAME.clear()
        registry._BY_NAME.update(kept[1])
        registry._BY_WIRE.clear()
        registry._BY_WIRE.update(kept[2])
