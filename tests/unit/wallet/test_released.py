"""What was taken as released is asked about until nobody can take it any more."""

from pathlib import Path

import msgspec
import pytest

from farthing.wallet import released as rules
from farthing.wallet.book import Book
from farthing.wallet.commands import Purchase, RecallReleased, Settle
from farthing.wallet.policy import DAY_S
from tests.unit.wallet.world import World, purchase_on


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def released(world: World, made: Purchase, days: int = 0) -> bool:
    """As its vendor says so many days after it was made."""
    said_at_s = made.created_at_s + days * DAY_S
    command = Settle(
        purchase=made, state="released", instruments=(made.paid.spent,), now_s=said_at_s
    )
    return bool(world.store.do(command))


def in_doubt(world: World, made: Purchase, days: int) -> bool:
    found: tuple[Purchase, ...] = world.store.do(
        RecallReleased(now_s=made.created_at_s + days * DAY_S)
    )
    return made in found


def test_released_purchases_of_one_instrument_are_recalled(world: World) -> None:
    first = purchase_on(world, "/a")
    released(world, first)
    second = purchase_on(world, "/b")
    assert world.store.do(RecallReleased(purchase=second)) == (first,)
    assert world.store.do(RecallReleased(purchase=first)) == ()


def test_what_nobody_asked_about_again_stays_in_doubt_for_a_month(world: World) -> None:
    made = purchase_on(world)
    assert not in_doubt(world, made, 0)
    assert released(world, made)
    assert [in_doubt(world, made, days) for days in (0, 4, 29, 30)] == [True, True, True, False]


def test_a_word_that_came_late_enough_is_the_last(world: World) -> None:
    made = purchase_on(world)
    released(world, made)
    assert not released(world, made, 3)
    assert in_doubt(world, made, 3)
    released(world, made, 4)
    assert not in_doubt(world, made, 4)


def test_where_there_are_more_than_one_recovery_asks_about_all_have_their_turn(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rules, "ASKED_MAX", 2)
    doubtful = [purchase_on(world, f"/{number}") for number in range(4)]
    for made in doubtful:
        released(world, made)
    asked: set[str] = set()
    for days in (1, 2):
        recalled = world.store.do(RecallReleased(now_s=doubtful[0].created_at_s + days * DAY_S))
        assert len(recalled) == 2
        for made in recalled:
            released(world, made, days)
            asked.add(made.id)
    assert asked == {made.id for made in doubtful}


def test_a_payment_under_a_seal_has_no_offer_that_ends_before_its_instrument(world: World) -> None:
    made = purchase_on(world)
    released(world, made)
    rows = world.store._rows
    sealed = msgspec.structs.replace(
        made, received=msgspec.structs.replace(made.received, dialect="private")
    )
    with rows.file.write() as db:
        db.execute("UPDATE purchases SET sealed=?", (rows.seal(sealed, "purchases", made.id),))
    released(world, made, 20)
    assert in_doubt(world, sealed, 20)


def test_what_is_left_of_an_instrument_that_another_purchase_has_is_known(world: World) -> None:
    first = purchase_on(world, "/a")
    released(world, first)
    second = purchase_on(world, "/b")
    left = msgspec.structs.replace(first.paid.spent, body=b"further", worth_micro=1_800)
    done = Settle(purchase=first, state="done", instruments=(left,), now_s=world.now_s())
    assert world.store.do(done)
    assert world.held_micro("offered") == 1_800
    refused = Settle(
        purchase=second,
        state="released",
        aside=True,
        instruments=(second.paid.spent,),
        now_s=world.now_s(),
    )
    assert world.store.do(refused)
    (held,) = Book(world.store.file).held()
    assert held.instrument == left
    assert world.held_micro("ready") == 1_800, "what was refused is not what is left"
