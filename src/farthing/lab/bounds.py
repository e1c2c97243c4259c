"""What honest parties lost in a world, against what their scheme says they can lose at most.

Measured from outside: from the entries of the broker's journal, the pages that went out, and what
payers got for their money. `Stakes` is what was at stake in that very world; a loss above the bound
that follows from it is a fault of the scheme, or of its traits.
"""

from collections.abc import Iterable

import msgspec

from farthing.schemes.contract import Traits
from farthing.schemes.losses import Cause, Loss, Role


class Stakes(msgspec.Struct, kw_only=True):
    """What one role had at stake in one world, in micro-units."""

    price_micro: int = 0
    """Prices of what was paid and not delivered."""
    held_micro: int = 0
    """The most that payers held of what only the dishonest vendors take."""
    limit_micro: int = 0
    """What was certified to who cheats or was robbed, for each vendor and day on which it paid."""
    stolen_micro: int = 0
    """What thieves paid with an honest payer's wallet, and what of it does not come back."""
    unacknowledged_micro: int = 0
    """What a vendor's cap allows on all that it has sold before the broker knew of it."""
    deposit_micro: int = 0
    """What one broker has at another that cheats, by its own books."""
    float_micro: int = 0
    """What all payers have got of a broker that cheats, and not given back."""


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """The worst case seen of one role and cause."""

    scheme: str
    role: Role
    by: Cause
    of: str
    """The declared amount, as `Loss.of`."""
    worst_micro: int
    bound_micro: int
    """Of the world in which that loss was seen."""

    @property
    def is_within(self) -> bool:
        """Whether the scheme kept its word."""
        return self.worst_micro <= self.bound_micro


def bound_micro(loss: Loss, stakes: Stakes) -> int:
    """What a declared loss comes to; amounts that no world measures are nothing here."""
    match loss.of:
        case "price" | "unreleased" | "prizes":  # where somebody cheats all tickets win
            return stakes.price_micro
        case "held":
            return stakes.held_micro + stakes.price_micro
        case "limit":
            return stakes.limit_micro
        case "wallet":
            return stakes.stolen_micro
        case "unacknowledged":
            return stakes.unacknowledged_micro
        case "deposit":
            return stakes.deposit_micro
        case "float":
            return stakes.float_micro
        case _:
            return 0


def measured(traits: Traits, role: Role, by: Cause, lost_micro: int, stakes: Stakes) -> Measured:
    """A loss that was seen, beside the one that is declared."""
    loss = next(loss for loss in traits.losses[role] if loss.by == by)
    return Measured(
        scheme=traits.name,
        role=role,
        by=by,
        of=loss.of,
        worst_micro=max(lost_micro, 0),
        bound_micro=bound_micro(loss, stakes),
    )


def worst(seen: Iterable[Measured]) -> tuple[Measured, ...]:
    """The worst of each kind of loss: what breaks its bound first, then the largest."""
    found: dict[tuple[str, str, str, str], Measured] = {}
    for one in seen:
        key = (one.scheme, one.role, one.by, one.of)
        known = found.get(key)
        if known is None or _badness(one) > _badness(known):
            found[key] = one
    return tuple(found[key] for key in sorted(found))


def _badness(one: Measured) -> tuple[int, int, int]:
    return (one.worst_micro - one.bound_micro > 0, one.worst_micro, one.bound_micro)
