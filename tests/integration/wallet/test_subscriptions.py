"""A wallet subscribes at the real gate, reads for nothing, and is killed at every command."""

from pathlib import Path

import pytest

from farthing.errors import Overlimit
from farthing.wallet.flow import recover
from farthing.wallet.policy import Limits
from farthing.wallet.settling import Verdict
from tests.unit.wallet.gate_town import PRICE_MICRO, STEPS_MAX, held_in, require_conserved, town
from tests.unit.wallet.world import World, get

DAY_S = 86_400
PLAN_MICRO = 9_000
PLAN = f"""[[route]]
path = "/subscribe"
price = "{PLAN_MICRO}u"
subscription.plan = "month"
subscription.days = 30
subscription.paths = ["/**"]
"""
WAYS = ("millicent", "private")


def subscribing(folder: Path, way: str) -> World:
    world = town(folder, way)
    world.site.open(way, more=PLAN)
    return world


def paid_micro(world: World, path: str) -> int:
    """What fetching `path` cost."""
    fetched = world.fetch(path)
    assert fetched.verdict is Verdict.DONE
    assert fetched.purchase is not None
    return fetched.purchase.price_micro


@pytest.mark.parametrize("way", WAYS)
def test_a_subscriber_reads_for_nothing_until_the_end(tmp_path: Path, way: str) -> None:
    world = subscribing(tmp_path, way)
    assert world.fetch("/a").verdict is Verdict.DONE
    earned_micro = PRICE_MICRO + PLAN_MICRO
    assert paid_micro(world, "/subscribe") == PLAN_MICRO
    for number in range(5):
        assert paid_micro(world, f"/{number}") == 0
        assert world.site.earned_micro() == earned_micro
    assert paid_micro(world, "/subscribe") == 0
    world.now_ms += 30 * DAY_S * 1000
    assert paid_micro(world, "/after") == PRICE_MICRO
    assert world.site.earned_micro() == earned_micro + PRICE_MICRO
    require_conserved(world, way)


@pytest.mark.parametrize("way", WAYS)
def test_several_pages_at_once_share_one_subscription(tmp_path: Path, way: str) -> None:
    world = subscribing(tmp_path, way)
    world.fetch("/subscribe")
    sold_micro = world.bank.sold_micro
    for number in range(3):  # left under way: the piece is not taken by any
        world.run_until(world.flow(world.guide(), get(f"/{number}")), 5)
    assert paid_micro(world, "/last") == 0
    assert world.held_micro("offered") == 0
    assert world.bank.sold_micro == sold_micro
    world.crash()
    world.run(recover(world.guide()))
    require_conserved(world, way)


@pytest.mark.parametrize("faults", [[], ["lost"], ["reply_lost"] * 3, ["origin_fails"]])
@pytest.mark.parametrize("path", ["/subscribe", "/a"])
@pytest.mark.parametrize("way", WAYS)
def test_killed_at_any_command_it_is_charged_once(
    tmp_path: Path, way: str, path: str, faults: list[str]
) -> None:
    for count in range(1, STEPS_MAX):
        world = subscribing(tmp_path / str(count), way)
        if path != "/subscribe":
            world.fetch("/subscribe")
        world.site.faults = list(faults)
        if not world.run_until(world.flow(world.guide(), get(path)), count):
            return
        world.crash()
        world.site.faults = []
        assert world.fetch(path).verdict is Verdict.DONE, count
        assert world.site.earned_micro() == PLAN_MICRO, count
        world.run(recover(world.guide()))
        assert world.held_micro("offered") == 0, count
        require_conserved(world, way)
        assert paid_micro(world, "/b") == 0, count
        assert world.site.earned_micro() == PLAN_MICRO, count
        assert len([h for h in held_in(world) if h.instrument.id.startswith("sub:")]) == 1
    pytest.fail("the flow does not end")


def test_a_plan_above_the_budget_is_asked_about(tmp_path: Path) -> None:
    world = subscribing(tmp_path, "millicent")
    world.limits = Limits(per_payment_micro=PLAN_MICRO - 1)
    with pytest.raises(Overlimit, match="above_budget_per_payment"):
        world.fetch("/subscribe")
    assert world.site.earned_micro() == 0
