"""A wallet that was loaded with broker scrip: what it says of its account, and what a kill leaves.

Real gate, real mints, no sockets; see `test_conversations.py`.
"""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from farthing.errors import Replayed, Unfunded
from farthing.wallet.book import Book, Held
from farthing.wallet.commands import Ask, AskMint, Refused
from farthing.wallet.errand import give_back, load_float
from farthing.wallet.fetching import fetch
from farthing.wallet.flow import recover
from farthing.wallet.settling import Verdict
from tests.unit.wallet.farside import BROKER, VENDOR
from tests.unit.wallet.gate_town import (
    PRICE_MICRO,
    STEPS_MAX,
    require_conserved,
    town,
)
from tests.unit.wallet.world import World, get

FLOAT_MICRO = 5_000


def loaded(folder: Path, *, micro: int = FLOAT_MICRO) -> World:
    world = town(folder, "millicent")
    world.floats = {BROKER: micro}
    assert world.run(load_float(world.guide(), BROKER, micro)) == micro
    return world


def own(world: World) -> list[Held]:
    return [each for each in Book(world.store.file).held() if each.instrument.vendor_id == BROKER]


def test_what_names_the_account_names_no_vendor_and_back(tmp_path: Path) -> None:
    world = loaded(tmp_path)
    for number in range(60):  # the float runs out three times
        assert world.fetch(f"/{number}").verdict is Verdict.DONE
    require_conserved(world, "millicent")
    for ask in world.bank.asked:
        assert ask.asked.bearer is (ask.vendor_id == VENDOR)
    assert {ask.vendor_id for ask in world.bank.asked} == {VENDOR, BROKER}
    assert world.bank.sold_micro % FLOAT_MICRO == 0


def test_a_new_order_has_a_new_pseudonym_at_the_vendor(tmp_path: Path) -> None:
    world = loaded(tmp_path)
    pages = [world.fetch(f"/{number}").purchase for number in range(25)]
    payers = {page.paid.payload["scrip"]["payer"] for page in pages if page is not None}
    assert len(payers) == 3


def test_the_float_is_bought_again_where_it_runs_out_or_what_the_account_has(
    tmp_path: Path,
) -> None:
    world = loaded(tmp_path)
    handle = world.bank.handle

    def poor(ask: Ask) -> object:
        if ask.vendor_id == BROKER and ask.amount_micro > 1_000:
            return Refused(refusal=Unfunded("balance_too_low"), retry="new")
        return handle(ask)

    world.bank.handle = poor
    for number in range(30):
        assert world.fetch(f"/{number}").verdict is Verdict.DONE
    assert world.bank.sold_micro < 2 * FLOAT_MICRO
    require_conserved(world, "millicent")


@pytest.mark.parametrize("fault", ["", "reply_lost"])
def test_killed_at_any_command_the_float_is_neither_lost_nor_frozen(
    tmp_path: Path, fault: str
) -> None:
    for count in range(1, STEPS_MAX):
        world = loaded(tmp_path / str(count))
        world.bank.faults = [fault] * 2
        if not world.run_until(fetch(world.guide(), get("/a")), count):
            return
        world.bank.faults = []
        world.crash()
        assert world.fetch("/a").verdict is Verdict.DONE, count
        assert world.site.earned_micro() == PRICE_MICRO, count
        world.run(recover(world.guide()))
        require_conserved(world, "millicent")
        assert world.held_micro("offered") == 0, count
        assert world.held_micro("aside") == 0, count
        assert world.bank.sold_micro == FLOAT_MICRO, count
    pytest.fail("the flow does not end")


def test_an_order_left_by_a_kill_does_not_keep_the_float_from_other_vendors(tmp_path: Path) -> None:
    world = loaded(tmp_path)
    flow = fetch(world.guide(), get("/a"))
    command = next(flow)
    while not isinstance(command, AskMint):
        command = flow.send(world.answer(command))
    flow.close()
    world.crash()
    assert own(world) == []  # it is offered with the order
    assert world.fetch("/b").verdict is Verdict.DONE
    assert world.bank.sold_micro == FLOAT_MICRO


def test_a_refused_order_leaves_the_float_as_it_was(tmp_path: Path) -> None:
    world = loaded(tmp_path)
    handle = world.bank.handle
    world.bank.handle = lambda ask: Refused(refusal=Unfunded("licence_used_up"), retry="new")
    with pytest.raises(Unfunded):
        world.fetch("/a")
    assert world.held_micro("ready") == FLOAT_MICRO
    world.bank.handle = lambda ask: Refused(refusal=Replayed("serial_already_used"), retry="never")
    with pytest.raises(Replayed):
        world.fetch("/a")
    assert world.held_micro("aside") == FLOAT_MICRO
    world.bank.handle = handle
    assert world.fetch("/a").verdict is Verdict.DONE


def test_several_pages_at_once_do_not_spend_a_piece_twice(tmp_path: Path) -> None:
    world = loaded(tmp_path, micro=50_000)
    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(lambda number: world.fetch(f"/{number}").verdict, range(12)))
    assert done == [Verdict.DONE] * 12
    require_conserved(world, "millicent")
    assert world.held_micro("aside", "offered") == 0


def test_all_goes_back_to_money_by_way_of_the_float(tmp_path: Path) -> None:
    for count in range(1, STEPS_MAX):
        world = loaded(tmp_path / str(count))
        world.fetch("/a")
        (piece,) = [each for each in Book(world.store.file).held() if each not in own(world)]
        flow = give_back(world.guide(), BROKER, piece.site, piece.instrument)
        ended = not world.run_until(flow, count)
        world.crash()
        world.run(recover(world.guide()))
        require_conserved(world, "millicent")
        assert world.held_micro("offered") == 0, count
        if ended:
            assert world.bank.credited_micro == 0
            assert all(ask.asked.bearer for ask in world.bank.asked if ask.vendor_id == VENDOR)
            for each in own(world):
                assert world.run(give_back(world.guide(), BROKER, "", each.instrument))
            assert world.bank.credited_micro == FLOAT_MICRO - PRICE_MICRO
            assert world.held_micro() == 0
            return
    pytest.fail("the errand does not end")


def test_a_load_killed_at_any_command_is_finished_by_the_next(tmp_path: Path) -> None:
    for count in range(1, STEPS_MAX):
        world = town(tmp_path / str(count), "millicent")
        if not world.run_until(load_float(world.guide(), BROKER, FLOAT_MICRO), count):
            return
        world.crash()
        was_asked = world.bank.sold_micro
        came_micro = world.run(load_float(world.guide(), BROKER, FLOAT_MICRO))
        assert came_micro == FLOAT_MICRO, count
        assert world.bank.sold_micro == world.held_micro("ready"), count
        assert world.bank.sold_micro <= was_asked + FLOAT_MICRO, count
    pytest.fail("the errand does not end")


def test_another_amount_after_a_kill_brings_both(tmp_path: Path) -> None:
    world = town(tmp_path, "millicent")
    flow = load_float(world.guide(), BROKER, FLOAT_MICRO)
    command = next(flow)
    while not isinstance(command, AskMint):
        command = flow.send(world.answer(command))
    flow.close()
    world.crash()
    assert world.run(load_float(world.guide(), BROKER, 7_000)) == FLOAT_MICRO + 7_000
    assert world.held_micro("ready") == FLOAT_MICRO + 7_000
