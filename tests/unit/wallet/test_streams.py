"""A stream as the wallet's flows pay it, at the real gate: opened, paid on, and in every doubt."""

from pathlib import Path

import msgspec
import pytest

from farthing.errors import Overlimit, Unavailable, Unsupported
from farthing.wallet.commands import Failed, Response
from farthing.wallet.flow import recover
from farthing.wallet.policy import Limits
from farthing.wallet.streams import (
    FRESH_S,
    Opened,
    _for_ticks,
    hand_in,
    open_stream,
    pay_on,
    write,
    write_beside,
)
from farthing.wire.offers import CHALLENGE_LIFE_S
from tests.unit.wallet.gate_town import PRICE_MICRO, require_conserved, town
from tests.unit.wallet.world import World, get

STREAM = f'[[route]]\npath = "/radio"\nprice = "{PRICE_MICRO}u"\nper = "1s"\n'


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = town(tmp_path, "tick")
    world.site.open("tick", more=STREAM)
    world.limits = Limits(per_payment_micro=10**6, per_site_day_micro=10**6, per_day_micro=10**6)
    return world


def opened(world: World) -> Opened:
    found = world.run(open_stream(world.guide(), get("/radio")))
    assert found.purchase is not None
    world.store.deliver(found.purchase)
    return found


def pay(world: World, stream: Opened, ticks: int) -> int:
    made = world.run(pay_on(world.guide(), get("/radio"), stream, ticks))
    world.store.deliver(made)
    return made.price_micro


def test_a_stream_is_opened_with_one_tick_and_vouchers_pay_many(world: World) -> None:
    stream = opened(world)
    assert isinstance(stream.answer, Response)
    assert (stream.answer.status, stream.name[:5]) == (200, "tick:")
    assert stream.meter is not None
    assert (stream.meter.unit, stream.meter.grace) == ("seconds", 3)
    assert [pay(world, stream, ticks) for ticks in (1, 64)] == [PRICE_MICRO, 64 * PRICE_MICRO]
    assert world.site.earned_micro() == 66 * PRICE_MICRO
    require_conserved(world, "tick")


def test_a_voucher_that_was_taken_is_found_after_a_crash_before_it_was_written(
    world: World,
) -> None:
    stream = opened(world)
    pay(world, stream, 5)
    world.crash()
    world.run(recover(world.guide()))
    assert world.site.earned_micro() == 6 * PRICE_MICRO
    require_conserved(world, "tick")


def test_only_what_pays_all_its_ticks_is_looked_at_for_a_voucher(world: World) -> None:
    stream = opened(world)
    assert stream.choice is not None
    assert _for_ticks(stream.choice, 64).wish.from_micro == 64 * PRICE_MICRO


def test_a_page_and_a_stream_are_not_taken_for_each_other(world: World) -> None:
    with pytest.raises(Unsupported, match="page_is_a_stream"):
        world.fetch("/radio")
    with pytest.raises(Unsupported, match="page_is_no_stream"):
        world.run(open_stream(world.guide(), get("/a")))
    assert world.site.earned_micro() == 0


def test_a_lost_answer_costs_one_tick_and_the_stream_is_opened_with_the_next(world: World) -> None:
    world.site.faults = ["reply_lost"]
    opened(world)
    assert world.site.earned_micro() == 2 * PRICE_MICRO
    require_conserved(world, "tick")


@pytest.mark.parametrize("fault", ["lost", "reply_lost"])
def test_a_voucher_that_is_lost_is_sent_again_and_pays_once(world: World, fault: str) -> None:
    stream = opened(world)
    world.site.faults = [fault]
    assert pay(world, stream, 5) == 5 * PRICE_MICRO
    assert world.site.earned_micro() == 6 * PRICE_MICRO
    require_conserved(world, "tick")


def test_a_site_that_fails_is_not_paid_and_says_so(world: World) -> None:
    world.site.faults = ["origin_fails"]
    found = world.run(open_stream(world.guide(), get("/radio")))
    assert isinstance(found.answer, Response)
    assert (found.purchase, found.answer.status) == (None, 502)
    assert world.site.earned_micro() == 0


def test_a_challenge_that_is_over_is_replaced_and_the_price_of_the_stream_stays(
    world: World,
) -> None:
    stream = opened(world)
    world.now_ms += (CHALLENGE_LIFE_S - FRESH_S + 1) * 1000
    assert pay(world, stream, 2) == 2 * PRICE_MICRO
    world.site.open("tick", more=STREAM.replace(f"{PRICE_MICRO}u", f"{PRICE_MICRO // 2}u"))
    assert pay(world, stream, 2) == 2 * PRICE_MICRO
    world.site.open("tick")
    with pytest.raises(Unsupported, match="page_is_no_stream"):
        pay(world, stream, 2)
    world.site.handle = lambda request: Failed(reason="gone")
    with pytest.raises(Unavailable, match="stream_not_offered"):
        pay(world, stream, 2)


def test_vouchers_are_within_the_budgets(world: World) -> None:
    stream = opened(world)
    world.limits = Limits(per_payment_micro=10**6, per_site_day_micro=4 * PRICE_MICRO)
    assert pay(world, stream, 3) == 3 * PRICE_MICRO
    with pytest.raises(Overlimit, match="above_budget_per_site_day"):
        pay(world, stream, 1)


def test_what_a_chain_cannot_pay_at_once_is_paid_tick_by_tick(world: World) -> None:
    world.load_micro = PRICE_MICRO
    choice = opened(world)
    assert choice.choice is not None
    terms = choice.choice.received.offer.terms | {"maxSteps": 2}
    offer = msgspec.structs.replace(choice.choice.received.offer, terms=terms)
    received = msgspec.structs.replace(choice.choice.received, offer=offer)
    stream = msgspec.structs.replace(
        choice, choice=msgspec.structs.replace(choice.choice, received=received)
    )
    assert pay(world, stream, 2) == PRICE_MICRO


def test_a_wallet_that_died_with_a_voucher_on_its_way_settles_it_later(world: World) -> None:
    stream = opened(world)
    for count in range(1, 12):
        flow = pay_on(world.guide(), get("/radio"), stream, 2)
        if not world.run_until(flow, count):
            break
        world.crash()
        world.now_ms += 61_000
        world.run(recover(world.guide()))
        require_conserved(world, "tick")
    assert world.site.earned_micro() > PRICE_MICRO
    assert opened(world).purchase is not None


@pytest.mark.parametrize("taken", [0, 1, 2])
def test_a_wallet_that_died_with_two_vouchers_open_settles_each_as_its_vendor_says(
    world: World, taken: int
) -> None:
    stream = opened(world)
    guide, request = world.guide(), get("/radio")
    first = world.run(write(guide, request, stream, 5))
    beside = world.run(write_beside(guide, request, stream, 7))
    assert beside is not None
    assert first.paid.spent.id != beside.paid.spent.id
    for voucher in (first, beside)[:taken]:
        assert world.run_until(hand_in(guide, request, voucher), 1), "taken, and not heard of"
    world.crash()
    world.now_ms += 61_000
    world.run(recover(world.guide()))
    assert world.site.earned_micro() == (1, 6, 13)[taken] * PRICE_MICRO
    require_conserved(world, "tick")
    states = dict(world.store.file.rows("SELECT id, state FROM purchases"))
    expected = ["done"] * taken + ["released"] * (2 - taken)
    assert [states[each.id] for each in (first, beside)] == expected
    assert pay(world, stream, 3) == 3 * PRICE_MICRO
    require_conserved(world, "tick")


def test_nothing_is_written_beside_a_voucher_without_another_chain_and_no_mint_is_asked(
    world: World,
) -> None:
    stream = opened(world)
    guide, request = world.guide(), get("/radio")
    written = [world.run(write(guide, request, stream, 5))]
    world.said.clear()
    while (voucher := world.run(write_beside(guide, request, stream, 5))) is not None:
        written.append(voucher)
    assert len({each.paid.spent.id for each in written}) == len(written) > 1
    assert "AskMint" not in world.said
