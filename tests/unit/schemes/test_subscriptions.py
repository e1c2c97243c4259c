"""What offers say of subscriptions, and what of it is not believed."""

from typing import Any

import pytest

from farthing.errors import Malformed
from farthing.schemes import subscriptions
from farthing.schemes.contract import Offer
from farthing.schemes.subscriptions import Plan

MONTH = Plan(plan="month", days=30)


def offer(terms: Any) -> Offer:
    return Offer(
        scheme="millicent",
        price_micro=200,
        currency="eur",
        vendor_id="news",
        broker_id="b",
        broker_url="http://127.0.0.1:1",
        settlement="final",
        terms=terms,
    )


def test_terms_say_nothing_where_there_is_nothing() -> None:
    assert subscriptions.terms_of((), None) == {}
    assert subscriptions.sold_by(offer({})) is None
    assert not subscriptions.covers(offer({}), "month")


def test_what_is_sold_and_who_is_covered_survive_the_wire() -> None:
    made = offer(subscriptions.terms_of(("month", "day"), MONTH))
    assert subscriptions.sold_by(made) == MONTH
    assert subscriptions.covers(made, "day")
    assert not subscriptions.covers(made, "mon")


@pytest.mark.parametrize("plans", ["month", {"month": 1}, None, 7])
def test_plans_that_are_no_list_cover_nobody(plans: Any) -> None:
    assert not subscriptions.covers(offer({"plans": plans}), "month")


@pytest.mark.parametrize(
    "sold",
    [1, "month", {"plan": "month"}, {"plan": "month", "days": 31}, {"plan": "month", "days": 0},
     {"plan": "Month", "days": 1}, {"plan": "m" * 33, "days": 1},
     {"plan": "month", "days": 1, "price": 0}, {"plan": "month", "days": "1"}],
)  # fmt: skip  # - one table
def test_a_subscription_that_is_none_is_refused(sold: Any) -> None:
    with pytest.raises(Malformed):
        subscriptions.sold_by(offer({"subscription": sold}))


@pytest.mark.parametrize("days", [1, subscriptions.DAYS_MAX])
def test_a_plan_may_last_a_day_or_as_long_as_can_be(days: int) -> None:
    assert subscriptions.Plan(plan="month", days=days).days == days
