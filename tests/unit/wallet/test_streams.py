"""A stream as the wallet's flows pay it, at the real gate: opened, paid on, and in every doubt."""

from pathlib import Path

import msgspec
import pytest

from farthing.errors import Overlimit, Unavailable, Unsupported
from farthing.schemes import registry
from farthing.stores.memory import MemoryMarks
from farthing.wallet.commands import Failed, Request, Response, Sent
from farthing.wallet.flow import recover
from farthing.wallet.known import Known
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

COMMANDS_MAX = 30  # more than any flow here has
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


def test_what_was_paid_before_a_site_failed_is_told(world: World) -> None:
    world.site.faults = ["reply_lost", "", "origin_fails"]
    found = world.run(open_stream(world.guide(), get("/radio")))
    assert (found.purchase, found.paid_micro) == (None, PRICE_MICRO)
    assert world.site.earned_micro() == PRICE_MICRO


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


def die_at_each_command(world: World, stream: Opened, scheme: str) -> None:
    """Pay on, dying one command later each time, until it comes through."""
    for count in range(1, COMMANDS_MAX):
        flow = pay_on(world.guide(), get("/radio"), stream, 2)
        if not world.run_until(flow, count):
            return
        world.crash()
        world.now_ms += 61_000
        world.run(recover(world.guide()))
        require_conserved(world, scheme)
    pytest.fail("the flow does not end")


def test_a_wallet_that_died_with_a_voucher_on_its_way_settles_it_later(world: World) -> None:
    stream = opened(world)
    die_at_each_command(world, stream, "tick")
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


# --- opened and topped up by any other scheme ----------------------------------------------------

TOPPED = ("millicent", "payword")
every_way = pytest.mark.parametrize("way", TOPPED)


def other(tmp_path: Path, way: str, more: str = STREAM) -> World:
    world = town(tmp_path, way)
    world.site.open(way, more=more, price_micro=4 * PRICE_MICRO)
    world.limits = Limits(per_payment_micro=10**6, per_site_day_micro=10**6, per_day_micro=10**6)
    return world


@every_way
def test_any_scheme_opens_a_stream_and_tops_it_up(tmp_path: Path, way: str) -> None:
    world = other(tmp_path, way)
    stream = opened(world)
    assert stream.choice is not None
    assert (stream.choice.wish.scheme, stream.has_vouchers) == (way, False)
    assert [pay(world, stream, ticks) for ticks in (1, 3)] == [PRICE_MICRO, 3 * PRICE_MICRO]
    assert world.site.earned_micro() == 5 * PRICE_MICRO
    require_conserved(world, way)


@every_way
def test_a_page_and_a_stream_are_not_taken_for_each_other_by_any_scheme(
    tmp_path: Path, way: str
) -> None:
    world = other(tmp_path, way)
    with pytest.raises(Unsupported, match="page_is_a_stream"):
        world.fetch("/radio")
    with pytest.raises(Unsupported, match="page_is_no_stream"):
        world.run(open_stream(world.guide(), get("/a")))
    assert world.site.earned_micro() == 0


@every_way
@pytest.mark.parametrize("fault", ["lost", "reply_lost"])
def test_a_top_up_that_is_lost_is_sent_again_and_pays_once(
    tmp_path: Path, way: str, fault: str
) -> None:
    world = other(tmp_path, way)
    stream = opened(world)
    world.site.faults = [fault]
    assert pay(world, stream, 2) == 2 * PRICE_MICRO
    assert world.site.earned_micro() == 3 * PRICE_MICRO
    require_conserved(world, way)


@every_way
def test_a_lost_answer_costs_one_opening_with_any_scheme(tmp_path: Path, way: str) -> None:
    world = other(tmp_path, way)
    world.site.faults = ["reply_lost"]
    stream = opened(world)
    assert stream.paid_micro == 2 * PRICE_MICRO == world.site.earned_micro()
    require_conserved(world, way)


@every_way
def test_a_wallet_that_died_with_a_top_up_on_its_way_settles_it_later(
    tmp_path: Path, way: str
) -> None:
    world = other(tmp_path, way)
    stream = opened(world)
    die_at_each_command(world, stream, way)
    assert world.site.earned_micro() > PRICE_MICRO


def test_an_opening_may_buy_several_ticks_and_then_every_top_up_does(tmp_path: Path) -> None:
    units = f"[payword]\nunit_micro = {4 * PRICE_MICRO}\n"
    world = other(tmp_path, "payword", units + STREAM)
    stream = opened(world)
    assert (stream.meter is not None and stream.meter.ticks, stream.paid_micro) == (
        4,
        4 * PRICE_MICRO,
    )
    assert pay(world, stream, 8) == 8 * PRICE_MICRO
    assert pay(world, stream, 9) == 4 * PRICE_MICRO, "what it cannot pay is the fewest ticks"
    assert world.site.earned_micro() == 16 * PRICE_MICRO


def test_top_ups_are_within_the_budgets_and_at_the_price_of_the_opening(tmp_path: Path) -> None:
    world = other(tmp_path, "millicent")
    stream = opened(world)
    world.limits = Limits(per_payment_micro=10**6, per_site_day_micro=4 * PRICE_MICRO)
    assert pay(world, stream, 3) == 3 * PRICE_MICRO
    with pytest.raises(Overlimit, match="above_budget_per_site_day"):
        pay(world, stream, 1)
    world.limits = Limits()
    assert stream.choice is not None
    offer = stream.choice.received.offer
    cheaper = msgspec.structs.replace(offer, price_micro=offer.price_micro // 2)
    received = msgspec.structs.replace(stream.choice.received, offer=cheaper)
    choice = msgspec.structs.replace(stream.choice, received=received)
    world.known = Known()
    with pytest.raises(Unsupported, match="stream_sold_otherwise"):
        pay(world, msgspec.structs.replace(stream, choice=choice), 1)


def test_a_stream_that_its_vendor_has_forgotten_is_not_topped_up(tmp_path: Path) -> None:
    world = other(tmp_path, "millicent")
    stream = opened(world)
    world.site.marks = MemoryMarks()
    with pytest.raises(Unavailable, match="stream_not_offered"):
        pay(world, stream, 2)


def test_nothing_is_written_beside_a_top_up(tmp_path: Path) -> None:
    world = other(tmp_path, "millicent")
    stream = opened(world)
    assert world.run(write_beside(world.guide(), get("/radio"), stream, 2)) is None


def test_what_a_wallet_holds_is_spent_first_and_else_ticks(tmp_path: Path) -> None:
    world = other(tmp_path, "tick", f'{STREAM}accept = ["tick", "payword"]\n')
    world.schemes = {"payword": registry.by_name("payword")}
    assert not opened(world).has_vouchers
    world.schemes = {name: registry.by_name(name) for name in ("payword", "tick")}
    assert not opened(world).has_vouchers, "what is there already is spent first"
    world = other(tmp_path / "new", "tick", f'{STREAM}accept = ["payword", "tick"]\n')
    world.schemes = {name: registry.by_name(name) for name in ("payword", "tick")}
    stream = opened(world)
    assert stream.choice is not None
    assert (stream.choice.wish.scheme, stream.has_vouchers) == ("tick", True)


def test_a_wallet_whose_schemes_are_not_offered_at_first_names_them(tmp_path: Path) -> None:
    world = other(tmp_path, "payword")
    asked: list[str] = []
    handle = world.site.handle

    def shy(request: Request) -> Sent:
        names = dict(request.headers).get("accept-payment", "")
        asked.append(names)
        answer: Sent = handle(request)
        if isinstance(answer, Response) and answer.status == 402 and not names:
            hidden = tuple(
                (name, value.replace('method="payword"', 'method="millicent"'))
                for name, value in answer.headers
                if name != "payment-required"
            )
            return msgspec.structs.replace(answer, headers=hidden)
        return answer

    world.site.handle = shy
    stream = opened(world)
    assert pay(world, stream, 2) == 2 * PRICE_MICRO
    assert any(names.startswith("payword/") for names in asked)
