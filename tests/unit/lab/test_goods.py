"""Vendors sell what their gates can sell, and nothing else."""

import pytest

from farthing.lab.genesis import CURRENCY
from farthing.lab.goods import SPECIAL, VOUCHED, options_of, prices_of
from farthing.lab.liveness import finish
from farthing.lab.world import World
from farthing.schemes import registry
from farthing.vendor import prices
from farthing.wallet.settling import Verdict


@pytest.mark.parametrize("scheme", [one.traits.name for one in registry.all_schemes()])
def test_every_moment_of_a_scheme_is_sold_held_and_where_it_can_be_taken(scheme: str) -> None:
    with World(1, [scheme]) as world:
        sold = {(page.moment, page.hold) for page in world.vendors[0].pages}
    traits = registry.by_name(scheme).traits
    if traits.latest == "before":  # whatever a route says, it is cleared before the page
        assert {moment for moment, _ in sold} == {"before", "during", "batch"}
        return
    moments = traits.moments
    assert {moment for moment, _ in sold} == set(moments)
    assert {moment for moment, hold in sold if not hold} == set(moments) - {"before"}


def test_each_vendor_has_set_another_value_and_without_luck_every_draw_wins() -> None:
    schemes = registry.all_schemes()
    for number in range(2):
        for scheme in schemes:
            values = scheme.options.items()
            set_ = options_of([scheme], number)[scheme.traits.name]
            assert set_ == {name: each[number % len(each)] for name, each in values}
            sure = options_of([scheme], number, luck=False)[scheme.traits.name]
            assert sure == (
                {name: each[0] for name, each in values} if scheme.traits.drawn else set_
            )


def test_the_price_file_says_what_the_pages_say() -> None:
    with World(1) as world:
        vendor, known = world.vendors[0], [scheme.traits.name for scheme in world.schemes]
        read = prices.read(prices_of(vendor.sold, vendor.options), currency=CURRENCY, known=known)
        assert read.options == vendor.options
        for page in vendor.sold:
            priced = read.find("GET", page.path + "/1")
            assert priced is not None
            assert (priced.price_micro, priced.accept) == (page.price_micro, (page.scheme,))
            assert (priced.route.clearing, priced.route.hold) == (page.moment, page.hold)


@pytest.mark.parametrize("scheme", [one.traits.name for one in registry.all_schemes()])
def test_plans_and_prices_for_some_are_sold_where_a_till_can(scheme: str) -> None:
    with World(1, [scheme]) as world:
        for vendor in world.vendors:
            assert vendor.vendor is not None
            till = vendor.vendor.gate.tills[scheme]
            kinds = {page.kind for page in vendor.sold if page.kind}
            able = {"plan": till.subscribes, "props": till.traits.props}
            assert kinds == {kind for kind, can in able.items() if can}


def test_who_is_vouched_for_pays_less_and_a_plan_is_paid_once() -> None:
    with World(1) as world:
        vendor = world.vendors[0]
        pages = {page.kind: page for page in vendor.sold if page.kind}
        assert pages.keys() == SPECIAL.keys(), "some scheme can do each"

        def paid_micro(number: int, kind: str, page: int) -> int | None:
            """What a payer paid for a page; None where it was not let to."""
            url = f"{vendor.url}{pages[kind].path}/{page}"
            fetched = world.run(world.payers[number].buy(url, scheme=pages[kind].scheme))
            if fetched.purchase is None or fetched.verdict is not Verdict.DONE:
                return None
            return fetched.purchase.price_micro

        full_micro = {kind: page.price_micro for kind, page in pages.items()}
        assert paid_micro(VOUCHED.index(""), "props", 1) is None
        assert paid_micro(VOUCHED.index("member=true"), "props", 1) == full_micro["props"]
        assert paid_micro(len(VOUCHED) - 1, "props", 1) == full_micro["props"] // 2
        assert [paid_micro(0, "plan", page) for page in range(3)] == [full_micro["plan"], 0, 0]
        world.run(finish(world))
        assert world.ground.checks.findings == []
