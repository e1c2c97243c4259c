"""What `wallet forget` takes out of the file, and what it must leave."""

from pathlib import Path

import apsw
import pytest

from farthing.errors import Busy, OutOfRange
from farthing.wallet.book import Book
from farthing.wallet.forgetting import DAYS_MIN, ROWS, Forgotten, forget
from tests.unit.wallet.world import World, purchase_on, settled

DAY_MS = 86_400_000
COPIES = 2 * ROWS + 7


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def forgotten(world: World, days: int = DAYS_MIN) -> Forgotten:
    return forget(world.store.file, days, world.now_s())


def pages(world: World) -> list[str]:
    return [entry.url.rpartition("/")[2] for entry in Book(world.store.file).history(9_999)]


def rows(world: World, table: str) -> int:
    with world.store.file.write() as db:
        return int(db.execute(f"SELECT COUNT(*) FROM {table}").get)  # noqa: S608 - our own text


def copy(world: World) -> None:
    """The oldest purchase, many times."""
    with world.store.file.write() as db:
        (oldest,) = db.execute("SELECT * FROM purchases ORDER BY rowid LIMIT 1").fetchall()
        marks = ", ".join("?" * len(oldest))
        db.executemany(
            f"INSERT INTO purchases VALUES ({marks})",  # noqa: S608 - as many as there are
            ((f"copy{number}", *oldest[1:]) for number in range(COPIES)),
        )


def test_what_ended_a_season_ago_goes_and_buying_goes_on(world: World) -> None:
    world.fetch("/old")
    world.now_ms += 2 * DAY_MS
    world.fetch("/new")
    assert rows(world, "asks") == 1
    world.now_ms += (DAYS_MIN - 1) * DAY_MS
    done = forgotten(world)
    assert (done.purchases, done.asks) == (1, 1)
    assert pages(world) == ["new"]
    world.fetch("/newer")
    assert pages(world) == ["newer", "new"]
    world.require_conserved()


def test_the_last_purchase_says_when_the_wallet_was_used(world: World) -> None:
    world.fetch("/old")
    world.fetch("/last")
    world.now_ms += 1_000 * DAY_MS
    assert forgotten(world).purchases == 1
    assert pages(world) == ["last"]


def test_what_is_open_stays_however_old(world: World) -> None:
    made = purchase_on(world, "/open")
    world.fetch("/last")
    world.now_ms += 1_000 * DAY_MS
    held_micro = world.held_micro()
    with world.store.file.write() as db:
        db.execute("UPDATE asks SET state='open'")
    for state in ("sent", "undecided"):
        with world.store.file.write() as db:
            db.execute("UPDATE purchases SET state=? WHERE id=?", (state, made.id))
        done = forgotten(world)
        assert (done.purchases, done.asks) == (0, 0)
    assert rows(world, "asks") > 0
    assert world.held_micro() == held_micro
    assert settled(world, made)
    assert forgotten(world).purchases == 1


def test_of_instruments_only_what_is_spent_and_expired_goes(world: World) -> None:
    """What is spent and lives is known when it comes in again; what is not spent is money."""
    world.fetch("/page")
    assert rows(world, "instruments") == 2
    assert forgotten(world).instruments == 0
    world.now_ms += 1_000 * DAY_MS
    held_micro = world.held_micro()
    assert held_micro
    assert forgotten(world).instruments == 1
    assert world.held_micro() == held_micro


def test_less_than_a_season_is_refused(world: World) -> None:
    world.fetch("/page")
    world.now_ms += 1_000 * DAY_MS
    with pytest.raises(OutOfRange, match="kept_too_short"):
        forgotten(world, DAYS_MIN - 1)
    assert pages(world) == ["page"]


def test_the_file_gets_smaller_and_progress_is_told(world: World) -> None:
    world.fetch("/old")
    copy(world)
    world.store.file.connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
    world.now_ms += 1_000 * DAY_MS
    world.fetch("/last")
    told: list[tuple[int, int]] = []
    done = forget(world.store.file, DAYS_MIN, world.now_s(), lambda *how: told.append(how))
    assert done.purchases == COPIES + 1
    assert 5 * done.after_bytes < done.before_bytes
    assert done.after_bytes == world.path.stat().st_size
    total = done.purchases + done.asks + done.instruments
    assert told[0] == (ROWS, total)
    assert told[-1] == (total, total)


def test_one_that_was_stopped_goes_on_with_the_next(world: World) -> None:
    world.fetch("/old")
    copy(world)
    world.now_ms += 1_000 * DAY_MS
    world.fetch("/last")

    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        forget(world.store.file, DAYS_MIN, world.now_s(), stop)
    assert rows(world, "purchases") == COPIES + 2 - ROWS
    world.reopen()
    assert forgotten(world).purchases == COPIES + 1 - ROWS
    assert pages(world) == ["last"]


def test_while_another_process_writes_nothing_is_taken_out(world: World) -> None:
    world.fetch("/old")
    world.fetch("/last")
    world.now_ms += 1_000 * DAY_MS
    world.store.file.connection.set_busy_timeout(0)
    other = apsw.Connection(str(world.path))
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(Busy, match="wallet_locked"):
        forgotten(world)
    other.execute("ROLLBACK")
    assert pages(world) == ["last", "old"]
    assert forgotten(world).purchases == 1
    other.close()
