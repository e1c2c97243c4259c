"""What waits for the next transaction: written with it, and as a program ends."""

import os
from pathlib import Path

import pytest

from farthing.wallet.commands import TakeOver
from tests.unit.wallet.world import World, purchase_on, settled


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


@pytest.fixture
def waiting(world: World) -> World:
    """How one purchase ended is still to be written."""
    assert settled(world, purchase_on(world), state="done", later=True)
    return world


def test_a_purchase_that_ended_and_has_come_is_one_change_of_its_row(world: World) -> None:
    made = purchase_on(world)
    assert settled(world, made, state="done", later=True)
    world.store.deliver(made)
    before = world.store.file.connection.total_changes()
    world.store.flush()
    assert world.store.file.connection.total_changes() - before == 2, "its instrument's is another"
    row = "SELECT state, delivered, owner FROM purchases WHERE id=?"
    assert world.store.file.rows(row, (made.id,)) == [("done", 1, 0)]


@pytest.mark.parametrize("state", ["released", "undecided"])
def test_only_what_was_paid_counts_as_delivered(world: World, state: str) -> None:
    made = purchase_on(world)
    assert settled(world, made, state=state, instruments=(made.paid.spent,), later=True)
    world.store.deliver(made)
    world.store.flush()
    row = "SELECT state, delivered FROM purchases WHERE id=?"
    assert world.store.file.rows(row, (made.id,)) == [(state, 0)]


def test_what_was_done_before_is_delivered_all_the_same(world: World) -> None:
    made = purchase_on(world)
    assert settled(world, made, state="done")
    assert settled(world, made, state="done", later=True)
    world.store.deliver(made)
    world.store.flush()
    row = "SELECT state, delivered FROM purchases WHERE id=?"
    assert world.store.file.rows(row, (made.id,)) == [("done", 1)]


def test_what_could_not_be_written_waits_on(world: World) -> None:
    made = purchase_on(world)
    assert settled(world, made, state="done", later=True)
    world.store.deliver(made)
    with pytest.raises(ZeroDivisionError), world.store.waiting.transaction():
        raise ZeroDivisionError
    world.store.flush()
    row = "SELECT state, delivered FROM purchases WHERE id=?"
    assert world.store.file.rows(row, (made.id,)) == [("done", 1)]


def test_the_end_of_a_program_writes_what_waits(waiting: World) -> None:
    waiting.store.waiting.at_end()
    waiting.crash()
    assert waiting.store.do(TakeOver(now_s=waiting.now_s())) == ()


def test_a_forked_child_leaves_the_file_to_its_parent(
    waiting: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(os, "getpid", lambda: -1)
        waiting.store.waiting.at_end()
    waiting.crash()
    assert len(waiting.store.do(TakeOver(now_s=waiting.now_s()))) == 1


def test_nobody_hears_of_a_file_that_is_closed_by_then(waiting: World) -> None:
    waiting.store.file.close()
    waiting.store.waiting.at_end()
