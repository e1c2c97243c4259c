"""Requests that race for one thing, by what may win: the table of the race matrix.

Each race says how many of its requests can be done, and with which codes the others are refused.
Those of MilliCent and PayWord are written by hand, in every way that pages are sold; those of the
other schemes are what wallets ask, and the vendor of the broker.
"""

import itertools
import secrets
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

from farthing.schemes import registry
from farthing.schemes.contract import Dialect, Json
from tests.integration.crash.calls import CREDIT_MICRO, LOAD_MICRO, PAYER, Callers
from tests.integration.crash.errands import Errands, can_clear_before
from tests.integration.crash.fleet import VENDOR
from tests.integration.crash.place import Call

AT_ONCE = 32
SCHEMES = ("millicent", "payword")
WAYS: tuple[tuple[Dialect, str], ...] = (("mpp", "pages"), ("x402", "now"), ("mpp", "sure"))
BUSY = frozenset(
    {
        "in_progress",
        "mark_held",
        "mark_contended",
        "batch_in_flight",
        "origin_timed_out",  # the stock site, asked by 32 at once on a busy machine
    }
)
REPLAYED = frozenset({"instrument_already_spent", "chain_index_not_above_last"})
SPENT = REPLAYED | {"coin_spent", "coin_already_taken"}
SHORT = frozenset({"balance_too_low", "credit_all_certified"})
FUNDS_MICRO = 3 * LOAD_MICRO  # of an account that cannot pay for all that is asked of it
ORDERS_MICRO = 30_000  # likewise, where the coins of an order are a cent
BALANCE_MICRO = 50_000
MOST_MICRO = 30_000  # of which the balance covers one


class Race(NamedTuple):
    """One kind of race."""

    name: str
    make: Callable[[], list[Call]]
    winners: int | None
    """How many are done; None where others may be too, without moving more."""
    codes: frozenset[str]
    """With which the others are refused; busy is allowed to all."""
    is_costly: bool = False
    """Whether each of its requests takes a wallet: then it is made once."""


class Races:
    """The table, over one place."""

    def __init__(self, callers: Callers) -> None:
        self._callers = callers

    def all(self) -> list[Race]:
        callers = self._callers
        found = [
            Race(
                f"{scheme} {dialect} {area}: one instrument",
                partial(callers.spends, scheme, dialect, area, AT_ONCE),
                1,
                REPLAYED,
            )
            for scheme in SCHEMES
            for dialect, area in WAYS
        ]
        for scheme in SCHEMES:
            found += [
                Race(f"{scheme}: one payment", partial(self._page, scheme), None, BUSY),
                Race(f"{scheme}: one settlement", partial(self._settle, scheme), None, BUSY),
                Race(f"{scheme}: one claim", partial(self._redeem, scheme), None, BUSY),
                Race(f"{scheme}: capture and void", partial(self._end, scheme), None, frozenset()),
            ]
        found += [
            Race(f"{one} and {other}: one account", partial(self._issues, one, other), None, SHORT)
            for one, other in itertools.combinations_with_replacement(SCHEMES, 2)
        ]
        return [
            *found,
            Race("payouts: one balance", self._payouts, 1, SHORT),
            Race("payout and transfer: one balance", self._leaving, 1, SHORT),
            Race("steps of one payout", self._steps, None, frozenset({"payout_step_impossible"})),
            Race("one name", self._names, 1, frozenset({"account_exists"})),
            Race("one bank entry", self._top_ups, 1, frozenset({"request_already_done"})),
            Race("burn and spend", self._burn_and_spend, None, REPLAYED),
            Race("revoke and settle", self._revoke_and_settle, None, frozenset({"revoked"})),
        ]

    def of_schemes(self, errands: Errands, schemes: Sequence[str]) -> list[Race]:
        """Of wallets, and of what a vendor shows the broker."""
        found: list[Race] = []
        for scheme in schemes:
            spends, same = (partial(do, errands, scheme) for do in (self._spends, self._same))
            found += [
                Race(f"{scheme}: one wallet's copies", spends, 1, SPENT, is_costly=True),
                Race(f"{scheme}: one wallet's payment", same, None, BUSY, is_costly=True),
            ]
            if registry.by_name(scheme).traits.moments != ("before",):
                claim = partial(self._claim, errands, scheme)
                found.append(
                    Race(f"{scheme}: one wallet's claim", claim, None, BUSY, is_costly=True)
                )
            if can_clear_before(scheme):
                end = partial(self._ends, errands, scheme)
                found.append(
                    Race(f"{scheme}: capture and void", end, None, frozenset(), is_costly=True)
                )
        return found

    def of_accounts(self, errands: Errands, schemes: Sequence[str], turn: int) -> list[Race]:
        """Orders of one account, of each scheme and another, which follows from the turn."""
        found: list[Race] = []
        for number, one in enumerate(schemes):
            other = schemes[(number + turn) % len(schemes)]
            orders = partial(self._orders, errands, one, other)
            found.append(
                Race(f"{one} and {other}: one wallet", orders, None, SHORT, is_costly=True)
            )
        return found

    def _spends(self, errands: Errands, scheme: str) -> list[Call]:
        return errands.spends(scheme, AT_ONCE)

    def _same(self, errands: Errands, scheme: str) -> list[Call]:
        return self._copies(errands.page(scheme))

    def _claim(self, errands: Errands, scheme: str) -> list[Call]:
        body: Json = {"claims": errands.claims(scheme)}
        return [self._callers.of_vendor(f"/redeem/{scheme}", body) for _ in range(AT_ONCE)]

    def _ends(self, errands: Errands, scheme: str) -> list[Call]:
        payload = errands.payload(scheme)
        shown = self._callers.shown(scheme, payload, reserve={"atEnd": "void"})
        return self._either(self._callers.hold(shown))

    def _orders(self, errands: Errands, one: str, other: str) -> list[Call]:
        account = self._callers.new_account(ORDERS_MICRO, CREDIT_MICRO)
        both = [errands.orders(scheme, account, AT_ONCE // 2) for scheme in (one, other)]
        return [call for pair in zip(*both, strict=True) for call in pair]

    def _copies(self, call: Call) -> list[Call]:
        return [call] * AT_ONCE

    def _page(self, scheme: str) -> list[Call]:
        return self._copies(self._callers.page(scheme, "mpp", "pages"))

    def _settle(self, scheme: str) -> list[Call]:
        body = self._callers.facilitator(scheme)
        return [self._callers.of_vendor("/settle", body) for _ in range(AT_ONCE)]

    def _redeem(self, scheme: str) -> list[Call]:
        self._callers.begin_anew()
        claims = self._callers.claims(scheme)
        return [
            self._callers.of_vendor(f"/redeem/{scheme}", {"claims": claims}) for _ in range(AT_ONCE)
        ]

    def _end(self, scheme: str) -> list[Call]:
        return self._either(self._callers.reserved(scheme))

    def _either(self, body: Json) -> list[Call]:
        half = range(AT_ONCE // 2)
        return [self._callers.of_vendor(path, body) for _ in half for path in ("/capture", "/void")]

    def _issues(self, one: str, other: str) -> list[Call]:
        token = self._callers.new_payer(FUNDS_MICRO, CREDIT_MICRO)
        half = range(AT_ONCE // 2)
        return [self._callers.issue(scheme, token) for _ in half for scheme in (one, other)]

    def _payouts(self) -> list[Call]:
        token = self._callers.new_payer(BALANCE_MICRO)
        return [self._payout(token) for _ in range(AT_ONCE)]

    def _payout(self, token: str) -> Call:
        return self._callers.post("/payout", {"amountMicro": MOST_MICRO, "role": "payer"}, token)

    def _leaving(self) -> list[Call]:
        token = self._callers.new_payer(BALANCE_MICRO)
        half = range(AT_ONCE // 2)
        return [call for _ in half for call in (self._payout(token), self._transfer(token))]

    def _transfer(self, token: str) -> Call:
        body = {"id": secrets.token_hex(16), "to": f"vendor/{VENDOR}", "amountMicro": MOST_MICRO}
        return self._callers.post("/transfer", body, token)

    def _steps(self) -> list[Call]:
        made = self._callers.payout()
        half = range(AT_ONCE // 2)
        return [
            self._callers.post(f"/payouts/{made}", {"state": state}, self._callers.operator)
            for _ in half
            for state in ("exported", "returned")
        ]

    def _names(self) -> list[Call]:
        body = {"id": f"n{secrets.token_hex(6)}"}
        operator = self._callers.operator
        return [self._callers.post("/accounts", body, operator) for _ in range(AT_ONCE)]

    def _top_ups(self) -> list[Call]:
        reference = f"RF-{secrets.token_hex(8)}"
        body = {"amountMicro": 100_000, "payer": PAYER, "reference": reference}
        operator = self._callers.operator
        return [self._callers.post("/topup", body, operator) for _ in range(AT_ONCE)]

    def _burn_and_spend(self) -> list[Call]:
        return self._callers.burn_and_spends("mpp", "pages", AT_ONCE)

    def _revoke_and_settle(self) -> list[Call]:
        self._callers.begin_anew()
        body = self._callers.facilitator("payword")
        serial = self._callers.serial
        revoking = self._callers.post("/take-back/payword", {"serial": serial}, self._callers.pay)
        settles = [self._callers.of_vendor("/settle", body) for _ in range(AT_ONCE - 1)]
        return [*settles[::2], revoking, *settles[1::2]]
