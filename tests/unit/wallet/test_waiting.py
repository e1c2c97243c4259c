"""What waits for the next transaction: written with it, and as a program ends."""

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest

from farthing.errors import Broken
from farthing.wallet.commands import TakeOver
from farthing.wallet.endings import Endings
from farthing.wallet.waiting import WITHIN_S, in_a_moment
from tests.unit.wallet.world import World, never, purchase_on, settled

STATE = "SELECT state FROM purchases WHERE id=?"


def fail(*_: object, **__: object) -> NoReturn:
    raise Broken("wallet_not_written", "the wallet's disk is full")


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path, soon=never)


@pytest.fixture
def waiting(world: World) -> World:
    """How one purchase ended is still to be written."""
    assert settled(world, purchase_on(world), state="done")
    return world


def test_a_purchase_that_ended_and_has_come_is_one_change_of_its_row(world: World) -> None:
    made = purchase_on(world)
    assert settled(world, made, state="done")
    world.store.deliver(made)
    before = world.store.file.connection.total_changes()
    world.store.flush()
    assert world.store.file.connection.total_changes() - before == 2, "its instrument's is another"
    row = "SELECT state, delivered, owner FROM purchases WHERE id=?"
    assert world.store.file.rows(row, (made.id,)) == [("done", 1, 0)]


@pytest.mark.parametrize("state", ["released", "undecided"])
def test_only_what_was_paid_counts_as_delivered(world: World, state: str) -> None:
    made = purchase_on(world)
    assert settled(world, made, state=state, instruments=(made.paid.spent,))
    world.store.deliver(made)
    world.store.flush()
    row = "SELECT state, delivered FROM purchases WHERE id=?"
    assert world.store.file.rows(row, (made.id,)) == [(state, 0)]


def test_what_was_done_before_is_delivered_all_the_same(world: World) -> None:
    made = purchase_on(world)
    assert settled(world, made, state="done")
    assert settled(world, made, state="done")
    world.store.deliver(made)
    world.store.flush()
    row = "SELECT state, delivered FROM purchases WHERE id=?"
    assert world.store.file.rows(row, (made.id,)) == [("done", 1)]


def test_what_could_not_be_written_waits_on(world: World) -> None:
    made = purchase_on(world)
    assert settled(world, made, state="done")
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


def test_without_another_transaction_it_is_written_in_a_moment(tmp_path: Path) -> None:
    world = World(tmp_path, soon=in_a_moment)
    for _ in range(2):
        made = purchase_on(world)
        assert settled(world, made, state="done")
        assert world.store.file.rows(STATE, (made.id,)) == [("sent",)]
        until_s = time.monotonic() + 100 * WITHIN_S
        while world.store.file.rows(STATE, (made.id,)) != [("done",)]:
            assert time.monotonic() < until_s, "nobody has written it"
            time.sleep(WITHIN_S / 10)


@pytest.fixture
def asked() -> list[Callable[[], None]]:
    """What is to be written in a moment."""
    return []


@pytest.fixture
def slow(tmp_path: Path, asked: list[Callable[[], None]]) -> World:
    """Moments last until the test ends them."""
    return World(tmp_path, soon=asked.append)


def test_it_is_asked_for_once_until_it_is_written(
    slow: World, asked: list[Callable[[], None]]
) -> None:
    made = purchase_on(slow)
    assert settled(slow, made, state="done")
    assert settled(slow, made, state="done")
    (write,) = asked
    write()
    assert slow.store.file.rows(STATE, (made.id,)) == [("done",)]
    assert settled(slow, made, state="done")
    assert len(asked) == 2


def test_what_has_reached_the_payer_waits_for_its_next_command(
    slow: World, asked: list[Callable[[], None]]
) -> None:
    for made in (purchase_on(slow), purchase_on(slow)):
        assert settled(slow, made, state="done")
        slow.store.deliver(made)
    delivered = "SELECT state, delivered FROM purchases"
    asked.pop()()
    assert slow.store.file.rows(delivered) == [("done", 0)] * 2
    assert not asked
    slow.store.flush()
    assert slow.store.file.rows(delivered) == [("done", 1)] * 2


def test_a_moment_in_which_nothing_could_be_written_loses_nothing(
    slow: World, asked: list[Callable[[], None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = purchase_on(slow)
    assert settled(slow, made, state="done")
    slow.store.deliver(made)
    with monkeypatch.context() as patched:
        patched.setattr(Endings, "write", fail)
        with pytest.raises(Broken):
            asked.pop()()
    slow.store.flush()
    row = "SELECT state, delivered FROM purchases WHERE id=?"
    assert slow.store.file.rows(row, (made.id,)) == [("done", 1)]


def test_what_was_written_meanwhile_takes_no_transaction(
    slow: World, asked: list[Callable[[], None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert settled(slow, purchase_on(slow), state="done")
    slow.store.flush()
    monkeypatch.setattr(slow.store.file, "write", fail)
    asked.pop()()


def test_a_thread_that_cannot_write_it_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    timers, told = list[threading.Thread](), list[object]()
    start = threading.Thread.start

    def noted(timer: threading.Thread) -> None:
        timers.append(timer)
        start(timer)

    monkeypatch.setattr(threading.Thread, "start", noted)
    monkeypatch.setattr(threading, "excepthook", told.append)

    in_a_moment(fail)
    (timer,) = timers
    timer.join(100 * WITHIN_S)
    assert not timer.is_alive()
    assert not told


def test_where_no_thread_is_to_be_had_it_is_written_at_once(
    waiting: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    in_a_moment(waiting.store.flush)
    waiting.crash()
    assert waiting.store.do(TakeOver(now_s=waiting.now_s())) == ()


def test_what_is_let_go_has_ended_before(waiting: World) -> None:
    (row,) = waiting.store.file.rows("SELECT id FROM purchases")
    waiting.store.let_go(row)
    assert waiting.store.file.rows(STATE, row) == [("done",)]
