"""Vendors sell what their gates can sell, and nothing else."""

import pytest

from farthing.lab.genesis import CURRENCY
from farthing.lab.goods import prices_of
from farthing.lab.world import World
from farthing.schemes import registry
from farthing.vendor import prices


@pytest.mark.parametrize("scheme", [one.traits.name for one in registry.all_schemes()])
def test_every_moment_of_a_scheme_is_sold_held_and_where_it_can_be_taken(scheme: str) -> None:
    with World(1, [scheme]) as world:
        sold = {(page.moment, page.hold) for page in world.vendors[0].pages}
    moments = registry.by_name(scheme).traits.moments
    assert {moment for moment, _ in sold} == set(moments)
    assert {moment for moment, hold in sold if not hold} == set(moments) - {"before"}


def test_the_price_file_says_what_the_pages_say() -> None:
    with World(1) as world:
        vendor, known = world.vendors[0], [scheme.traits.name for scheme in world.schemes]
        read = prices.read(prices_of(vendor.pages, vendor.options), currency=CURRENCY, known=known)
        assert read.options == vendor.options
        for page in vendor.pages:
            priced = read.find("GET", page.path + "/1")
            assert priced is not None
            assert (priced.price_micro, priced.accept) == (page.price_micro, (page.scheme,))
            assert (priced.route.clearing, priced.route.hold) == (page.moment, page.hold)
