"""Who keeps the contract: one line a scheme, read by wire, commands, lab and docs."""

from collections.abc import Mapping, Sequence

from farthing.errors import Misconfigured, Unsupported
from farthing.schemes.chain.agent import AGENT
from farthing.schemes.chain.ecoupon import ECOUPON
from farthing.schemes.chain.fairchain import FAIRCHAIN
from farthing.schemes.chain.ikp import IKP
from farthing.schemes.chain.netcard import NETCARD
from farthing.schemes.chain.payword import PAYWORD
from farthing.schemes.chain.tick import TICK
from farthing.schemes.chain.ticket import TICKET
from farthing.schemes.chain.upayword import UPAYWORD
from farthing.schemes.coin.cashu import CASHU
from farthing.schemes.coin.ecash import ECASH
from farthing.schemes.coin.netcash import NETCASH
from farthing.schemes.contract import Mint, Purse, Scheme, Till
from farthing.schemes.mac.millicent import MILLICENT

_ALL: tuple[Scheme, ...] = (
    MILLICENT,
    PAYWORD,
    NETCARD,
    IKP,
    ECOUPON,
    UPAYWORD,
    TICKET,
    AGENT,
    TICK,
    FAIRCHAIN,
    NETCASH,
    ECASH,
    CASHU,
)
_BY_NAME = {scheme.traits.name: scheme for scheme in _ALL}
_BY_WIRE = {(scheme.traits.wire, scheme.traits.variant): scheme.traits.name for scheme in _ALL}

NEEDED: Mapping[type[Till | Purse | Mint], tuple[str, ...]] = {
    Till: ("offer", "read", "take"),
    Purse: ("ask", "receive", "pay", "conclude"),
    Mint: ("apply",),
}
"""What every scheme writes itself, of each side."""


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


def published_of(name: str) -> bytes:
    """`Mint.published` of a scheme; empty for one that is not registered."""
    found = _BY_NAME.get(name)
    return found.mint.published if found is not None else b""


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


def unwritten(scheme: Scheme) -> str:
    """What every scheme needs and this one has not, in words; "" where nothing is missing."""
    sides: dict[type[Till | Purse | Mint], type] = {
        Till: scheme.till,
        Purse: scheme.purse,
        Mint: scheme.mint,
    }
    found = [
        f"{side.__name__}.{name}"
        for side, names in NEEDED.items()
        for name in names
        if getattr(sides[side], name) is getattr(side, name)
    ]
    return f"{' and '.join(found)} {'are' if found[1:] else 'is'} not written yet" if found else ""


def verify_written(names: Sequence[str]) -> None:
    """`Unsupported` for the first of these schemes that is not all there yet."""
    for name in names or _BY_NAME:
        missing = unwritten(by_name(name))
        if missing:
            raise Unsupported("scheme_unwritten", f"{name}: {missing}")


def verify_purposes() -> None:
    """`Misconfigured` where two schemes name one purpose of a broker's key: each has its own."""
    owners: dict[str, str] = {}
    for scheme in _ALL:
        name = scheme.traits.name
        for purpose in (*scheme.mint.signing, *scheme.mint.sealing, *scheme.till.sealing):
            owner = owners.setdefault(purpose, name)
            if owner != name:
                told = (
                    f"{name} and {owner} both name {purpose}: give each mint a purpose of its own"
                )
                raise Misconfigured("purpose_taken", told)
