"""Budgets: what the wallet pays by itself, whom, by what, and what it asks its payer about.

A payment within every budget is made. Above one it needs the payer's word on the terminal, and
without a terminal it is refused. The word counts for one amount, asset, recipient and origin. What
is still undecided counts as spent, and so may what its vendor denies (`spending.py`). Days are UTC
days.
"""

import re
from collections.abc import Callable
from urllib.parse import urlsplit

import msgspec

from farthing.errors import Denied, Misconfigured, Overlimit
from farthing.money import MICRO_PER_CENT, parse_amount, show_micro
from farthing.schemes import registry
from farthing.wallet.commands import Question, Spent, Wish

PER_PAYMENT_MICRO = MICRO_PER_CENT  # one cent: above it a page is no longer small change
PER_SITE_DAY_MICRO = 10 * MICRO_PER_CENT  # fifty pages at 0.2 cent: a long evening's reading
PER_DAY_MICRO = 50 * MICRO_PER_CENT  # what a payer may not notice being wasted, once
DAY_S = 86_400

ABOVE_MOST = "above_most"  # a code: this limit was set for one stream, and is not asked about

_HOST = re.compile(r"[^\s/?#@,]+")
_IPV6 = re.compile(r"[0-9a-fA-F]*:[0-9a-fA-F:.]*:[0-9a-fA-F:.]*")

Asker = Callable[[Question], bool]


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Budgets in micro-units, and the sites that may be paid at all."""

    per_payment_micro: int = PER_PAYMENT_MICRO
    per_site_day_micro: int = PER_SITE_DAY_MICRO
    per_day_micro: int = PER_DAY_MICRO
    sites: tuple[str, ...] = ()
    """Hosts, as in `news.example`; empty: every site."""
    currency: str | msgspec.UnsetType = msgspec.UNSET
    """The only one that is paid in; unset: any, since each account has its own."""
    schemes: tuple[str, ...] = ()
    """Registry names of what is paid by, the preferred first; empty: all, in their own order."""


def _host(text: str) -> str:
    """The host in what was typed, which may be an address or have a port; `Misconfigured`."""
    authority = text.split("://", 1)[-1]
    if _IPV6.fullmatch(authority):
        return authority.lower()
    try:
        host = urlsplit(f"//{authority}").hostname or ""
    except ValueError:
        host = ""
    if not _HOST.fullmatch(host):
        raise Misconfigured("site_malformed", f"{text!r}: write a host, as in news.example")
    return host


class Cap(msgspec.Struct, frozen=True, kw_only=True):
    """What one stream may still cost."""

    micro: int
    name: str = "--most"
    """What its payer calls it."""

    def less(self, paid_micro: int) -> "Cap":
        """What is left after so much was paid."""
        return msgspec.structs.replace(self, micro=self.micro - paid_micro)

    def refusal(self, tick_micro: int, currency: str) -> Overlimit:
        """Why a tick at this price is not paid."""
        tick, left = show_micro(tick_micro, currency), show_micro(self.micro, currency)
        return Overlimit(
            ABOVE_MOST, f"a tick costs {tick}, {left} is left of {self.name}: raise it"
        )


def read_limits(
    limits: Limits,
    *,
    currency: str,
    max_per_payment: str = "",
    max_per_site_day: str = "",
    max_per_day: str = "",
    sites: tuple[str, ...] | None = None,
    schemes: tuple[str, ...] | None = None,
) -> Limits:
    """`limits` with what was typed in their place; `OutOfRange`, `Misconfigured`, `Unsupported`."""
    typed = {
        "per_payment_micro": max_per_payment,
        "per_site_day_micro": max_per_site_day,
        "per_day_micro": max_per_day,
    }
    changes: dict[str, int | tuple[str, ...]] = {}
    for name, text in typed.items():
        if not text:
            continue
        amount = parse_amount(text, currency)
        if currency and amount.currency not in {None, currency}:
            raise Misconfigured("budget_in_other_currency", f"this wallet's budgets are {currency}")
        changes[name] = amount.micro
    if sites is not None:
        changes["sites"] = tuple(_host(site) for site in sites)
    if schemes is not None:
        changes["schemes"] = tuple(registry.by_name(name).traits.name for name in schemes)
    return msgspec.structs.replace(limits, **changes)


def read_cap(typed: str, limits: Limits) -> Cap:
    """What a stream may cost: what was typed, else a site's day; `OutOfRange`."""
    if typed:
        return Cap(micro=parse_amount(typed).micro)
    return Cap(micro=limits.per_site_day_micro, name="the budget of a site and day")


class Policy:
    """Decides one payment at a time; the store calls it inside its transaction."""

    def __init__(
        self, limits: Limits, cap: Cap | None = None, *, programs: frozenset[str] = frozenset()
    ) -> None:
        """With these budgets, and for a stream that is opened with its own.

        `programs`: fields of `limits` that the program has set for itself: not the wallet's.
        """
        self.limits = limits
        self.cap = cap
        self.programs = programs

    def within(self, cap: Cap | None) -> "Policy":
        """The same for one stream."""
        return Policy(self.limits, cap, programs=self.programs)

    def require_site(self, host: str) -> None:
        """`Denied` for a host that is not on a list that names some."""
        if self.limits.sites and host not in self.limits.sites:
            who = "program" if "sites" in self.programs else "wallet"
            raise Denied("site_not_allowed", f"{host} is not among the sites this {who} may pay")

    def require_currency(self, currency: str) -> None:
        """`Denied` for a price in another currency than the one that may be paid in."""
        if self.limits.currency not in {msgspec.UNSET, currency}:
            told = f"it is sold in {currency}, and this may be paid in {self.limits.currency} alone"
            raise Denied("currency_not_allowed", told)

    def require(
        self, wish: Wish, site: str, spent: Spent, approved: frozenset[Question] = frozenset()
    ) -> None:
        """`Overlimit` with the first budget that paying `wish` would exceed, if not approved.

        Nothing is approved above the limit of a stream.
        """
        if not wish.price_micro:  # a subscription covers it
            return
        limits = self.limits
        if self.cap is not None and wish.price_micro > self.cap.micro:
            raise self.cap.refusal(wish.price_micro, wish.currency)
        checks = (
            ("above_budget_per_payment", wish.price_micro, limits.per_payment_micro),
            (
                "above_budget_per_site_day",
                spent.site_micro + wish.price_micro,
                limits.per_site_day_micro,
            ),
            ("above_budget_per_day", spent.total_micro + wish.price_micro, limits.per_day_micro),
        )
        denied = ""
        if spent.denied_micro:
            denied = f", with {show_micro(spent.denied_micro, wish.currency)} that {site} denies"
        for code, would_be_micro, limit_micro in checks:
            if would_be_micro > limit_micro and question_of(wish, site, code) not in approved:
                raise Overlimit(
                    code,
                    f"{show_micro(would_be_micro, wish.currency)}{denied} is above the budget of"
                    f" {show_micro(limit_micro, wish.currency)}"
                    f"{self._raising(code, would_be_micro)}",
                )

    def _raising(self, code: str, micro: int) -> str:
        """Whose budget refused with `code`, and what raises it as far as it takes."""
        name, cents = code.removeprefix("above_budget_"), f"{-(-micro // MICRO_PER_CENT)}c"
        if f"{name}_micro" in self.programs:
            return f' that this program has set for itself; raise it there: max_{name}="{cents}"'
        option = f"--{name.replace('_', '-')} {cents}"
        return f"; approve the payment, or raise it: farthing wallet budget {option}"


def question_of(wish: Wish, site: str, code: str) -> Question:
    """What is asked, and what an approval is compared with."""
    return Question(
        site=site,
        vendor_id=wish.vendor_id,
        price_micro=wish.price_micro,
        currency=wish.currency,
        reason=code,
    )
