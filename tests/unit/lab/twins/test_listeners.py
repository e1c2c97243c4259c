"""Who cheats with streams gets the grace of each, and no more; nothing is had twice."""

import random
from collections.abc import Awaitable, Callable, Iterator

import pytest

from farthing.lab.bounds import Measured, worst
from farthing.lab.twins import listeners
from farthing.lab.twins.stage import Stage
from farthing.lab.twins.tricks import TRICKS, play
from farthing.lab.world import World
from farthing.schemes import registry

SEED = 3


@pytest.fixture
def stage() -> Iterator[Stage]:
    with World(SEED, ["tick"], luck=False) as world:
        stage = Stage(world, random.Random(SEED))
        yield stage
        assert world.ground.checks.findings == []
        assert world.ground.loop.faults == []
        stage.close()


def run(stage: Stage, trick: Callable[[Stage], Awaitable[None]]) -> None:
    stage.world.run(trick(stage))
    stage.world.run(stage.settle())


def grace(stage: Stage, role: str) -> list[Measured]:
    losses = stage.world.ground.checks.streams.losses(stage.crooks)
    return [one for one in losses if one.role == role and one.by != "nobody"]


def test_only_schemes_that_pay_streams_are_cheated_so() -> None:
    for trick in ("take-the-grace", "open-twice", "replay-vouchers", "fall-silent"):
        able = [one for one in registry.all_schemes() if TRICKS[trick].is_for(one)]
        assert able == [one for one in registry.all_schemes() if one.till.streams]


def test_who_listens_unpaid_has_the_grace_of_each_stream(stage: Stage) -> None:
    run(stage, listeners.take_the_grace)
    lost = grace(stage, "vendor")
    assert len(lost) == listeners.AGAIN
    assert any(one.worst_micro == one.bound_micro for one in lost)
    assert stage.payments > 0, "somebody honest listens too"


def test_what_opened_a_stream_opens_none_again(stage: Stage) -> None:
    run(stage, listeners.open_twice)
    (lost,) = grace(stage, "vendor")
    assert lost.is_within
    openings = [seen for seen in stage.seen if seen.is_payment and seen.source == "payer0"]
    assert len(openings) == 3


def test_vouchers_pay_the_stream_that_they_were_written_for(stage: Stage) -> None:
    run(stage, listeners.replay_vouchers)
    first, second = stage.world.ground.checks.streams.by_name.values()
    assert first.payments > 1
    assert second.payments == 1, "its opening, and nothing that paid the other one"
    sent = [seen for seen in stage.seen if seen.is_payment and seen.source == "payer0"]
    assert len(sent) > 3 * first.payments


def test_a_vendor_that_falls_silent_has_the_grace_at_most(stage: Stage) -> None:
    run(stage, listeners.fall_silent)
    lost = grace(stage, "payer")
    assert len(lost) >= 3
    assert sum(one.worst_micro for one in lost) > 0
    assert all(one.is_within for one in lost)


def test_streams_are_no_loss_of_pages() -> None:
    played = play("tick", SEED, ["take-the-grace", "replay-vouchers"])
    assert played.findings == ()
    lost = [one for one in worst(played.losses) if one.worst_micro]
    assert {one.of for one in lost} == {"grace"}
