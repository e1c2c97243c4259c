"""Each invariant finds what it is there to find."""

from farthing.lab.world import World


def test_entries_are_added_up_as_the_broker_does() -> None:
    with World(4) as world:
        page, payer = world.vendors[0].pages[0], world.payers[0]
        world.run(payer.buy(f"{world.vendors[0].url}{page.path}/1"))
        checks = world.ground.checks
        assert sum(checks.balances.values()) == 0
        assert checks.sold[world.vendors[0].name]
        assert checks.findings == []
