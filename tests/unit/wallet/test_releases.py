"""Second halves in the wallet's file: one a purchase, leased, and over for good."""

from collections.abc import Iterator

import pytest

from farthing.lab.conformance.stage import Play, Stage
from farthing.wallet.commands import FinishRelease, Purchase, Release, Settle, TakeRelease
from farthing.wallet.rows import LEASE_S

HALF = {"index": 2}


@pytest.fixture
def stage() -> Iterator[Stage]:
    with Play("fairchain", "releases").stage() as opened:
        yield opened


def bought(stage: Stage) -> Purchase:
    """A purchase that is done, and has its second half still to be sent."""
    made = stage.buy().purchase
    assert made is not None
    with stage.payer.store.file.write() as db:
        db.execute("DELETE FROM asks WHERE operation = 'release'")
        db.execute("UPDATE purchases SET state = 'sent' WHERE id = ?", (made.id,))
    settle = Settle(purchase=made, state="done", release=HALF, now_s=stage.room.now_s)
    assert stage.payer.store.do(settle)
    return made


def take(stage: Stage, made: Purchase) -> Release | None:
    found: Release | None = stage.payer.store.do(TakeRelease(purchase=made, now_s=stage.room.now_s))
    return found


def abandoned(stage: Stage) -> tuple[Release, ...]:
    with stage.payer.store.file.write():
        return stage.payer.store._releases.abandoned(stage.room.now_s)


def test_it_is_written_as_its_purchase_is_done_and_taken_until_it_is_over(stage: Stage) -> None:
    made = bought(stage)
    release = take(stage, made)
    assert release is not None
    assert (release.payload, release.purchase.id) == (HALF, made.id)
    assert release.purchase.paid.payload is None
    assert take(stage, made) == release
    stage.payer.store.do(FinishRelease(release=release))
    assert take(stage, made) is None


def test_it_is_written_once_however_often_its_purchase_is_settled(stage: Stage) -> None:
    made = bought(stage)
    again = Settle(purchase=made, state="done", release={"index": 4}, now_s=stage.room.now_s)
    stage.payer.store.do(again)
    release = take(stage, made)
    assert release is not None
    assert release.payload == HALF


def test_nobody_else_finds_it_while_its_process_lives(stage: Stage) -> None:
    made = bought(stage)
    assert abandoned(stage) == ()
    stage.room.later(LEASE_S)
    assert [one.purchase.id for one in abandoned(stage)] == [made.id]
    assert abandoned(stage) == ()


def test_a_process_that_died_leaves_it_to_the_next(stage: Stage) -> None:
    made = bought(stage)
    stage.payer.restart()
    assert [one.purchase.id for one in abandoned(stage)] == [made.id]


def test_it_is_no_ask_to_a_mint(stage: Stage) -> None:
    bought(stage)
    stage.payer.restart()
    with stage.payer.store.file.write():
        _, asks, releases = stage.payer.store._abandoned(stage.room.now_s)
    assert (asks, len(releases)) == ((), 1)


def test_its_words_are_sealed(stage: Stage) -> None:
    made = bought(stage)
    assert "index" not in repr(take(stage, made))
    with stage.payer.store.file.write():
        stored = stage.payer.store.file.rows("SELECT sealed FROM asks")
    assert all(b"index" not in sealed for (sealed,) in stored)
