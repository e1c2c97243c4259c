"""What the gate sells and the site behind it serves.

Each registered scheme has pages that are sold for it alone, some cleared as late as is safe, some
as early as can be.
"""

import json
from collections.abc import Sequence

from farthing.lab.goods import options_of
from farthing.schemes import registry

PAGES = 12
PRICE_MICRO = 200
PRICES = """\
accept = ["millicent", "payword"]

[millicent]
protocol = "private"

[[route]]
path = "/pages/*"
price = "200u"
origin_timeout_s = 1

[[route]]
path = "/sure/*"
price = "200u"
hold = false
origin_timeout_s = 1

[[route]]
path = "/kept/*"
price = "200u"
replay_body = true
origin_timeout_s = 1

[[route]]
path = "/now/*"
price = "200u"
clearing = "before"
origin_timeout_s = 1

[[route]]
path = "/soon/*"
price = "200u"
clearing = "during"
origin_timeout_s = 1

[[route]]
path = "/plans/*"
price = "9000u"
accept = ["millicent"]
subscription.plan = "month"
subscription.days = 30
subscription.paths = ["/read/*"]
origin_timeout_s = 1

[[route]]
path = "/read/*"
price = "200u"
accept = ["millicent"]
origin_timeout_s = 1
"""
AREAS = ("pages", "now", "soon", "sure", "kept")
PLANS, COVERED = "plans", "read"  # a subscription is sold in one, for the other
HELD_AREAS = AREAS[:3]  # whose pages cost nothing where the site fails; one for each moment

SET_ABOVE = frozenset({"millicent", "payword"})  # schemes whose options `PRICES` has, or leaves
OWN_ROUTE = """
[[route]]
path = "/{area}/*"
price = "{price_micro}u"
accept = ["{scheme}"]
origin_timeout_s = 1
"""


def own_areas(schemes: Sequence[str]) -> tuple[str, ...]:
    """Where pages are sold for one of these schemes alone: one after the other, late and early."""
    return tuple(f"{when}-{scheme}" for when in ("late", "early") for scheme in schemes)


NAMES = tuple(scheme.traits.name for scheme in registry.all_schemes())
EVERY_AREA = (*AREAS, PLANS, COVERED, *own_areas(NAMES))


def prices_of(number: int = 0) -> str:
    """All that is sold; gates with other numbers have other options of each scheme."""
    tables = [
        f"[{name}]\n" + "".join(f"{one} = {json.dumps(value)}\n" for one, value in options.items())
        for name, options in options_of(registry.all_schemes(), number).items()
        if name not in SET_ABOVE
    ]
    routes: list[str] = []
    for area in own_areas(NAMES):
        when, _, scheme = area.partition("-")
        routes.append(OWN_ROUTE.format(area=area, price_micro=PRICE_MICRO, scheme=scheme))
        if when == "early":
            routes[-1] += f'clearing = "{registry.by_name(scheme).traits.moments[0]}"\n'
    return "\n".join([PRICES, *tables, *routes])


def page(area: str, number: int) -> str:
    """What the origin serves."""
    return f"<!doctype html><title>{area} {number}</title>" + f"<p>Page {number}.</p>" * 40
