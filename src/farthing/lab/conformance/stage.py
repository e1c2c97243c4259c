"""A broker, vendors and payers of one scheme, as production runs them, and one seed.

`Play` is what a case gets: it opens stages, and at the end of the case each of them must be sound
(books, codes of refusals). `Stage` has the steps that many cases share.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from farthing.errors import ROWS, NotYetValid, Refusal, Unsupported
from farthing.lab.conformance.bank import Bank
from farthing.lab.conformance.cases import Inapplicable, Violated, require, require_equal
from farthing.lab.conformance.line import Line
from farthing.lab.conformance.payer import Payer
from farthing.lab.conformance.room import Ring, Room
from farthing.lab.conformance.shop import Shop
from farthing.marks import Moment
from farthing.schemes import registry
from farthing.schemes.contract import Asked, Dialect, Json, Key, Scheme, Setting, Traits
from farthing.vendor import founding
from farthing.wallet.commands import Response
from farthing.wallet.fetching import Fetched
from farthing.wallet.settling import Verdict

PRICES_MICRO = (1, 100, 200, 700, 12_300, 100_000, 512_300)
"""What pages cost, as far as the scheme can say it: up to half a unit of currency."""
PRICE_MICRO = 200  # of the page that most cases buy
FUNDS_MICRO = 50_000_000
CREDIT_MICRO = 50_000_000
DAY_S = 86_400
SETTLING_DAYS = (1, 1, 1, 1, 30, 30, 30)
"""From one clearing to the next; together longer than every instrument's life and windows."""
CODE = re.compile(r"[a-z0-9]+(_[a-z0-9]+)*")


class Play:
    """One case under way."""

    def __init__(
        self,
        scheme: str,
        seed: str,
        keys: tuple[Key, ...] = (),
        options: Mapping[str, Json] | None = None,
    ) -> None:
        """`keys`: those that broker and vendors of the scheme share, beside the usual ones.

        `options`: what the vendors have set.
        """
        self.scheme: Scheme = registry.by_name(scheme)
        self.name = scheme
        self.seed = seed
        self._keys = keys
        self._options = options or {}
        self._opened = 0

    @property
    def traits(self) -> Traits:
        """Of the scheme."""
        return self.scheme.traits

    @contextmanager
    def stage(self, **options: Any) -> Iterator["Stage"]:
        """A stage that is sound when the case is done with it."""
        self._opened += 1
        options = {"keys": self._keys, "options": self._options} | options
        room = Room(f"{self.seed}/{self._opened}")
        try:
            stage = Stage(self.name, room, **options)
            try:
                yield stage
                stage.require_sound()
            finally:
                stage.close()
        finally:
            room.close()


class Stage:
    """A bank, two vendors, and as many payers as a case asks for."""

    def __init__(
        self,
        scheme: str,
        room: Room,
        *,
        keys: tuple[Key, ...] = (),
        dialect: Dialect | None = None,
        clearing: Moment | None = None,
        hold: bool = True,
        options: Mapping[str, Json] | None = None,
        load_micro: int = 0,
        funds_micro: int = FUNDS_MICRO,
        currency: str = "",
    ) -> None:
        """`currency`: of the shops, where it is another than the bank's; `hold`: their routes'.

        `dialect`: in private where the options say so, and in MPP otherwise.
        """
        self.scheme, self._load_micro = scheme, load_micro
        self._keys = keys
        self.room, self.line = room, Line()
        self.refusals: list[Refusal] = []
        self.bank = Bank(self.room, keys=keys)
        self.bank.watch = self.refusals.append
        self._options = dict(options or {})
        self.prices_micro = sellable(registry.by_name(scheme), self.bank, self._options)
        self.price_micro = PRICE_MICRO if PRICE_MICRO in self.prices_micro else self.prices_micro[0]
        self._clearing, self._hold, self._currency = clearing, hold, currency
        self.shops: dict[str, Shop] = {}
        self.payers: list[Payer] = []
        self.shop = self.open_shop("news")
        self.dialect: Dialect = dialect or ("private" if self.shop.till.is_private else "mpp")
        self.payer = self.admit("ann", funds_micro)

    def open_shop(self, name: str, *, currency: str = "") -> Shop:
        """One more vendor."""
        self.bank.admit(name, "vendor")
        shop = Shop(
            self.room,
            self.bank,
            self.line,
            name,
            scheme=self.scheme,
            prices_micro=self.prices_micro,
            options=self._options,
            clearing=self._clearing,
            hold=self._hold,
            currency=currency or self._currency,
            keys=self._keys,
        )
        shop.grant()
        self.shops[shop.site] = shop
        return shop

    def admit(
        self,
        name: str,
        funds_micro: int = FUNDS_MICRO,
        *,
        credit_micro: int | None = None,
        props: str = "",
    ) -> Payer:
        """One more payer. Schemes on credit get a limit, the others money."""
        credit = registry.by_name(self.scheme).traits.credit
        limit_micro = (CREDIT_MICRO if credit else 0) if credit_micro is None else credit_micro
        self.bank.admit(name, "payer", credit_limit_micro=limit_micro, props=props)
        if funds_micro:
            self.bank.top_up(name, funds_micro)
        made = Payer(
            self.room,
            self.bank,
            self.line,
            name,
            scheme=self.scheme,
            shops=self.shops,
            dialect=self.dialect,
            load_micro=self._load_micro or 10 * self.price_micro,
        )
        self.payers.append(made)
        return made

    def close(self) -> None:
        """Stop everybody."""
        for payer in self.payers:
            payer.close()
        self.bank.close()

    # --- what many cases do -----------------------------------------------------------------------

    def page(self, number: object = "a", *, micro: int = 0, shop: Shop | None = None) -> str:
        """The address of a page."""
        return f"{(shop or self.shop).site}/{micro or self.price_micro}/{number}"

    def buy(self, number: object = "a", *, micro: int = 0, shop: Shop | None = None) -> Fetched:
        """A page that must come, paid for."""
        fetched = self.payer.buy(self.page(number, micro=micro, shop=shop))
        require_bought(fetched)
        return fetched

    def purse_returns(self) -> Asked:
        """What the purse asks to get back what is left; `Inapplicable` with its own words."""
        purse = self.payer.guide().purse(self.scheme, self.bank.id)
        refusal: Refusal | None = None
        for instrument in self.payer.instruments():
            try:
                return purse.give_back(instrument, self.room.at())
            except Refusal as wrong:
                refusal = wrong
        is_told = refusal is None or isinstance(refusal, Unsupported | NotYetValid)
        require(is_told or self.traits.credit, "a purse says `Unsupported` or not yet", refusal)
        raise Inapplicable(f"nothing of it is returned: {refusal.code if refusal else 'all spent'}")

    def await_returns(self) -> None:
        """Vendors clear, and time passes until what was given back is in its account."""
        wait_s = registry.by_name(self.scheme).purse.returns_after_s
        if wait_s:
            for shop in self.shops.values():
                shop.clear()
            self.room.later(wait_s)
            self.bank.tick()

    def settle_up(self) -> None:
        """Time passes until nothing can be claimed any more; vendors clear all the while."""
        for days in SETTLING_DAYS:
            for shop in self.shops.values():
                shop.clear()
            self.bank.tick()
            self.room.later(days * DAY_S)
        self.bank.tick()

    @property
    def traits(self) -> Traits:
        """Of the scheme."""
        return registry.by_name(self.scheme).traits

    @property
    def spent_micro(self) -> int:
        """What payers have less than came in, or owe."""
        came_micro = self.bank.has_micro("bank")
        return came_micro - self.bank.has_micro("payer") + self.bank.has_micro("credit")

    @property
    def earned_micro(self) -> int:
        """What vendors have at the broker; `Inapplicable` where that is the luck of a draw."""
        self.require_exact()
        return self.bank.has_micro("vendor")

    def require_exact(self) -> None:
        """`Inapplicable` where a single payment is worth more or less than its price by design."""
        if self.shop.till.offer(self.price_micro, self.room.at()).settlement == "probabilistic":
            raise Inapplicable("its offers say `probabilistic`: only sums over many are exact")

    def everything(self) -> tuple[Any, ...]:
        """The state of the broker and of every vendor."""
        return self.bank.snapshot(), {shop.id: shop.snapshot() for shop in self.shops.values()}

    @contextmanager
    def unchanged(self, what: str) -> Iterator[None]:
        """`Violated` if broker or vendors are not what they were."""
        before = self.everything()
        yield
        require_same(before, self.everything(), what)

    def require_sound(self) -> None:
        """The books are in order, and every refusal is one that the table knows."""
        self.bank.require_sound()
        for refusal in self.refusals:
            require(type(refusal) in ROWS, "a refusal has a row in the table", refusal)
            is_code = CODE.fullmatch(refusal.code) is not None
            require(is_code, "a refusal names its rule in snake case", refusal.code)
            require(refusal.detail != "", "a refusal says what to do", refusal.code)


def require_same(before: tuple[Any, ...], after: tuple[Any, ...], what: str) -> None:
    """`Violated`, with the names of what changed, unless nothing did."""
    if after == before:
        return
    names = [f"broker.{name}" for name in after[0] if after[0][name] != before[0].get(name)]
    for shop, facts in after[1].items():
        names += [f"{shop}{name}" for name in facts if facts[name] != before[1][shop][name]]
    raise Violated(f"{what} changes nothing: it changed {', '.join(names)}")


def require_bought(fetched: Fetched) -> None:
    """The page came, and its payment is settled."""
    answer = fetched.answer
    status = answer.status if isinstance(answer, Response) else 0
    require_equal(status, 200, "the page comes")
    require_equal(fetched.verdict, Verdict.DONE, "the payment is settled")


def sellable(scheme: Scheme, bank: Bank, options: Mapping[str, Json]) -> tuple[int, ...]:
    """The prices that the scheme can say, under these options."""
    keys = founding.new_keys(bank.room.entropy(224), "news", bank.room.now_s)
    setting = Setting(
        broker_id=bank.id,
        currency=bank.currency,
        ring=Ring(*keys, *bank.publics()),
        vendor_id="news",
        options=dict(options),
    )
    till = scheme.till(setting)
    found: list[int] = []
    for micro in PRICES_MICRO:
        try:
            till.offer(micro, bank.room.at())
        except Refusal:
            continue
        found.append(micro)
    if not found:
        raise Inapplicable(f"it takes none of the prices {PRICES_MICRO}")
    return tuple(found)
