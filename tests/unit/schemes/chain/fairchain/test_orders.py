"""Messages to the broker: one reader an operation, and nothing out of range gets in."""

import pytest

from farthing.errors import Malformed, OutOfRange, Unfit
from farthing.schemes.chain.fairchain.orders import (
    WANTS_MAX,
    Closing,
    Collecting,
    Giving,
    Granting,
    Opening,
    Order,
    Waiver,
    read_issue,
    read_redeem,
    read_take_back,
)
from farthing.schemes.chain.fairchain.ticket import ESCROW_MICRO_MAX, UNITS_MAX

NAME = "n_" + "ab" * 12


def test_each_message_is_told_by_what_is_in_it() -> None:
    assert read_issue({"amountMicro": 5}) == Opening(amount_micro=5)
    order = {"escrow": NAME, "wants": [["news", 200, 10]]}
    assert read_issue(order) == Order(escrow=NAME, wants=(("news", 200, 10),))
    assert read_redeem({"waived": "id"}) == Waiver(waived="id")
    assert read_take_back({"escrow": NAME}) == Closing(escrow=NAME)
    assert read_take_back({"ticket": "id"}) == Collecting(ticket="id")
    given = {"index": 2, "released": "id", "word": "w"}
    assert read_take_back(given) == Giving(index=2, released="id", word="w")


@pytest.mark.parametrize(
    "message",
    [
        {"amountMicro": 0},
        {"amountMicro": ESCROW_MICRO_MAX + 1},
        {"escrow": NAME, "wants": []},
        {"escrow": NAME, "wants": [["news", 1, 1]] * (WANTS_MAX + 1)},
        {"escrow": NAME, "wants": [["news", 0, 1]]},
        {"escrow": NAME, "wants": [["news", 1, 0]]},
        {"escrow": NAME, "wants": [["news", 1, UNITS_MAX + 1]]},
        {"escrow": NAME, "wants": [["No Name", 1, 1]]},
        {"escrow": "n_", "wants": [["news", 1, 1]]},
    ],
)
def test_what_is_out_of_range_is_refused(message: object) -> None:
    with pytest.raises((Unfit, OutOfRange)):
        read_issue(message)


def test_an_order_is_worth_all_its_tickets() -> None:
    order = Order(escrow=NAME, wants=(("news", 200, 10), ("daily", 50, 4)))
    assert order.worth_micro == 2_200


@pytest.mark.parametrize("read", [read_issue, read_redeem, read_take_back])
@pytest.mark.parametrize("message", [None, [], 5, {}, {"more": 1}])
def test_what_is_no_message_is_malformed(read: object, message: object) -> None:
    assert callable(read)
    with pytest.raises(Malformed):
        read(message)


def test_reprs_show_no_word_and_no_key() -> None:
    assert repr(Giving(index=2, released="id", word="secret")) == "Giving(2)"
    assert repr(Granting(key="secret")) == "Granting()"
