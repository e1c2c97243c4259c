"""A plan at the whole gate, in each dialect: bought, shown, repeated, stolen, failed, ended."""

import msgspec
import pytest

from farthing import marks
from farthing.schemes.contract import Accepted, Dialect, Instrument
from farthing.schemes.mac.millicent.scrip import SKEW_S
from farthing.vendor.booking import OUTCOME_KEPT_S_MIN
from farthing.wire import mpp, x402
from farthing.wire.offers import Receipt
from tests.kit.parties import DAY_S
from tests.kit.shop import (
    DIALECTS,
    PAGE,
    PATH,
    Buyer,
    Payment,
    Shop,
    code_of,
    is_released,
    receipt_in,
    received_in,
    status,
)

PLAN_MICRO = 900
PRICES = f"""accept = ["millicent"]
[[route]]
path = "/subscribe"
price = "{PLAN_MICRO}u"
subscription.plan = "month"
subscription.days = 30
subscription.paths = ["/articles/*"]
[[route]]
path = "/articles/*"
price = "0.02c"
"""
dialects = pytest.mark.parametrize("dialect", [one for one in DIALECTS if one != "private"])


def receipt_of(shop: Shop, payment: Payment, path: str = PATH) -> Receipt:
    answer = shop.get(payment.header, path=path)
    assert answer.status == 200, code_of(answer)
    receipt = receipt_in(answer)
    assert receipt is not None
    return receipt


def subscribed(buyer: Buyer, dialect: Dialect) -> Instrument:
    payment = buyer.pay(dialect, path="/subscribe")
    receipt = receipt_of(buyer.shop, payment, "/subscribe")
    assert receipt.amount_micro == PLAN_MICRO
    accepted = Accepted(change=receipt.change)
    return buyer.purse.conclude(payment.paid, accepted, buyer.shop.clock.at()).instruments[0]


@dialects
def test_pages_of_a_plan_are_served_with_receipts_over_nothing(dialect: Dialect) -> None:
    shop = Shop(PRICES)
    buyer = Buyer(shop, "millicent")
    piece = subscribed(buyer, dialect)
    for _ in range(3):
        receipt = receipt_of(shop, buyer.pay(dialect, instrument=piece))
        assert (receipt.amount_micro, receipt.change) == (0, None)
    assert shop.earned_micro() == PLAN_MICRO


@dialects
def test_the_same_request_twice_is_one_and_under_another_challenge_it_is_none(
    dialect: Dialect,
) -> None:
    shop = Shop(PRICES)
    buyer = Buyer(shop, "millicent")
    payment = buyer.pay(dialect, instrument=subscribed(buyer, dialect))
    first = receipt_of(shop, payment)
    assert receipt_of(shop, payment) == first
    offered = next(r for r in received_in(shop.get(), dialect) if r.offer.scheme == "millicent")
    header = (
        mpp.authorization(offered, payment.payload)
        if dialect == "mpp"
        else ("PAYMENT-SIGNATURE", x402.payment(offered, payment.payload, "another_payment_id"))
    )
    assert code_of(shop.get(header)) == "instrument_already_spent"
    assert len(shop.visits) == 3  # the plan, the page, and the page again


@dialects
def test_a_site_that_fails_uses_nothing_up(dialect: Dialect) -> None:
    shop = Shop(PRICES)
    buyer = Buyer(shop, "millicent")
    shop.origin = status(500)
    piece = buyer.instrument()
    assert is_released(
        shop.get(buyer.pay(dialect, path="/subscribe", instrument=piece).header, path="/subscribe")
    )
    assert shop.earned_micro() == 0
    shop.origin = lambda _: PAGE
    piece = subscribed(buyer, dialect)
    shop.origin = status(500)
    payment = buyer.pay(dialect, instrument=piece)
    assert is_released(shop.get(payment.header))
    shop.origin = lambda _: PAGE
    assert receipt_of(shop, buyer.pay(dialect, instrument=piece)).amount_micro == 0
    assert shop.earned_micro() == PLAN_MICRO


@dialects
def test_an_ended_plan_is_refused_by_name(dialect: Dialect) -> None:
    shop = Shop(PRICES)
    buyer = Buyer(shop, "millicent")
    payment = buyer.pay(dialect, instrument=subscribed(buyer, dialect))
    shop.clock.now_s += 30 * DAY_S + SKEW_S + 1
    offered = next(r for r in received_in(shop.get(), dialect) if r.offer.scheme == "millicent")
    header = (
        mpp.authorization(offered, payment.payload)
        if dialect == "mpp"
        else ("PAYMENT-SIGNATURE", x402.payment(offered, payment.payload, "another_payment_id"))
    )
    answer = shop.get(header)
    assert (answer.status, code_of(answer)) == (402, "subscription_ended")
    assert shop.earned_micro() == PLAN_MICRO


@dialects
def test_what_became_of_a_page_is_known_for_a_month_though_its_plan_ends(dialect: Dialect) -> None:
    shop = Shop(PRICES)
    buyer = Buyer(shop, "millicent")
    piece = subscribed(buyer, dialect)
    shop.clock.now_s += 30 * DAY_S - 60
    walking = shop.start(buyer.pay(dialect, instrument=piece).header)
    walking.until(marks.Hold)
    hold = walking.command
    assert isinstance(hold, marks.Hold)
    assert hold.marks[0].until_s < shop.clock.now_s + DAY_S
    assert hold.until_s == shop.clock.now_s + OUTCOME_KEPT_S_MIN


def test_the_price_list_says_what_a_plan_is() -> None:
    shop = Shop(PRICES)
    body = shop.doors.price_list(shop.book).body
    assert body is not None
    listed = msgspec.json.decode(body)
    assert listed["routes"][0]["subscription"] == {"plan": "month", "days": 30}
    assert listed["routes"][1]["plans"] == ["month"]
