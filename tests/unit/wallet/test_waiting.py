"""What waits for the next transaction is written as a program ends."""

import os
from pathlib import Path

import pytest

from farthing.wallet.commands import TakeOver
from tests.unit.wallet.world import World, purchase_on, settled


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World(tmp_path)
    assert settled(world, purchase_on(world), state="done", later=True)
    return world


def test_the_end_of_a_program_writes_what_waits(world: World) -> None:
    world.store.waiting.at_end()
    world.crash()
    assert world.store.do(TakeOver(now_s=world.now_s())) == ()


def test_a_forked_child_leaves_the_file_to_its_parent(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(os, "getpid", lambda: -1)
        world.store.waiting.at_end()
    world.crash()
    assert len(world.store.do(TakeOver(now_s=world.now_s()))) == 1


def test_nobody_hears_of_a_file_that_is_closed_by_then(world: World) -> None:
    world.store.file.close()
    world.store.waiting.at_end()
