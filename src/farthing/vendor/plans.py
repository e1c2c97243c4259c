"""Subscriptions in `prices.toml`: a page that sells one, and the routes that it covers.

::

    [[route]]
    path = "/subscribe/month"
    price = "0.9c"
    subscription.plan = "month"
    subscription.days = 30
    subscription.paths = ["/articles/*"]
"""

from collections.abc import Sequence
from typing import Protocol

import msgspec

from farthing.errors import Malformed, Misconfigured
from farthing.schemes.subscriptions import PLANS_MAX, Plan
from farthing.vendor.spot import Spot


class Sold(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`subscription` of a route: what buying this page begins."""

    plan: str
    days: int
    paths: tuple[str, ...]
    """Of routes in this file, as they stand there: subscribers pay nothing for them."""


class _Route(Protocol):
    @property
    def path(self) -> str: ...

    @property
    def per(self) -> str: ...

    @property
    def subscription(self) -> Sold | None: ...


def sold(found: Sold | None) -> Plan | None:
    """The plan as offers name it; `Misconfigured`."""
    if found is None:
        return None
    try:
        return Plan(plan=found.plan, days=found.days)
    except Malformed as wrong:
        raise Misconfigured(wrong.code, wrong.detail) from None


def covering(routes: Sequence[_Route], spot: Spot) -> tuple[tuple[str, ...], ...]:
    """For each route the plans that cover it, the one it sells included; `Misconfigured`."""
    known = {route.path for route in routes}
    streams = {route.path for route in routes if route.per}
    paths: dict[str, set[str]] = {}
    for index, route in enumerate(routes):
        if (found := route.subscription) is None:
            continue
        if found.plan in paths:
            raise spot.wrong("plan_twice", index, "subscription", "another route sells this plan")
        if not found.paths:
            raise spot.wrong("plan_covers_nothing", index, "subscription", "name `paths` of routes")
        for path in found.paths:
            if path not in known:
                reason = f"no route has the path {path!r}"
                raise spot.wrong("plan_path_unknown", index, "subscription", reason)
            if path in streams:
                reason = f"{path!r} is a stream, which is paid tick by tick, whoever subscribes"
                raise spot.wrong("plan_covers_stream", index, "subscription", reason)
        # Its own page too: who is subscribed does not pay for it twice.
        paths[found.plan] = {*found.paths, route.path}
    covers = tuple(
        tuple(plan for plan, of in paths.items() if route.path in of) for route in routes
    )
    for index, names in enumerate(covers):
        if len(names) > PLANS_MAX:
            raise spot.wrong("too_many_plans", index, "path", f"at most {PLANS_MAX} for a route")
    return covers
