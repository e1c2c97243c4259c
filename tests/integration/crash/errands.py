"""What wallets ask for, of every registered scheme: each request as a wallet would send it.

A wallet of the scheme buys, returns, hands on, gets back what it lost; each request that asks for
something is one to be tried. For that a new wallet does the same again up to that request, which
is kept back and which the wallet itself never sends.
"""

import base64
import io
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple

import httpx
import msgspec

from farthing.schemes import registry
from farthing.schemes.contract import Dialect, Json
from farthing.wallet import bearing, reissuing
from farthing.wallet.app import Wallet, init, open_wallet
from farthing.wallet.book import Book
from farthing.wallet.driver import drive
from farthing.wallet.policy import Limits
from tests.integration.crash.calls import BROKER_ID, DIALECT_HEADERS, Callers
from tests.integration.crash.fleet import CHEAP, PASSPHRASE
from tests.integration.crash.line import Kept, Line
from tests.integration.crash.place import Call, Place

PAID = re.compile(rb"\r\n(authorization: payment|payment-signature:)", re.IGNORECASE)
QUESTIONS = ("/outcome",)  # which change nothing
EARLY = "early"  # an errand whose page goes out once the broker has reserved
SENT_MICRO = 10_000  # to whoever has the token
FUNDS_MICRO = 10**6  # of each account
LIMITS = Limits(per_site_day_micro=10**9, per_day_micro=10**9)
OTHER: dict[Dialect, Dialect] = {"mpp": "x402", "x402": "mpp"}

Account = tuple[str, str]  # name and token
Do = Callable[[Wallet], object]


class Errand(NamedTuple):
    """Something that a wallet does."""

    name: str
    do: Do
    dialect: Dialect = "mpp"
    first: Do = bool
    """What it has done before, of which no request is tried."""


class Tried(NamedTuple):
    """One request of an errand."""

    scheme: str
    errand: Errand
    number: int
    """How many of its requests come before."""
    to: str
    name: str
    moves: bool
    """Whether it changes the books."""


class Errands:
    """Over one place."""

    def __init__(self, place: Place, callers: Callers, books: Callable[[], object]) -> None:
        """`books`: all that broker and gate have written down."""
        self._place, self._callers, self._books = place, callers, books
        self._count = 0

    def all(self, scheme: str) -> list[Tried]:
        """Every request of every errand of a scheme; each is sent once to find out."""
        return [tried for errand in self.errands(scheme) for tried in self._of(scheme, errand)]

    def _of(self, scheme: str, errand: Errand) -> list[Tried]:
        asked: list[tuple[Call, object]] = []

        def note(call: Call) -> bool:
            asked.append((call, self._books()))
            return True

        with self._wallet(scheme, errand, note) as wallet:
            errand.do(wallet)
        after = [*(books for _, books in asked), self._books()][1:]
        found: list[Tried] = []
        for number, ((call, before), then) in enumerate(zip(asked, after, strict=True)):
            name = f"{scheme}, {errand.name} {number + 1}: {route_of(call)}"
            found.append(Tried(scheme, errand, number, call.to, name, before != then))
        return found

    def make(self, tried: Tried, account: Account | None = None) -> Call:
        """The request, of a new wallet, at a new account by default."""
        left = iter([True] * tried.number)
        return self._kept(tried.scheme, tried.errand, lambda call: next(left, False), account)

    def orders(self, scheme: str, account: Account, count: int) -> list[Call]:
        """As many first purchases of what pays, all of one account."""
        errand = self.errands(scheme)[0]
        first = next(tried for tried in self._of(scheme, errand) if tried.moves)
        return [self.make(first, account) for _ in range(count)]

    def page(self, scheme: str, dialect: Dialect = "mpp") -> Call:
        """A paid request for a page."""
        errand = self.errands(scheme)[0]._replace(dialect=dialect)
        return self._kept(scheme, errand, lambda call: PAID.search(call.request) is None)

    def spends(self, scheme: str, count: int) -> list[Call]:
        """What as many copies of one wallet ask first, each for a page of its own."""
        errand = self.errands(scheme)[0]
        path = self._new_file(self._callers.new_account(FUNDS_MICRO, FUNDS_MICRO))
        with self._opened(path, scheme, errand.dialect) as (wallet, _):
            errand.do(wallet)
        found: list[Call] = []
        for number in range(count):
            copy = shutil.copy(path, path.with_suffix(f".{number}"))
            with self._opened(Path(copy), scheme, errand.dialect) as (wallet, line):
                line.passes = lambda call: not is_asking(call)
                found.append(_kept_of(errand, wallet))
        return found

    def _kept(
        self,
        scheme: str,
        errand: Errand,
        passes: Callable[[Call], bool],
        account: Account | None = None,
    ) -> Call:
        with self._wallet(scheme, errand, passes, account) as wallet:
            return _kept_of(errand, wallet)

    def errands(self, scheme: str) -> list[Errand]:
        """What its wallets do; a page first."""
        purse = registry.by_name(scheme).purse
        late, early = (partial(self._buy, f"{when}-{scheme}") for when in ("late", "early"))
        found = [Errand("late", late), Errand("return", _give_back, first=late)]
        if can_clear_before(scheme):
            found.append(Errand(EARLY, early, dialect="x402", first=late))
        if purse.parts:
            found.append(Errand("hand on", partial(self._hand_on, scheme), first=late))
        if purse.reissues:
            found.append(Errand("reissue", _reissue, first=late))
        return found

    # --- what a vendor shows the broker ---------------------------------------------------------

    def claims(self, scheme: str) -> list[Json]:
        """What a sweep shows of a new payment."""
        errand = self.errands(scheme)[0]
        with self._wallet(scheme, errand, lambda call: True) as wallet:
            errand.do(wallet)
        return self._place.newest_claims(scheme)

    def payload(self, scheme: str) -> Json:
        """What is shown of one before its page goes out."""
        if registry.by_name(scheme).traits.moments != ("before",):
            return self.claims(scheme)[0]
        sent = self.page(scheme, "x402").request
        raw = base64.b64decode(PAID.split(sent, maxsplit=1)[-1].partition(b"\r\n")[0].strip())
        return msgspec.json.decode(raw)["payload"]

    # --- wallets --------------------------------------------------------------------------------

    @contextmanager
    def _wallet(
        self,
        scheme: str,
        errand: Errand,
        passes: Callable[[Call], bool],
        account: Account | None = None,
    ) -> Iterator[Wallet]:
        """A new one, which has done what comes first; `passes` is asked of its requests then."""
        path = self._new_file(account or self._callers.new_account(FUNDS_MICRO, FUNDS_MICRO))
        with self._opened(path, scheme, errand.dialect) as (wallet, line):
            errand.first(wallet)
            line.passes = lambda call: passes(call) if is_asking(call) else True
            yield wallet

    def _new_file(self, account: Account) -> Path:
        self._count += 1
        folder = self._place.folder / "wallets"
        folder.mkdir(exist_ok=True)
        path, url = folder / f"{self._count}.db", self._place.broker_url
        with init(path, PASSPHRASE, cost=CHEAP) as wallet:
            wallet.add_broker(url, *account, broker_id=BROKER_ID, currency="eur")
            wallet.set_limits(LIMITS)
        return path

    @contextmanager
    def _opened(self, path: Path, scheme: str, dialect: Dialect) -> Iterator[tuple[Wallet, Line]]:
        line = Line(self._place, hidden=DIALECT_HEADERS[OTHER[dialect]])
        with open_wallet(
            path,
            PASSPHRASE,
            client=httpx.Client(transport=line),
            clock=self._place.now_s,
            schemes={scheme: registry.by_name(scheme)},
        ) as wallet:
            yield wallet, line

    def _buy(self, area: str, wallet: Wallet) -> None:
        self._count += 1
        url = f"{self._place.gate_url}/{area}/1.html?{self._count}"
        page = wallet.get(url, io.BytesIO())
        assert page.status == 200, page

    def _hand_on(self, scheme: str, wallet: Wallet) -> None:
        """To itself: it takes the token that it has made."""
        driver = wallet.driver(LIMITS)
        file = driver.store.file
        with driver.session() as session:
            sending = bearing.send(driver.guide, file, BROKER_ID, SENT_MICRO, scheme)
            token = drive(sending, session.answer).token
            drive(bearing.claim(driver.guide, file, token), session.answer)


def _kept_of(errand: Errand, wallet: Wallet) -> Call:
    """The request that is kept back while an errand is done."""
    try:
        errand.do(wallet)
    except Kept as kept:
        return kept.call
    raise AssertionError(f"{errand.name}: nothing was asked for")


def can_clear_before(scheme: str) -> bool:
    """Else its early pages are cleared a moment after they went out, unasked."""
    return "before" in registry.by_name(scheme).traits.moments


def is_asking(call: Call) -> bool:
    """Whether a request asks for something: any but a look."""
    head = call.request.partition(b"\r\n\r\n")[0]
    if head.startswith(b"POST"):
        return not route_of(call).endswith(QUESTIONS)
    return PAID.search(head) is not None


def route_of(call: Call) -> str:
    """Its method and path."""
    method, target, _ = call.request.split(b"\r\n", 1)[0].decode().split(" ")
    return f"{method} {target.partition('?')[0]}"


def _give_back(wallet: Wallet) -> None:
    returned = wallet.give_back()
    assert returned, "something is left over"


def _reissue(wallet: Wallet) -> None:
    driver = wallet.driver(LIMITS)
    with driver.session() as session:
        book = Book(driver.store.file)
        flow = reissuing.reissue(driver.guide, book, BROKER_ID, lambda done, of: None)
        assert drive(flow, session.answer)
