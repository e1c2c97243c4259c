"""Who keeps the contract: one line a scheme, read by wire, commands, lab and docs."""

from farthing.errors import Unsupported
from farthing.schemes.chain.payword import PAYWORD
from farthing.schemes.contract import Scheme
from farthing.schemes.mac.millicent import MILLICENT

_ALL: tuple[Scheme, ...] = (MILLICENT, PAYWORD)
_BY_NAME = {scheme.traits.name: scheme for scheme in _ALL}
_BY_WIRE = {(scheme.traits.wire, scheme.traits.variant): scheme.traits.name for scheme in _ALL}


def all_schemes() -> tuple[Scheme, ...]:
    """Every registered scheme, in the order in which pages list them."""
    return _ALL


def by_name(name: str) -> Scheme:
    """The scheme with this registry name; `Unsupported`."""
    found = _BY_NAME.get(name)
    if found is None:
        known = ", ".join(_BY_NAME)
        raise Unsupported("scheme_unknown", f"there is no scheme {name[:32]!r}; known: {known}")
    return found


def wire_name(name: str) -> tuple[str, str]:
    """Wire name and `terms.variant` ("" for most) of a registry name; `Unsupported`."""
    traits = by_name(name).traits
    return traits.wire, traits.variant


def registry_name(wire: str, variant: str = "") -> str:
    """The registry name behind a wire name and variant; `Unsupported`."""
    found = _BY_WIRE.get((wire, variant))
    if found is None:
        raise Unsupported("method_unsupported", f"no scheme goes by {wire[:32]!r} on the wire")
    return found
