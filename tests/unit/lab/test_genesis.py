"""Worlds of one set of schemes begin alike, and the founding is done once."""

from farthing.lab import genesis
from farthing.lab.liveness import finish
from farthing.lab.world import World
from farthing.ledger import accounts
from farthing.schemes import registry
from farthing.wallet.settling import Verdict


def test_everybody_is_founded_once_and_copied() -> None:
    names = ("millicent", "payword")
    beginning = genesis.founded(names)
    assert genesis.founded(names) is beginning
    (tokens,) = beginning.tokens.values()
    assert set(tokens) == {"operator", *beginning.sold, *(f"payer{n}" for n in range(8))}
    before = sorted(path.name for path in beginning.folder.rglob("*"))
    with World(1, names) as world:
        assert world.broker.broker is not None
        assert all(party.is_up for party in world.parties)
    assert sorted(path.name for path in beginning.folder.rglob("*")) == before


def test_some_worlds_have_a_second_broker_whose_vendors_scrip_the_first_one_sells() -> None:
    resold = next(one.traits.name for one in registry.all_schemes() if one.traits.resold)
    assert [genesis.is_peered(seed, [resold]) for seed in range(4)] == [False, False, False, True]
    with World(3, [resold]) as world:
        (_, other), vendor = world.brokers, world.vendors[-1]
        assert vendor.home is other
        for number, payer in enumerate(world.payers):
            bought = payer.buy(f"{vendor.url}{vendor.pages[0].path}/{number}")
            assert world.run(bought).verdict is Verdict.DONE
        books = world.ground.checks.books[other.name]
        assert -books[accounts.payer(world.broker.name)] < genesis.DEPOSIT_MICRO
        world.run(finish(world))
        spent_micro = len(world.payers) * vendor.pages[0].price_micro
        left_micro = genesis.DEPOSIT_MICRO - spent_micro
        assert -books[accounts.payer(world.broker.name)] == left_micro
        shares = world.ground.checks.shares[other.name]
        assert 0 <= spent_micro * genesis.RESALE_E4 - shares * 10_000 < 10_000
        assert world.ground.checks.findings == []


def test_what_brokers_have_of_each_other_is_held_against_both_books() -> None:
    with World(3, ["millicent"]) as world:
        (_, other) = world.brokers
        topup = {"payer": world.broker.name, "amountMicro": 5, "reference": "out of nowhere"}
        world.run(world.order("/topup", topup, at=other))
        world.run(finish(world))
        (finding,) = world.ground.checks.findings
        assert finding.startswith(f"{other.name} has {genesis.DEPOSIT_MICRO + 5} of")


def test_people_ask_until_they_are_answered() -> None:
    with World(1, ["millicent"]) as world:
        world.broker.kill("for this test")
        world.ground.loop.outside(5.0, world.broker.start)
        booked = {"payer": "payer0", "amountMicro": 7, "reference": "r1"}
        answer = world.run(genesis.order(world.broker, "/topup", booked, "k"))
        assert answer["amountMicro"] == 7
