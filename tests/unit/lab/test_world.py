"""Everybody of a world does what production does, and the same seed does it again."""

import pytest

from farthing.lab.world import World
from farthing.schemes import registry
from farthing.wallet.settling import Verdict

SCHEMES = [scheme.traits.name for scheme in registry.all_schemes()]


async def shop(world: World, count: int) -> bool:
    """Whether all of so many pages could be bought."""
    luck, done = world.ground.luck, True
    for number in range(count):
        payer, vendor = luck.choice(world.payers), luck.choice(world.vendors)
        page = luck.choice(vendor.pages)
        fetched = await payer.buy(f"{vendor.url}{page.path}/{number}")
        done = done and fetched.verdict is Verdict.DONE
    return done


@pytest.mark.parametrize("scheme", SCHEMES)
def test_every_page_of_every_vendor_can_be_bought(scheme: str) -> None:
    with World(1, [scheme]) as world:
        for vendor in world.vendors:
            for page in vendor.pages:
                fetched = world.run(world.payers[0].buy(f"{vendor.url}{page.path}/1"))
                assert fetched.verdict is Verdict.DONE, page
                assert fetched.purchase is not None
                assert fetched.purchase.price_micro == page.price_micro
        assert world.ground.checks.findings == []
        assert world.ground.loop.faults == []


def test_one_seed_is_one_course_and_another_is_another() -> None:
    hashes = []
    for seed in (7, 7, 8):
        with World(seed) as world:
            assert world.run(shop(world, 10))
            hashes.append(world.ground.trace.hash)
    assert hashes[0] == hashes[1] != hashes[2]
