"""Each act does what its party would, and a party that is down does nothing."""

import random
from collections.abc import Callable

import pytest

from farthing.errors import Refusal
from farthing.lab import acts, handing
from farthing.lab.faults import CALM
from farthing.lab.world import World
from farthing.schemes import registry
from tests.kit.turns import each_in_turn


def notes(world: World, kind: str) -> list[str]:
    return [line for line in world.ground.trace.lines if line.split()[1] == kind]


def carried_out(world: World) -> int:
    """How often somebody did what was begun, or had it done; without what was for nothing."""
    done = [note for note in notes(world, "done") if not note.endswith("give back False")]
    return len(done) + len(notes(world, "rotated"))


async def do(world: World, act: acts.Act, times: int = 20) -> None:
    luck = random.Random(1)
    for _ in range(times):
        act(world, luck)
    await world.settle()


REFUSED: dict[acts.Act, set[str]] = {
    # Credit is worth nothing to return, what is prepaid comes by itself, lottery tickets wait.
    acts.give_back: {"chain_ends_by_itself", "rest_comes_back", "ticket_not_over"},
    # Many sweeps of one vendor at one moment.
    acts.clear: {"batch_in_flight"},
    # What was handed to who hands it over, and what is over.
    handing.take_away: {"grant_not_yours"},
    # What the scheme cannot give back, what cost nothing, and what luck has drawn twice.
    acts.refund: {"refund_unsupported", "already_refunded", "nothing_charged"},
    # Two licences at one moment, whose keys would have one name.
    acts.rotate_vendor: {"key_id_taken"},
    # Few payers have so much on their account, and few vendors have earned it.
    acts.pay_out: {"balance_too_low"},
}
"""What an act may be told instead of being carried out: nothing else, and others nothing."""


@pytest.mark.parametrize("act", each_in_turn(acts.ACTS, of=3))
def test_every_act_is_carried_out(act: acts.Act) -> None:
    with World(7, lines_max=None) as world:  # one with two brokers
        world.run(world.act(range(30), CALM, {acts.buy: 4, handing.give: 1}))
        world.run(world.settle())  # what was begun before is none of its doing
        done, refused = carried_out(world), len(notes(world, "refused"))
        world.run(do(world, act))
        assert carried_out(world) > done
        codes = {note.split()[-1] for note in notes(world, "refused")[refused:]}
        assert codes <= REFUSED.get(act, set())
        assert world.ground.checks.findings == []
        assert world.ground.loop.faults == []


def test_what_a_scheme_is_not_for_is_not_drawn() -> None:
    millicent, ecoupon = registry.by_name("millicent"), registry.by_name("ecoupon")
    assert acts.acts_of([millicent]).keys() == acts.ACTS.keys() - acts.FOR.keys()
    assert handing.give in acts.acts_of([millicent, ecoupon])
    assert acts.acts_of(registry.all_schemes()) == acts.ACTS


def test_who_asks_for_more_than_there_is_is_refused_and_nothing_else_is() -> None:
    with World(7, lines_max=None) as world:
        world.run(do(world, acts.pay_out))
        assert {note.split()[-1] for note in notes(world, "refused")} == {"balance_too_low"}
        with pytest.raises(Refusal, match="account_unknown"):
            world.run(world.obeyed("/topup", {"amountMicro": 1, "payer": "x", "reference": "RF"}))


def test_money_goes_to_banks_and_comes_back() -> None:
    with World(7, lines_max=None) as world:
        world.run(do(world, acts.pay_out, 40))
        ends = {note.split()[-1] for note in notes(world, "done")}
        assert {"planned", "confirmed", "returned"} <= ends


@pytest.mark.parametrize(
    "act",
    [
        acts.buy,
        acts.give_back,
        acts.recover,
        acts.clear,
        acts.refund,
        acts.rotate_vendor,
        handing.give,
        handing.take,
        handing.take_away,
    ],
)
def test_who_is_down_does_nothing(act: Callable[[World, random.Random], None]) -> None:
    with World(5, lines_max=None) as world:
        for party in (*world.payers, *world.vendors):
            party.kill("for this test")
        before = len(notes(world, "begins"))
        for _ in range(20):
            act(world, random.Random(1))
        assert len(notes(world, "begins")) == before
