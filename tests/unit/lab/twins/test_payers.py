"""What a dishonest payer does reaches the gate, and is refused there."""

import random
from collections.abc import Awaitable, Callable

import pytest

from farthing.lab.network import Message, Reply
from farthing.lab.twins import payers
from farthing.lab.twins.stage import Stage
from farthing.lab.world import World


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
