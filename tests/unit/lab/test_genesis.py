"""Worlds of one set of schemes begin alike, and the founding is done once."""

from farthing.lab import genesis
from farthing.lab.world import World


def test_everybody_is_founded_once_and_copied() -> None:
    names = ("millicent", "payword")
    beginning = genesis.founded(names)
    assert genesis.founded(names) is beginning
    assert set(beginning.tokens) == {"operator", *beginning.sold, *(f"payer{n}" for n in range(8))}
    before = sorted(path.name for path in beginning.folder.rglob("*"))
    with World(1, names) as world:
        assert world.broker.broker is not None
        assert all(party.is_up for party in world.parties)
    assert sorted(path.name for path in beginning.folder.rglob("*")) == before


def test_people_ask_until_they_are_answered() -> None:
    with World(1, ["millicent"]) as world:
        world.broker.kill("for this test")
        world.ground.loop.outside(5.0, world.broker.start)
        booked = {"payer": "payer0", "amountMicro": 7, "reference": "r1"}
        answer = world.run(genesis.order(world.broker, "/topup", booked, "k"))
        assert answer["amountMicro"] == 7
