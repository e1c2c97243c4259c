"""What vendors of a world sell: every scheme at every moment of clearing, held and not.

And what only some tills can: subscriptions, and prices that depend on what is vouched for.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

from farthing import codec
from farthing.errors import Misconfigured
from farthing.schemes.contract import Json, Ring, Scheme, Setting
from farthing.vendor import prices
from farthing.vendor.booking import MOMENTS
from farthing.vendor.gate import Gate

PRICES_MICRO = (20, 200, 199, 400, 2_000)  # in the units of every scheme, and between them
PLAN_DAYS = 3  # of a subscription: nights pass in it, and months after it
SPECIAL = {
    "plan": (
        'subscription.plan = "{scheme}"\n'
        f"subscription.days = {PLAN_DAYS}\n"
        'subscription.paths = ["{path}/*"]\n'
    ),
    "props": (
        'requires.member = true\n[[route.reduced]]\nprice = "{half}u"\nprops.student = true\n'
    ),
}
"""What pages of a kind have besides in `prices.toml`; sold where a till can."""
VOUCHED = ("", "member=true", "member=true;student=true")
"""What the broker says of its payers, in turn."""


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """One priced route of every vendor."""

    scheme: str
    moment: str
    hold: bool
    price_micro: int
    kind: str = ""
    """Of `SPECIAL`; empty for most."""

    @property
    def path(self) -> str:
        """Without a number at the end."""
        way = f"{self.moment}/{'held' if self.hold else 'taken'}"
        return f"/{self.scheme}/{self.kind or way}/{self.price_micro}"

    @property
    def route(self) -> str:
        """As `prices.toml` has it."""
        return (
            f'[[route]]\npath = "{self.path}/*"\nprice = "{self.price_micro}u"\n'
            f'accept = ["{self.scheme}"]\nclearing = "{self.moment}"\n'
            f"hold = {str(self.hold).lower()}\n"
        ) + self._special

    @property
    def _special(self) -> str:
        if not self.kind:
            return ""
        half = self.price_micro // 2
        return SPECIAL[self.kind].format(scheme=self.scheme, path=self.path, half=half)


class Route(Protocol):
    """What `prices.toml` has a route of."""

    @property
    def route(self) -> str:
        """The lines."""


Options = Mapping[str, Mapping[str, Json]]
"""By scheme and name."""

_sellable: dict[bytes, tuple[Page, ...]] = {}  # by everything that it depends on


def options_of(schemes: Sequence[Scheme], number: int, *, luck: bool = True) -> Options:
    """What the vendor with this number has set: each has other values of every option.

    Without `luck` a scheme that draws has the first value of each, with which every draw wins.
    """
    return {
        scheme.traits.name: {
            name: values[number % len(values) if luck or not scheme.traits.drawn else 0]
            for name, values in scheme.options.items()
        }
        for scheme in schemes
    }


def sellable(scheme: str, options: Options, ring: Ring, currency: str) -> tuple[Page, ...]:
    """Every way in which a gate with these options sells a page for a scheme."""
    key = codec.canonical([scheme, options[scheme], currency])
    known = _sellable.get(key)
    if known is None:
        setting = Setting(
            broker_id="broker",
            broker_url="https://broker.example",
            currency=currency,
            ring=ring,
            vendor_id="vendor",
            options={scheme: dict(options[scheme])},
        )
        gate = Gate(setting, schemes=[scheme])
        ways = [(moment, hold) for moment in MOMENTS for hold in (True, False)]
        found = [
            _page(gate, Page(scheme=scheme, moment=moment, hold=hold, price_micro=0), at, currency)
            for at, (moment, hold) in enumerate(ways)
        ]
        found += [
            _first(
                gate, Page(scheme=scheme, moment="", hold=True, price_micro=0, kind=kind), currency
            )
            for kind in SPECIAL
        ]
        known = tuple(page for page in found if page is not None)
        assert known, "a scheme that is registered sells something"
        _sellable[key] = known
    return known


def _first(gate: Gate, special: Page, currency: str) -> Page | None:
    """It at the first moment at which it can be sold; None: never."""
    for moment in reversed(MOMENTS):
        way = msgspec.structs.replace(special, moment=moment)
        page = _page(gate, way, 0, currency)
        if page is not None:
            return page
    return None


def _page(gate: Gate, way: Page, at: int, currency: str) -> Page | None:
    """One way to sell at the first price that fits, another one for each way; None: not sold so."""
    for price_micro in (*PRICES_MICRO[at:], *PRICES_MICRO[:at]):
        page = msgspec.structs.replace(way, price_micro=price_micro)
        if _fits(gate, page, currency):
            return page
    return None


def _fits(gate: Gate, page: Page, currency: str) -> bool:
    try:
        prices.read(
            page.route,
            currency=currency,
            known=[page.scheme],
            fit=lambda options: gate.verify_route,
        )
    except Misconfigured:
        return False
    return True


def prices_of(pages: Sequence[Route], options: Options) -> str:
    """The `prices.toml` that sells them."""
    tables = [
        f"[{scheme}]\n" + "".join(f"{name} = {json.dumps(value)}\n" for name, value in set_.items())
        for scheme, set_ in options.items()
    ]
    return "\n".join([*tables, *(page.route for page in pages)])
