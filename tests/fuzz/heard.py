"""What the parties of every registered scheme say to each other: the honest inputs of most parsers.

A scheme that is registered later is heard too, without a line here.
"""

import atexit
from collections.abc import Iterator
from contextlib import ExitStack
from functools import cache
from typing import Any, NamedTuple

from farthing import codec
from farthing.lab.conformance.declaring import conversation
from farthing.lab.conformance.recording import MINT, Call, Recording, recorded
from farthing.lab.conformance.reselling import with_home
from farthing.lab.conformance.runner import ways_of
from farthing.lab.conformance.stage import Play, Stage
from farthing.marks import Moment
from farthing.schemes import registry
from farthing.schemes.contract import Dialect
from farthing.wallet.fetching import Fetched
from farthing.wallet.settling import outcome_request

SEED = "fuzz"  # keys and nonces follow from it, so that kept inputs stay what they are
KEPT = 4  # of equal kind, the different ones first: more of the same teach nothing


class Heard(NamedTuple):
    """One conversation."""

    scheme: str
    stage: Stage
    """Its stage stays open, since doors and mints are asked more; see `open_stages`."""
    calls: list[Call]


_open = ExitStack()
atexit.register(_open.close)  # the folders of the stages go with the process


@cache
def conversations(scheme: str) -> tuple[Heard, ...]:
    """A conversation for each way in which vendors may set a scheme, and each way to pay it."""
    return tuple(_conversations(scheme))


def _conversations(scheme: str) -> Iterator[Heard]:
    for options in ways_of(scheme):
        yield _one(scheme, dict(options), None, None)
    yield _one(scheme, {}, "x402", None)
    if "before" in registry.by_name(scheme).traits.moments:
        yield _one(scheme, {}, None, "before")


def _one(
    scheme: str, options: dict[str, codec.Json], dialect: Dialect | None, clearing: Moment | None
) -> Heard:
    play = Play(scheme, SEED, options=options)
    stage = _open.enter_context(play.stage(dialect=dialect, clearing=clearing))
    with recorded(stage) as calls:
        conversation(stage)
    return Heard(scheme, stage, calls)


def opened(play: Play) -> Stage:
    """A stage that stays open."""
    return _open.enter_context(play.stage())


@cache
def fresh(scheme: str) -> Stage:
    """A stage on which nothing was said yet, and whose time stands still."""
    return opened(Play(scheme, SEED))


@cache
def bought(scheme: str) -> Fetched:
    """A page that was paid for on the fresh stage; its outcome was asked for, too."""
    stage = fresh(scheme)
    fetched = stage.buy("fuzz")
    assert fetched.purchase is not None
    purse = stage.payer.guide().purse(scheme, stage.bank.id)
    stage.payer.send(outcome_request(purse, fetched.purchase, stage.room.now_s))
    return fetched


@cache
def resold(scheme: str) -> list[Call]:
    """What the mint of a broker that only sells on was asked while one page was bought."""
    if not registry.by_name(scheme).traits.resold:
        return []
    stage = opened(Play(scheme, SEED))
    home, payer = with_home(stage)
    calls: list[Call] = []
    mints: Any = home.books.mints
    mints[scheme] = Recording(MINT, mints[scheme], calls)
    payer.buy(stage.page())
    return calls


def names() -> tuple[str, ...]:
    """Every registered scheme."""
    return tuple(scheme.traits.name for scheme in registry.all_schemes())


@cache
def said(*kinds: str) -> tuple[bytes, ...]:
    """Messages of these kinds (`offer`, `broker issue answer`), some of every conversation."""
    found: list[bytes] = []
    for scheme in names():
        for heard in conversations(scheme):
            for kind in kinds:
                found += heard.stage.line.heard(kind)[:KEPT]
    return tuple(dict.fromkeys(found))
