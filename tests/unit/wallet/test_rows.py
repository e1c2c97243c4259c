import os
from pathlib import Path

import pytest

from farthing.errors import Broken
from farthing.wallet.commands import Ask
from farthing.wallet.rows import LEASE_S, OPEN, Rows
from tests.unit.wallet.world import DEAD_PROCESS, World, purchase_on


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


@pytest.mark.parametrize(
    ("owner", "age_s", "held"),
    [
        (os.getpid(), 0, True),
        (os.getpid(), LEASE_S - 1, True),
        (os.getpid(), LEASE_S, False),
        (os.getpid(), -1, False),
        (1, 0, True),
        (DEAD_PROCESS, 0, False),
        (0, 0, False),
    ],
    ids=[
        "ours",
        "ours, almost over",
        "over",
        "clock was ahead",
        "another that runs",
        "dead",
        "let go",
    ],
)
def test_a_lease_ends_with_its_time_or_its_process(
    world: World, owner: int, age_s: int, *, held: bool
) -> None:
    rows = Rows(world.store.file)
    assert rows.is_held(owner, 1_000 + LEASE_S, 1_000 + age_s) is held


def test_an_abandoned_row_is_taken_over_by_one_only(world: World) -> None:
    made = purchase_on(world)
    world.store.let_go((made.id,))
    rows = Rows(world.store.file)
    with world.store.file.write():
        first = rows.take_over(type(made), "purchases", world.now_s(), OPEN["purchases"])
        second = rows.take_over(type(made), "purchases", world.now_s(), OPEN["purchases"])
    assert [each.id for each in first] == [made.id]
    assert second == []


def test_a_request_made_again_takes_its_purchase_from_who_only_enquires(world: World) -> None:
    made = purchase_on(world)
    world.store.let_go((made.id,))
    rows = Rows(world.store.file)
    with world.store.file.write():
        assert rows.take_over(type(made), "purchases", world.now_s(), OPEN["purchases"])
    fetched = world.fetch("/a")
    assert fetched.purchase is not None
    assert fetched.purchase.id == made.id
    assert world.site.charges == [("/a", 200)]


def test_a_row_moved_under_another_id_does_not_open(world: World) -> None:
    made = purchase_on(world)
    rows = Rows(world.store.file)
    sealed = rows.seal(made, "purchases", made.id)
    assert rows.unseal(type(made), "purchases", made.id, sealed) == made
    with pytest.raises(Broken, match="wallet_file_damaged"):
        rows.unseal(Ask, "asks", made.id, sealed)


def test_a_spent_instrument_never_comes_back(world: World) -> None:
    made = purchase_on(world)
    spent = made.paid.spent
    rows = Rows(world.store.file)
    with world.store.file.write():
        rows.mark("spent", "", made.broker_id, made.scheme, spent.id)
        rows.put_instrument(made.broker_id, made.site, spent)
    assert world.held_micro() == 0
