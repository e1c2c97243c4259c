"""`prices.toml`: what costs how much, and how it may be paid.

Read whole or refused whole. The first route that matches a request decides; `free` wins over
routes; what nothing matches is free. A table named after a scheme has the vendor's options for it.
"""

import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import Literal

import msgspec

from farthing.errors import Misconfigured, OutOfRange, Refusal
from farthing.marks import Moment
from farthing.money import PAYMENT_MICRO_MAX, parse_amount, require_micro
from farthing.schemes.contract import Json
from farthing.schemes.streams import Meter
from farthing.schemes.subscriptions import Plan
from farthing.vendor import metering, plans, reductions
from farthing.vendor.cors import Cors
from farthing.vendor.plans import Sold
from farthing.vendor.reductions import Reduced, Value
from farthing.vendor.spot import Spot
from farthing.wire import paths
from farthing.wire.published import ROUTES_MAX
from farthing.wire.shapes import DESCRIPTION_BYTES_MAX, EXTERNAL_ID_BYTES_MAX

REPEAT_S = 3600  # a paid page may be fetched again for an hour
ORIGIN_TIMEOUT_S = 30  # an origin slower than this has failed
ORIGIN_TIMEOUT_S_MAX = 3_600  # no lease is believed that ends much later
MATCHES_CACHED = 16_384  # paths whose route is remembered; bounded, since payers choose paths

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")


class Route(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One `[[route]]`: what it matches, what it costs."""

    path: str
    """Glob: `*` within a segment, `**` over segments."""
    price: str
    """As people write it: `0.02c`."""
    methods: tuple[str, ...] | None = None
    """The methods that cost this; None: every one but OPTIONS, which browsers ask with first."""
    accept: tuple[str, ...] = ()
    """Schemes in the vendor's order; empty: the file's own list."""
    clearing: Moment | None = None
    """Earlier than the scheme demands, if wanted."""
    hold: bool = True
    """False for an origin that cannot fail: one commit instead of two."""
    replay_body: bool = False
    """Keep the answer's body (64 KiB, 1 h) instead of asking the origin again."""
    bind_body: bool = False
    """Read the request's body (1 MiB) first: a payment is then for this very body."""
    repeat_s: int = REPEAT_S
    origin_timeout_s: int = ORIGIN_TIMEOUT_S
    description: str = ""
    external_id: str = ""
    reduced: tuple[Reduced, ...] = ()
    """Lower prices for payers with properties; the first that fits decides."""
    requires: dict[str, Value] = {}
    """Properties without which nobody buys."""
    subscription: Sold | None = None
    """What buying this page subscribes to."""
    per: str = ""
    """Of a stream: what the price is for, as in `1s`, `16kB` or `1 message`."""
    grace: int | None = None
    """Of a stream: ticks that go out unpaid before it pauses; None: as `metering.read` has it."""
    pause_s: int = metering.PAUSE_S
    """Of a stream: how long a pause may last."""

    def costs(self, method: str) -> bool:
        """Whether a request of this method to this route's paths is priced."""
        return method != paths.UNPRICED if self.methods is None else method in self.methods


class File(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole file, without the tables of the schemes."""

    accept: tuple[str, ...] = ("millicent",)
    free: tuple[str, ...] = ()
    cors_origins: tuple[str, ...] = ()
    """Origins whose pages may pay here by script; `*` for all."""
    route: tuple[Route, ...] = ()


class Priced(msgspec.Struct, frozen=True, kw_only=True):
    """A route with its price read and its schemes filled in."""

    route: Route
    price_micro: int
    accept: tuple[str, ...]
    matches: re.Pattern[str]
    reduced: tuple[tuple[str, int], ...] = ()
    """Properties and what payers with them pay, in micro-units."""
    requires: str = ""
    """Properties that every payer must have."""
    plans: tuple[str, ...] = ()
    """Whose subscribers pay nothing."""
    sold: Plan | None = None
    """The subscription that buying it begins."""
    meter: Meter | None = None
    """What the price is for; None: for the page."""
    tops_up: metering.TopUp | None = None
    """The stream that this pays on, where it is no page of the site's."""

    @property
    def is_conditional(self) -> bool:
        """Whether it matters which properties a payer has."""
        return bool(self.reduced or self.requires)

    def costs(self, method: str) -> bool:
        """Whether a request of this method is priced."""
        return self.route.costs(method)


Options = Mapping[str, dict[str, Json]]
"""The vendor's options of each scheme that has a table in the file."""
Verify = Callable[[str, Priced], None]
"""Takes scheme and route: `OutOfRange` unless the scheme can express its prices and conditions,
`Misconfigured` unless it can be cleared as the route asks."""
Fit = Callable[[Options], Verify]
"""Takes the options, and gives what verifies routes under them; `Misconfigured`, whose fact
`option` names the key that is wrong."""


def anything(scheme: str, priced: Priced) -> None:
    """Every scheme takes every price."""


def any_options(options: Options) -> Verify:
    """No scheme looks at its options."""
    return anything


class Prices:
    """Prices as the gate asks for them."""

    def __init__(
        self,
        file: File,
        *,
        currency: str,
        known: Sequence[str],
        spot: Spot,
        verify: Verify = anything,
        options: Options | None = None,
    ) -> None:
        """`Misconfigured` for the first route that cannot work; `known`: schemes of this gate."""
        self.currency = currency
        self.options: Options = options or {}
        self.free = file.free
        self.cors = _cors(file.cors_origins, spot)
        self._free = tuple(_free(path, spot) for path in file.free)
        covering = plans.covering(file.route, spot)
        routes = [
            _priced(route, file.accept, index, currency=currency, known=known, spot=spot)
            for index, route in enumerate(file.route)
        ]
        self.routes = tuple(
            _payable(msgspec.structs.replace(priced, plans=covering[index]), index, verify, spot)
            for index, priced in enumerate(routes)
        )
        self.find = lru_cache(maxsize=MATCHES_CACHED)(self._find)

    def _find(self, method: str, path: str) -> Priced | None:
        """The priced route, None where it is free; `path` without query. As `require_clear`."""
        paths.require_clear(method, path)
        return paths.find(self._free, self.routes, method, path)

    def sells(self, path: str) -> bool:
        """Whether there is a method with which this path costs something; `BadRequest`."""
        return any(self.find(method, path) is not None for method in METHODS)


def _cors(origins: tuple[str, ...], spot: Spot) -> Cors | None:
    """None where no origin is named, as nearly everywhere."""
    try:
        return Cors(origins) if origins else None
    except Misconfigured as wrong:
        raise spot.in_file(wrong.code, "cors_origins", wrong.detail) from None


def _free(path: str, spot: Spot) -> re.Pattern[str]:
    try:
        if not path.startswith(("/", "**")):
            raise OutOfRange("path_malformed", f"{path!r} is no path: a path begins with /")
        return paths.glob(path)
    except OutOfRange as wrong:
        raise spot.in_file("path_malformed", "free", wrong.detail) from None


def _price_micro(text: str, *, currency: str) -> int:
    """A price as it stands in the file; `Misconfigured`."""
    try:
        amount = parse_amount(text, currency)
        price_micro = require_micro(amount.micro, largest_micro=PAYMENT_MICRO_MAX)
    except Refusal as wrong:
        raise Misconfigured("price_unreadable", wrong.detail) from None
    if amount.currency not in {None, currency}:
        raise Misconfigured("price_currency", f"{text!r} is not in {currency}; write 0.02c or 200u")
    if price_micro == 0:
        raise Misconfigured("price_zero", "list a free path under `free` instead")
    return price_micro


def _require_sound(route: Route, index: int, spot: Spot) -> None:
    """`Misconfigured` for a field outside its range."""
    if not route.path.startswith("/"):
        raise spot.wrong("path_malformed", index, "path", "a path begins with /")
    if route.methods == ():
        raise spot.wrong("route_without_method", index, "methods", "name a method, as in GET")
    for method in route.methods or ():
        if method not in METHODS:
            raise spot.wrong(
                "method_unknown", index, "methods", f"{method!r} is no method: GET is one"
            )
    for key, most in (
        ("description", DESCRIPTION_BYTES_MAX),
        ("external_id", EXTERNAL_ID_BYTES_MAX),
    ):
        if len(getattr(route, key).encode()) > most:
            raise spot.wrong("text_too_long", index, key, f"at most {most} bytes")
    for key in metering.conflicts(route):
        raise spot.wrong("stream_conflict", index, key, f"a stream goes without `{key}`")
    _require_seconds(route, index, spot)


def _require_seconds(route: Route, index: int, spot: Spot) -> None:
    for key, least_s in (("repeat_s", 0), ("origin_timeout_s", 1), ("pause_s", 1)):
        if getattr(route, key) < least_s:
            raise spot.wrong("seconds_out_of_range", index, key, f"at least {least_s} seconds")
    if route.origin_timeout_s > ORIGIN_TIMEOUT_S_MAX:
        raise spot.wrong("seconds_out_of_range", index, "origin_timeout_s", "at most an hour")


def _priced(
    route: Route,
    accept: tuple[str, ...],
    index: int,
    *,
    currency: str,
    known: Sequence[str],
    spot: Spot,
) -> Priced:
    micro_of = partial(_price_micro, currency=currency)
    key = "price"
    try:
        price_micro = micro_of(route.price)
        key = "reduced"
        reduced = reductions.read(route.reduced, price_micro, micro_of)
        key = "requires"
        requires = reductions.text_of(route.requires)
        key = "subscription"
        sold = plans.sold(route.subscription)
        key = "per" if route.per else "grace"
        meter = metering.read(route.per, route.grace)
    except Misconfigured as wrong:
        raise spot.wrong(wrong.code, index, key, wrong.detail) from None
    accept = route.accept or accept
    for name in accept:
        if name not in known:
            reason = f"no scheme {name!r} here; known: {', '.join(known)}"
            raise spot.wrong("scheme_unknown", index, "accept", reason)
    if not accept:
        raise spot.wrong("route_accepts_nothing", index, "path", "name a scheme in `accept`")
    _require_sound(route, index, spot)
    try:
        matches = paths.glob(route.path)
    except OutOfRange as wrong:
        raise spot.wrong("path_malformed", index, "path", wrong.detail) from None
    return Priced(
        route=route,
        price_micro=price_micro,
        accept=accept,
        matches=matches,
        reduced=reduced,
        requires=requires,
        sold=sold,
        meter=meter,
    )


def _payable(priced: Priced, index: int, verify: Verify, spot: Spot) -> Priced:
    """With the schemes that can express its price; `Misconfigured` where the route names others.

    The list of the whole file is a wish, the route's own is not.
    """
    route, fitting, why = priced.route, [], ""
    for name in priced.accept:
        try:
            verify(name, priced)
        except OutOfRange as wrong:
            why = f"{name}: {wrong.detail}"
        except Misconfigured as wrong:
            raise spot.wrong(wrong.code, index, "clearing", wrong.detail) from None
        else:
            fitting.append(name)
    if why and (route.accept or not fitting):
        raise spot.wrong("price_not_payable", index, "price", why)
    return msgspec.structs.replace(priced, accept=tuple(fitting))


def read(
    text: str,
    *,
    currency: str,
    known: Sequence[str],
    where: str = "prices.toml",
    fit: Fit = any_options,
) -> Prices:
    """Prices from TOML text; `Misconfigured` with file, line and reason."""
    try:
        raw = tomllib.loads(text)
    except (ValueError, RecursionError) as wrong:  # not only its own: of numbers, and of nesting
        raise Misconfigured("prices_not_toml", f"{where}: {wrong}") from None
    spot = Spot(where, text)
    options = {name: raw.pop(name) for name in known if name in raw}
    for name, table in options.items():
        try:
            if not isinstance(table, dict):
                raise Misconfigured("options_not_a_table", f"write the options under [{name}]")
            fit({name: table})
        except Misconfigured as wrong:
            raise spot.of_scheme(name, wrong) from None
    try:
        file = msgspec.convert(raw, File, strict=True)
    except msgspec.ValidationError as wrong:
        raise spot.unreadable(str(wrong)) from None
    if len(file.route) > ROUTES_MAX:
        raise Misconfigured("prices_too_many_routes", f"{where}: at most {ROUTES_MAX} routes")
    return Prices(
        file, currency=currency, known=known, spot=spot, verify=fit(options), options=options
    )


class PriceFile:
    """A file that may change under a running gate; a wrong new version leaves the old in force."""

    def __init__(
        self,
        path: Path,
        *,
        currency: str,
        known: Sequence[str],
        fit: Fit = any_options,
        needed: bool = True,
    ) -> None:
        """Reads at once; `Misconfigured` where that fails, unless it is not `needed`.

        Then `trouble` says why, and the prices are those of an empty file: sell nothing by them.
        """
        self._fit = fit
        self._path = path
        self._currency = currency
        self._known = known
        self._stamp: tuple[int, int] = (0, 0)
        self.trouble: Misconfigured | None = None
        try:
            self.prices = self._read()
        except Misconfigured as wrong:
            if needed:
                raise
            self.trouble = wrong
            self.prices = read("", currency=currency, known=known, fit=fit)

    def _read(self) -> Prices:
        try:
            status = self._path.stat()
            text = self._path.read_text(encoding="utf-8-sig")  # as Windows writes it
        except (OSError, UnicodeDecodeError) as wrong:
            raise Misconfigured("prices_unreadable", f"{self._path}: {wrong}") from None
        self._stamp = (status.st_mtime_ns, status.st_size)
        where = self._path.name
        found = read(text, currency=self._currency, known=self._known, where=where, fit=self._fit)
        if not found.routes:  # as while somebody saves it, or where the disk was full then
            why = f"{where}: it has no [[route]], so every page would be free"
            raise Misconfigured("prices_without_route", why)
        return found

    def refresh(self) -> Literal["same", "new", "refused"]:
        """Look whether the file changed; `trouble` says why a new version was refused."""
        try:
            status = self._path.stat()
            if (status.st_mtime_ns, status.st_size) == self._stamp:
                return "same"
            self._stamp = (status.st_mtime_ns, status.st_size)
            self.prices = self._read()
        except OSError as wrong:
            self._stamp = (0, 0)  # so that the file is read again as soon as it is back
            self.trouble = Misconfigured("prices_unreadable", f"{self._path}: {wrong}")
            return "refused"
        except Misconfigured as wrong:
            self.trouble = wrong
            return "refused"
        self.trouble = None
        return "new"
