"""What a wallet's file says of stocks; `test_stocking.py` fills them."""

from pathlib import Path

import msgspec
import pytest

from farthing.wallet.policy import DAY_S
from farthing.wallet.rows import LEASE_S
from farthing.wallet.stocks import Stock, Stocks
from tests.unit.wallet.world import World

STOCK = Stock(broker_id="b", scheme="millicent", level_micro=5)
NOW_S = 1_795_000_000


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_a_level_is_kept_changed_and_ended(world: World) -> None:
    stocks = Stocks(world.store.file)
    assert stocks.listed() == ()
    stocks.put(STOCK)
    other = msgspec.structs.replace(STOCK, scheme="payword")
    stocks.put(other)
    stocks.put(msgspec.structs.replace(STOCK, level_micro=9))
    assert [one.level_micro for one in stocks.listed()] == [9, 5]
    stocks.put(msgspec.structs.replace(STOCK, level_micro=0))
    assert stocks.listed() == (other,)


def test_the_stocks_of_a_scheme_end_together(world: World) -> None:
    stocks = Stocks(world.store.file)
    other = msgspec.structs.replace(STOCK, scheme="payword")
    for each in (STOCK, other, msgspec.structs.replace(STOCK, broker_id="c")):
        stocks.put(each)
    stocks.end("millicent")
    assert stocks.listed() == (other,)
    stocks.end("millicent")
    stocks.end("")
    assert stocks.listed() == ()


def test_a_change_keeps_the_level_that_was_set_meanwhile(world: World) -> None:
    stocks = Stocks(world.store.file)
    stocks.put(msgspec.structs.replace(STOCK, level_micro=9))
    assert stocks.change(STOCK, due_at_s=7) == msgspec.structs.replace(
        STOCK, level_micro=9, due_at_s=7
    )
    stocks.put(msgspec.structs.replace(STOCK, level_micro=0))
    stocks.change(STOCK, due_at_s=8)
    assert stocks.listed() == ()


def test_one_process_at_a_time_fills_it_and_a_dead_one_does_not_block_for_long(
    world: World,
) -> None:
    stocks = Stocks(world.store.file)
    assert stocks.take(STOCK, NOW_S) is None, "there is no such stock"
    stocks.put(STOCK)
    assert stocks.take(STOCK, NOW_S) is not None
    assert stocks.take(STOCK, NOW_S + LEASE_S - 1) is None
    assert stocks.take(STOCK, NOW_S + LEASE_S) is not None
    stocks.change(STOCK, busy_until_s=0)
    assert stocks.take(STOCK, NOW_S) is not None


def test_what_was_bought_counts_on_its_day() -> None:
    bought = msgspec.structs.replace(STOCK, day=NOW_S // DAY_S, bought_micro=3)
    assert (bought.bought_on(NOW_S), bought.bought_on(NOW_S + DAY_S)) == (3, 0)


def test_only_what_any_vendor_takes_and_does_not_end_today_is_a_stock(world: World) -> None:
    world.fetch("/a")
    stocks = Stocks(world.store.file)
    sums = "SELECT broker, scheme, SUM(worth_micro) FROM instruments WHERE state<>'spent'"
    (held,) = world.store.file.rows(sums)
    mine = msgspec.structs.replace(STOCK, broker_id=held[0], scheme=held[1])
    assert stocks.held_micro(mine, NOW_S) == 0, "scrip of one vendor"
    with world.store.file.write() as db:
        db.execute("UPDATE instruments SET vendor='', expires_at_s=?", (NOW_S + DAY_S,))
    assert stocks.held_micro(mine, NOW_S - 1) == held[2]
    assert stocks.held_micro(mine, NOW_S) == 0
    assert stocks.last_paid_s() > 0
