"""A vendor that cheats at the broker is paid what it has earned, and no more."""

import random
from collections.abc import Awaitable, Callable

import pytest

from farthing.broker.reservations import find
from farthing.broker.settling import Settling
from farthing.lab.twins import vendors
from farthing.lab.twins.stage import Stage
from farthing.lab.world import World
from farthing.schemes import registry

SCHEMES = [scheme.traits.name for scheme in registry.all_schemes()]
LEAVE_CLAIMS = [
    scheme.traits.name for scheme in registry.all_schemes() if scheme.traits.latest != "before"
]
CLAIMING = [vendors.claim_twice, vendors.claim_too_much, vendors.claim_what_others_earned]


@pytest.mark.parametrize("trick", CLAIMING, ids=lambda trick: trick.__name__)
@pytest.mark.parametrize("scheme", LEAVE_CLAIMS)
def test_claims_are_sent_and_earn_nothing_more(
    scheme: str, trick: Callable[[Stage], Awaitable[None]]
) -> None:
    with World(13, [scheme], luck=False) as world:
        stage = Stage(world, random.Random(3))
        world.run(trick(stage))
        world.run(stage.settle())
        own = {pair for seen in stage.seen if seen.is_claim for pair in seen.message.headers}
        keys = [value for name, value in own if name == b"idempotency-key"]
        assert any(key.startswith((b"again", b"more", b"stolen")) for key in keys)
        checks = world.ground.checks
        for vendor in world.vendors:
            assert checks.earned[vendor.name] == sum(checks.sold[vendor.name].values())
        stage.close()


@pytest.mark.parametrize("scheme", SCHEMES)
def test_claims_that_come_too_late_are_never_more_than_was_sold(scheme: str) -> None:
    with World(13, [scheme], luck=False) as world:
        stage = Stage(world, random.Random(3))
        world.run(vendors.claim_late(stage))
        world.run(stage.settle())
        checks, name = world.ground.checks, world.vendors[0].name
        assert sum(checks.sold[name].values()) >= checks.earned[name]
        assert world.ground.loop.faults == []
        stage.close()


def test_a_page_that_a_late_vendor_still_owes_is_at_stake(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its broker has paid; weeks later its gate says that nothing was, and it is bought anew."""

    async def nobody_asks(stage: Stage) -> None:
        """The vendor has cut itself off."""

    monkeypatch.setattr(Stage, "fetch_missing", nobody_asks)
    with World(13, ["payword"], luck=False) as world:
        stage = Stage(world, random.Random(3))
        payer, (late, other) = stage.honest[0], world.vendors[:2]
        owed = ((late, 20), (other, 700))
        stage.missing += [(payer, stage.address(vendor)[0], micro) for vendor, micro in owed]
        world.run(vendors.claim_late(stage))
        assert stage.stakes[payer.name].price_micro == 20
        stage.close()


def test_what_is_claimed_too_late_is_not_paid() -> None:
    with World(13, ["payword"], luck=False) as world:
        stage = Stage(world, random.Random(3))
        for payer in stage.honest:  # for whatever moment of clearing the pages have
            world.run(stage.shop(payer, world.vendors[0], 1))
        world.run(vendors.claim_late(stage))
        world.run(stage.settle())
        checks, name = world.ground.checks, world.vendors[0].name
        assert 0 < checks.earned[name] < sum(checks.sold[name].values())
        stage.close()


@pytest.mark.parametrize("scheme", ["payword", "ecash"])
def test_nobody_captures_voids_or_settles_what_another_is_paid(scheme: str) -> None:
    with World(13, [scheme], luck=False) as world:
        stage = Stage(world, random.Random(3))
        world.run(vendors.meddle(stage))
        world.run(stage.settle())
        asked = {seen.message.url for seen in stage.seen if seen.is_settling}
        assert {url.rpartition("/")[2] for url in asked} == {"settle", "capture", "void"}
        checks, (crook, victim) = world.ground.checks, world.vendors[:2]
        assert checks.findings == []
        for vendor in (crook, victim):
            assert checks.earned[vendor.name] == sum(checks.sold[vendor.name].values()) > 0
        stage.close()


def test_a_broker_that_lets_a_vendor_have_anothers_reservation_is_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        Settling, "_find", lambda self, connection, tx, account: find(connection, tx)
    )
    with World(13, ["payword"], luck=False) as world:
        stage = Stage(world, random.Random(3))
        world.run(vendors.meddle(stage))
        findings = world.ground.checks.findings
        assert [finding for finding in findings if "of another vendor: granted" in finding]
        stage.close()


def test_what_is_withheld_was_paid_and_was_not_delivered() -> None:
    with World(13, ["payword"]) as world:
        stage = Stage(world, random.Random(3))
        world.run(vendors.withhold(stage))
        assert stage.withheld
        assert sum(stage.got.values()) == 0
        assert sum(world.ground.checks.sold[world.vendors[0].name].values()) > 0
        stage.close()
