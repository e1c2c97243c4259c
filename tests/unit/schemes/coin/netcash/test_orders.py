"""What payers say to the broker about coins."""

import msgspec
import pytest

from farthing.errors import Malformed, Mismatch, OutOfRange, Refusal, Replayed
from farthing.schemes.coin.netcash.coin import COIN_MICRO_MAX
from farthing.schemes.coin.netcash.orders import (
    COINS_MAX,
    ORDERS,
    RETURNS,
    Want,
    has_coins,
    holding_statement,
)
from farthing.schemes.contract import Json
from tests.kit.netcash import COIN_MICRO, Scene, coin_of, order, returning, want
from tests.kit.parties import BROKER

KEY = "A" * 43


def test_an_order_with_coins_pays_for_itself() -> None:
    scene = Scene()
    assert scene.whole is not None
    assert has_coins(order([want(COIN_MICRO)], scene.whole))
    without: tuple[Json, ...] = (order([want(1)]), {"coins": []}, [], None)
    assert not any(has_coins(each) for each in without)


@pytest.mark.parametrize("worth_micro", [COIN_MICRO - 1, COIN_MICRO + 1])
def test_an_exchange_conserves_worth(worth_micro: int) -> None:
    scene = Scene()
    assert scene.whole is not None
    ORDERS.convert(order([want(COIN_MICRO - 1), want(1)], scene.whole))
    with pytest.raises(Mismatch, match="exchange_changes_worth"):
        ORDERS.convert(order([want(worth_micro)], scene.whole))


def test_a_coin_counts_once_in_a_message() -> None:
    scene = Scene()
    assert scene.whole is not None
    for message, reader in (
        (order([want(2 * COIN_MICRO)], scene.whole, scene.whole), ORDERS),
        (returning(scene.whole, scene.whole), RETURNS),
    ):
        with pytest.raises(Replayed, match="coin_shown_twice"):
            reader.convert(message)


@pytest.mark.parametrize(
    "message",
    [
        {},
        order([]),
        order([want(1)] * (COINS_MAX + 1)),
        order([want(0)]),
        order([want(COIN_MICRO_MAX + 1)]),
        order([want(1, vendor="news")]),
        order([want(1, payer=KEY)]),
        order([want(1, vendor="No Name", payer=KEY)]),
        order([want(1)]) | {"broker": ""},
        order([want(1)]) | {"more": 1},
    ],
)
def test_an_order_that_is_not_in_order_is_refused(message: dict[str, object]) -> None:
    with pytest.raises((Malformed, OutOfRange)):
        ORDERS.convert(message)


def test_as_many_coins_as_a_purse_holds_and_no_more() -> None:
    scene = Scene(0)
    coins = [scene.buy(1) for _ in range(COINS_MAX + 1)]
    ORDERS.convert(order([want(COINS_MAX)], *coins[:-1]))
    RETURNS.convert(returning(*coins[:-1]))
    for reader, message in ((ORDERS, order([want(17)], *coins)), (RETURNS, returning(*coins))):
        with pytest.raises(Refusal, match="coins_out_of_range"):
            reader.convert(message)


def test_nothing_is_returned_by_returning_nothing() -> None:
    with pytest.raises(Refusal, match="coins_missing"):
        RETURNS.convert(returning())


def test_a_payer_signs_for_one_purpose() -> None:
    coin = coin_of(Scene().bound())
    wants = (Want(payer="", vendor="", worth_micro=200),)
    said = {
        holding_statement(coin, BROKER, ()),
        holding_statement(coin, BROKER, wants),
        holding_statement(coin, "another", ()),
        holding_statement(msgspec.structs.replace(coin, serial="A" * 22), BROKER, ()),
    }
    assert len(said) == 4
