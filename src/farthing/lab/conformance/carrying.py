"""Whether wallet, gate and broker can carry a scheme's conversation at all, as they are today.

The contract has more in it than the programs speak yet. A scheme that needs such a thing fails the
one case here, which says what is missing, and skips all others for the same reason. So does one
that is not written yet.
"""

from collections.abc import Callable

from farthing.lab.conformance.cases import CASES, Violated
from farthing.lab.conformance.stage import Play, Stage
from farthing.schemes import registry
from farthing.schemes.contract import Till

CASE = "carried"
STATIC = frozenset({CASE, "declared"})
"""The cases that need no conversation."""


def _no_seal(stage: Stage) -> str:
    return "its goods go out sealed, which no gate does yet" if stage.traits.sealed else ""


def _no_challenge(stage: Stage) -> str:
    is_asked = type(stage.shop.till).answer is not Till.answer
    return "its mint asks back, which no gate answers yet" if is_asked else ""


NEEDS: tuple[Callable[[Stage], str], ...] = (_no_seal, _no_challenge)

_found: dict[tuple[object, ...], str] = {}  # by the three sides of a scheme


def missing(play: Play) -> str:
    """What the programs lack for this scheme; "" where they carry it."""
    scheme = play.scheme
    key = (scheme.mint, scheme.purse, scheme.till)
    if key not in _found:
        _found[key] = registry.unwritten(scheme)
        if _found[key]:
            return _found[key]
        with play.stage() as stage:
            _found[key] = next(filter(None, (need(stage) for need in NEEDS)), "")
    return _found[key]


@CASES.add()
def carried(play: Play) -> None:
    """Wallet, gate and broker carry its conversation as they are."""
    reason = missing(play)
    if reason:
        raise Violated(reason)
