"""What a dishonest payer does reaches the gate, and is refused there."""

import random
from collections.abc import Awaitable, Callable

import msgspec
import pytest

from farthing.lab.network import Message, Reply
from farthing.lab.twins import payers
from farthing.lab.twins.costs import losses_of
from farthing.lab.twins.stage import Stage
from farthing.lab.world import World
from farthing.schemes.chain.payword import PAYWORD, PaywordMint
from farthing.schemes.contract import Mint
from tests.kit.broken_mints import NoLimit
from tests.kit.registered import registered

OWED = ("broker", "payer")


class Refusals:
    """Counts the answers to payments."""

    def __init__(self) -> None:
        self.statuses: list[int] = []

    def sent(self, source: str, target: str, message: Message) -> None:
        """Nothing."""

    def answered(self, source: str, target: str, message: Message, reply: Reply) -> None:
        self.statuses.append(reply.status)


@pytest.mark.parametrize(
    ("trick", "scheme"),
    [
        (payers.spend_twice_at_once, "millicent"),
        (payers.restore_an_old_file, "millicent"),
        (payers.replay, "payword"),
        (payers.forge, "payword"),
    ],
    ids=lambda one: getattr(one, "__name__", one),
)
def test_the_trick_is_refused_where_it_is_one(
    trick: Callable[[Stage], Awaitable[None]], scheme: str
) -> None:
    with World(12, [scheme], luck=False) as world:
        stage, refusals = Stage(world, random.Random(2)), Refusals()
        world.ground.network.taps.append(refusals)
        world.run(trick(stage))
        assert any(status in {400, 402, 403, 409, 410} for status in refusals.statuses)
        assert world.payers[0].name in stage.crooks or world.payers[1].name in stage.crooks
        stage.close()


def test_payments_are_known_by_their_headers() -> None:
    with World(12, ["payword"]) as world:
        stage, payer = Stage(world, random.Random(2)), world.payers[1]
        world.run(stage.shop(payer, world.vendors[1], 2))
        assert len(payers.payments_of(stage, payer)) == 2
        stage.close()


@pytest.mark.parametrize("mint", [PaywordMint, NoLimit])
def test_who_has_little_credit_owes_no_more_than_that_unless_more_is_certified(
    mint: type[Mint],
) -> None:
    scheme = msgspec.structs.replace(PAYWORD, mint=mint)
    with registered(scheme), World(12, ["payword"], luck=False) as world:
        stage = Stage(world, random.Random(2))
        world.run(payers.owe_more_than_one_may(stage))
        world.run(stage.settle())
        (lost,) = (one for one in losses_of(stage, "payer") if (one.role, one.by) == OWED)
        credit_micro = stage.limits_micro[world.payers[0].name]
        assert lost.worst_micro >= credit_micro, "all of it is owed"
        assert lost.bound_micro == credit_micro, "by one vendor, on one day"
        assert lost.is_within == (mint is PaywordMint)
        stage.close()
