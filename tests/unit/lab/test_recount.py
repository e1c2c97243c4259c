"""A recount of three records finds where one of them is wrong."""

import pytest

from farthing.lab.faults import CALM
from farthing.lab.liveness import finish
from farthing.lab.recount import open_matters, require_sums
from farthing.lab.world import World


def finished(world: World) -> World:
    world.run(world.act(range(30), CALM))
    world.run(finish(world))
    assert world.ground.checks.findings == []
    return world


def test_a_purchase_that_is_not_finished_is_an_open_matter() -> None:
    with World(9) as world:
        finished(world)
        assert open_matters(world) == []
        payer = next(p for p in world.payers if p.book and p.book.history())
        payer.connection.execute(
            "UPDATE purchases SET state = 'undecided' WHERE id = (SELECT min(id) FROM purchases)"
        )
        assert [matter for matter in open_matters(world) if "undecided" in matter]


@pytest.mark.parametrize(
    ("whose", "query", "finds"),
    [
        ("payer", "UPDATE purchases SET state = 'released'", "no wallet knows"),
        ("broker", "DELETE FROM entries WHERE seq = 30", "audit"),
    ],
)
def test_records_that_disagree_are_found(whose: str, query: str, finds: str) -> None:
    with World(9) as world:
        finished(world)
        if whose == "payer":
            for payer in world.payers:
                payer.connection.execute(query)
        else:
            world.broker.connection.execute(query)
        require_sums(world)
        assert any(finds in finding for finding in world.ground.checks.findings)


def test_money_that_came_from_nowhere_is_found() -> None:
    with World(9) as world:
        finished(world)
        world.topped_up[world.payers[0].name] -= 5
        world.ground.checks.earned[world.vendors[0].name] += 7
        require_sums(world)
        findings = world.ground.checks.findings
        assert any("5 too much" in finding for finding in findings)
        assert any(finding.startswith("vendor0 earned") for finding in findings)
