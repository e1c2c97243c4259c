"""One purchase at most for what is bought once: after every crash, days later, beside another."""

from pathlib import Path

import pytest

from farthing.errors import Busy, Denied
from farthing.wallet.commands import SendRequest
from farthing.wallet.fetching import Fetched, fetch
from farthing.wallet.settling import Verdict
from tests.unit.wallet.world import World, get

ONCE = "rc_of-the-payment-that-came-in"


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def once(world: World, path: str = "/a") -> Fetched:
    return world.run(fetch(world.guide(), get(path), once=ONCE))


def test_what_is_bought_once_is_charged_once_whatever_crashes(tmp_path: Path) -> None:
    count, ended = 0, False
    while not ended:
        count += 1
        folder = tmp_path / str(count)
        folder.mkdir()
        world = World(folder)
        flow = fetch(world.guide(), get("/a"), once=ONCE)
        ended = not world.run_until(flow, count)
        world.crash()
        for _ in range(2):
            assert once(world).verdict is Verdict.DONE, count
            world.crash()
        assert world.site.charges == [("/a", 200)], count
        assert world.bank.sold_micro == world.held_micro() + 200, count
    assert count > 8


def test_what_was_bought_once_is_not_bought_again_days_later_or_for_another_price(
    world: World,
) -> None:
    first = once(world)
    world.now_ms += 3 * 86_400_000
    world.site.price_micro = 300
    again = once(world)
    assert first.purchase is not None
    assert again.purchase is not None
    assert again.purchase.id == first.purchase.id
    assert world.site.charges == [("/a", 200)]


def test_what_came_to_nothing_is_not_tried_a_second_time(world: World) -> None:
    world.site.faults = ["origin_fails"]
    assert once(world).verdict is Verdict.RELEASED
    with pytest.raises(Denied, match="bought_before"):
        once(world)
    assert world.site.charges == []
    assert world.fetch("/a").verdict is Verdict.DONE, "for anything else it may be bought"


def test_the_same_page_is_bought_for_each_of_two_and_for_nothing(world: World) -> None:
    once(world)
    world.run(fetch(world.guide(), get("/a"), once="another"))
    world.fetch("/a")
    assert world.site.charges == [("/a", 200)] * 3


def test_what_another_flow_is_buying_is_not_bought_beside_it(world: World) -> None:
    flow = fetch(world.guide(), get("/a"), once=ONCE)
    command = next(flow)
    while not (isinstance(command, SendRequest) and command.leg == "paid"):
        command = flow.send(world.answer(command))
    with pytest.raises(Busy, match="purchase_under_way"):
        once(world)
    flow.close()
    world.crash()
    assert once(world).verdict is Verdict.DONE
    assert world.site.charges == [("/a", 200)]
