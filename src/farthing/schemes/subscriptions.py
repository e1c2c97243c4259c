"""What an offer's terms say of subscriptions: which plans cover a page, and which one it sells.

In the terms `plans` lists the plans whose subscribers pay nothing for this page, and `subscription`
is `{plan, days}` where buying the page begins one. Source: MilliCent's subscriptions; the form is
ours.
"""

import re
from collections.abc import Sequence

import msgspec

from farthing.errors import Malformed
from farthing.schemes.messages import Offer
from farthing.schemes.setting import Json

PLANS = "plans"
SUBSCRIPTION = "subscription"
PLAN_PREFIX = "sub:"
"""Of the ids of instruments that carry a subscription: wallets try these first."""
DAYS_MAX = 30  # a plan ends before the scrip that carries it expires
PLANS_MAX = 8  # of one page: they stand in every offer, which has some 2 KiB
NAME = re.compile(r"[a-z][a-z0-9-]{0,31}")


class Plan(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A subscription as it is sold."""

    plan: str
    """`[a-z][a-z0-9-]*`, at most 32 characters."""
    days: int
    """From the moment of the purchase."""

    def __post_init__(self) -> None:
        """`Malformed` for a name or a number of days that no plan has."""
        if not NAME.fullmatch(self.plan):
            raise Malformed("plan_malformed", "a plan is named as in month, at most 32 characters")
        if not 0 < self.days <= DAYS_MAX:
            raise Malformed("plan_days_out_of_range", f"a plan lasts 1 to {DAYS_MAX} days")


def terms_of(plans: Sequence[str], sold: Plan | None) -> dict[str, Json]:
    """The terms; empty where there are none."""
    terms: dict[str, Json] = {}
    if plans:
        terms[PLANS] = list(plans)
    if sold is not None:
        terms[SUBSCRIPTION] = msgspec.to_builtins(sold)
    return terms


def covers(offer: Offer, plan: str) -> bool:
    """Whether the page that is offered costs subscribers of `plan` nothing."""
    plans = offer.terms.get(PLANS, ())
    return isinstance(plans, list) and plan in plans


def sold_by(offer: Offer) -> Plan | None:
    """The subscription that paying this offer begins, if there is one; `Malformed`."""
    found = offer.terms.get(SUBSCRIPTION)
    if found is None:
        return None
    try:
        return msgspec.convert(found, Plan, strict=True)
    except msgspec.ValidationError:
        raise Malformed("terms_malformed", "`subscription` is a plan and its days") from None
