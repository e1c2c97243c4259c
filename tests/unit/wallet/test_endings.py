"""What the end of a purchase does to its row and to its instrument, and how often."""

from pathlib import Path

import msgspec
import pytest

from farthing.schemes.contract import Instrument, Paid
from farthing.wallet.commands import TakeOver
from farthing.wallet.rows import Rows
from tests.unit.wallet.world import World, never, purchase_on, settled


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_settling_twice_changes_nothing(world: World) -> None:
    made = purchase_on(world)
    assert settled(world, made, state="done", instruments=())
    assert not settled(world, made, state="released", instruments=(made.paid.spent,))
    assert settled(world, made, state="done", instruments=(made.paid.spent,)), "whatever it was"
    assert world.held_micro() == 0


def test_a_released_purchase_may_still_turn_out_done(world: World) -> None:
    made = purchase_on(world)
    change = msgspec.structs.replace(made.paid.spent, id="mc:change", worth_micro=1_800)
    assert settled(world, made, instruments=(made.paid.spent,))
    assert world.held_micro("ready") == 2_000
    assert settled(world, made, state="done", instruments=(change,))
    assert world.held_micro("ready") == 1_800


def test_an_instrument_that_another_purchase_has_is_left_to_it(world: World) -> None:
    first = purchase_on(world, "/a")
    settled(world, first, instruments=(first.paid.spent,))
    second = purchase_on(world, "/b")
    change = msgspec.structs.replace(first.paid.spent, id="mc:change", worth_micro=1_800)
    settled(world, first, instruments=(first.paid.spent,))
    assert world.held_micro("offered") == 2_000
    settled(world, first, state="done", instruments=(change,))
    assert world.held_micro() == world.held_micro("ready") == 1_800, "it is spent, whoever has it"
    for aside in (False, True):
        settled(world, second, aside=aside, instruments=(second.paid.spent,))
        assert world.held_micro() == world.held_micro("ready") == 1_800


def test_what_a_payment_has_opened_stays_opened_though_nothing_was_charged(world: World) -> None:
    """Else the same is opened for another vendor, who is not paid for it."""
    made = purchase_on(world)
    spent = made.paid.spent
    opened = msgspec.structs.replace(spent, body=b'{"opened":1}')
    settled(world, made, instruments=(opened,))
    place = (made.broker_id, spent.scheme, spent.id)
    assert Rows(world.store.file).body_of(*place) == opened.body
    assert world.held_micro("ready") == spent.worth_micro


@pytest.mark.parametrize("remains", [True, False])
@pytest.mark.parametrize("was_released", [True, False])
def test_what_is_done_is_merged_with_what_came_since(
    world: World, *, was_released: bool, remains: bool
) -> None:
    made = purchase_on(world)
    spent, after = made.paid.spent, msgspec.structs.replace(made.paid.spent, body=b"then")
    changed = msgspec.structs.replace(spent, body=b"changed", worth_micro=1_900)
    place = (made.broker_id, spent.scheme, spent.id)
    rows = Rows(world.store.file)
    if was_released:
        settled(world, made, instruments=(spent,))
    with world.store.file.write():  # as the end of another payment with it does
        rows.rewrite(made.broker_id, changed)
        if was_released:
            rows.put_instrument(made.broker_id, made.site, changed)
    merged = msgspec.structs.replace(spent, body=b"by now", worth_micro=1_700)
    seen: list[tuple[Instrument, Paid, Instrument | None]] = []

    def merge(current: Instrument, paid: Paid, left: Instrument | None) -> Instrument | None:
        seen.append((current, paid, left))
        return merged if remains else None

    settled(world, made, state="done", instruments=(after,), merge=merge)
    assert seen == [(changed, made.paid, after)]
    assert Rows(world.store.file).find_instrument(*place) == (merged if remains else None)


def test_what_has_not_changed_since_is_not_merged(world: World) -> None:
    made = purchase_on(world)
    after = msgspec.structs.replace(made.paid.spent, body=b"then")

    def merge(current: Instrument, paid: Paid, left: Instrument | None) -> Instrument | None:
        raise AssertionError("there is nothing to merge with")

    assert settled(world, made, state="done", instruments=(after,), merge=merge)
    place = (made.broker_id, after.scheme, after.id)
    assert Rows(world.store.file).find_instrument(*place) == after


def test_what_was_not_written_yet_is_in_doubt_after_a_crash_and_kept_by_a_flush(
    tmp_path: Path,
) -> None:
    world = World(tmp_path, soon=never)
    made = purchase_on(world)
    assert settled(world, made, state="done")
    world.crash()
    assert [each.id for each in world.store.do(TakeOver(now_s=world.now_s()))] == [made.id]
    assert settled(world, made, state="done")
    world.store.flush()
    world.crash()
    assert world.store.do(TakeOver(now_s=world.now_s())) == ()
