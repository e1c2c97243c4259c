"""What was ended is refused once a gate has the list; a gate without it is found."""

import random
from collections.abc import Awaitable, Callable

import pytest

from farthing.errors import Refusal
from farthing.lab.twins import revokers
from farthing.lab.twins.stage import Stage
from farthing.lab.twins.tricks import play
from farthing.lab.world import World
from farthing.vendor.app import Vendor


async def no_lists(vendor: Vendor) -> int:
    return 0


@pytest.mark.parametrize("is_listed", [True, False])
@pytest.mark.parametrize(
    ("trick", "scheme"),
    [
        (revokers.revoke_and_spend, "payword"),
        (revokers.spend_what_was_withdrawn, "ecoupon"),
    ],
)
def test_what_was_ended_pays_only_where_no_list_has_come(
    trick: Callable[[Stage], Awaitable[None]],
    scheme: str,
    is_listed: bool,  # noqa: FBT001 - a parameter of the test
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if not is_listed:
        monkeypatch.setattr(Vendor, "fetch_lists", no_lists)
    with World(12, [scheme], luck=False) as world:
        stage = Stage(world, random.Random(2))
        world.run(trick(stage))
        found = world.ground.checks.findings
        assert bool(found) is not is_listed
        assert all("for what was revoked and listed" in one for one in found)
        stage.close()


def test_what_could_not_be_withdrawn_is_no_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(*_: object) -> None:
        raise Refusal("mint_unreachable", "by this test")

    monkeypatch.setattr(revokers, "withdrawn", refuse)
    with World(12, ["ecoupon"], luck=False) as world:
        stage = Stage(world, random.Random(2))
        world.run(revokers.spend_what_was_withdrawn(stage))
        assert world.ground.checks.findings == []
        stage.close()


def test_what_was_ended_in_part_only_is_no_finding() -> None:
    """An older copy has spent some of the coins: they are not taken back, and the rest is good."""
    assert play("cashu", 1_296).findings == ()


def test_what_a_purchase_in_doubt_has_is_not_ended() -> None:
    """The wallet cannot give it back, and who has a copy spends it."""
    assert play("cashu", 82290453332, ["leave-a-debt", "revoke-and-spend"]).findings == ()
