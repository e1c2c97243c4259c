"""Subscriptions in the price file: which routes a plan covers, and what is refused."""

import pytest

from farthing.errors import Misconfigured
from farthing.schemes.subscriptions import PLANS_MAX, Plan
from farthing.vendor import plans, prices
from farthing.vendor.offering import Offering
from farthing.vendor.plans import Sold
from tests.kit.parties import VENDOR, setting_of
from tests.kit.shop import gate_ring

TEXT = """accept = ["millicent", "payword"]
[[route]]
path = "/articles/*"
price = "0.02c"
[[route]]
path = "/subscribe"
price = "0.9c"
subscription.plan = "month"
subscription.days = 30
subscription.paths = ["/articles/*"]
[[route]]
path = "/spirits/*"
price = "0.1c"
"""


def read(text: str) -> prices.Prices:
    def fit(options: prices.Options) -> prices.Verify:
        setting = setting_of(gate_ring(), vendor_id=VENDOR, **dict(options))
        return Offering(setting, schemes=("millicent", "payword")).verify_route

    return prices.read(text, currency="eur", known=("millicent", "payword"), fit=fit)


def test_a_plan_covers_its_paths_and_the_page_that_sells_it() -> None:
    articles, page, spirits = read(TEXT).routes
    assert (articles.plans, page.plans, spirits.plans) == (("month",), ("month",), ())
    assert page.sold == Plan(plan="month", days=30)
    assert articles.sold is None


def test_only_schemes_that_carry_a_plan_sell_it() -> None:
    articles, page, _ = read(TEXT).routes
    assert articles.accept == ("millicent", "payword")
    assert page.accept == ("millicent",)


@pytest.mark.parametrize(
    ("old", "new", "code", "line"),
    [
        ('["/articles/*"]\n', '["/article"]\n', "plan_path_unknown", 8),
        ('["/articles/*"]\n', "[]\n", "plan_covers_nothing", 8),
        ("days = 30", "days = 31", "plan_days_out_of_range", 8),
        ("days = 30", "days = 0", "plan_days_out_of_range", 8),
        ('plan = "month"', 'plan = "A month"', "plan_malformed", 8),
        ("days = 30", 'days = "30"', "prices_malformed", 8),
        ("days = 30", "day = 30", "prices_malformed", 9),
        ('price = "0.9c"', 'price = "0.9c"\naccept = ["payword"]', "price_not_payable", 7),
        ('price = "0.9c"', 'price = "0.9c"\nclearing = "before"', "plan_clears_later", 8),
        ('"millicent", "payword"]', '"millicent"]\n[millicent]\nprotocol = "clear"\n',
         "price_not_payable", 10),
        ('path = "/spirits/*"', 'path = "/s"\nsubscription.plan = "month"\n'
         'subscription.days = 1\nsubscription.paths = ["/s"]', "plan_twice", 13),
    ],
)  # fmt: skip  # - one table
def test_what_is_wrong_is_said_with_its_line(old: str, new: str, code: str, line: int) -> None:
    assert old in TEXT
    with pytest.raises(Misconfigured) as caught:
        read(TEXT.replace(old, new))
    assert caught.value.code == code
    assert f"line {line}:" in caught.value.detail


def test_a_route_without_a_plan_sells_none() -> None:
    assert plans.sold(None) is None
    with pytest.raises(Misconfigured, match="plan_malformed"):
        plans.sold(Sold(plan="", days=1, paths=("/",)))


def test_a_page_is_in_as_many_plans_as_an_offer_names_and_in_no_more() -> None:
    def many(count: int) -> str:
        return '[[route]]\npath = "/a"\nprice = "1c"\n' + "".join(
            f'[[route]]\npath = "/p{number}"\nprice = "1c"\naccept = ["millicent"]\n'
            f'subscription = {{ plan = "p{number}", days = 1, paths = ["/a"] }}\n'
            for number in range(count)
        )

    assert len(read(many(PLANS_MAX)).routes[0].plans) == PLANS_MAX
    with pytest.raises(Misconfigured, match="too_many_plans"):
        read(many(PLANS_MAX + 1))
