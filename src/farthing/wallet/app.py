"""The wallet as commands use it: open a file, pay for pages, see what was paid, give back.

This is the process edge: the clock, the environment and the client for brokers are here.
"""

import os
import secrets
import time
import weakref
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import IO, Any, Self

import httpx
import msgspec

from farthing import ids, money
from farthing.errors import BadRequest, Misconfigured, Refusal, Unavailable
from farthing.schemes import registry
from farthing.schemes.contract import Scheme
from farthing.wallet import account as account_of
from farthing.wallet import errand, file, listening, page, returning, seed
from farthing.wallet.account import Balance, TopUp
from farthing.wallet.book import Book, Entry, Holding
from farthing.wallet.cashier import Cashier
from farthing.wallet.choice import Guide
from farthing.wallet.commands import Broker, Question, Request
from farthing.wallet.courier import goes_direct, new_client
from farthing.wallet.driver import Driver, drive
from farthing.wallet.flow import Recovered, recover
from farthing.wallet.httpx_auth import FarthingAuth
from farthing.wallet.known import Known
from farthing.wallet.listening import Heard
from farthing.wallet.page import Page
from farthing.wallet.peering import reachable
from farthing.wallet.policy import Limits, Policy, read_cap, read_limits
from farthing.wallet.returning import Returned
from farthing.wallet.store import Store
from farthing.wallet.vault import Cost
from farthing.wallet.waiting import Soon, in_a_moment

PATH_VARIABLE = "FARTHING_WALLET"
PASSPHRASE_VARIABLE = "FARTHING_WALLET_PASSPHRASE"  # noqa: S105 - the name of a variable
DATA_VARIABLE = "FARTHING_DATA"
DEFAULT_PATH = "~/.farthing/wallet.db"
LOAD_MICRO = 2_000  # ten pages at 0.02 cent: what is lost with a vendor that disappears
REFERENCE_BYTES = 6  # of a top-up: short enough to type into a bank form

Asker = Callable[[Question], bool]


class Loaded(msgspec.Struct, frozen=True, kw_only=True):
    """What `load` bought."""

    broker_id: str
    currency: str
    loaded_micro: int
    """An earlier order that was left unfinished included."""


class Wallet:
    """One open wallet."""

    def __init__(
        self,
        opened: file.File,
        *,
        schemes: Mapping[str, Scheme] | None = None,
        client: httpx.Client | None = None,
        clock: Callable[[], int] | None = None,
        entropy: Callable[[int], bytes] = secrets.token_bytes,
        told: Callable[[int], object] = lambda _: None,
        soon: Soon = in_a_moment,
    ) -> None:
        """Use `init` or `open_wallet`. `schemes` in the payer's order, all registered by default.

        `client` asks brokers and fetches pages for `get`; it must not follow redirects. `told`
        hears for how many seconds a site or a broker has asked to wait (429), before it is waited.
        `soon` has written what may wait for a moment.
        """
        self.path = opened.path
        self._store = Store(opened, soon)
        weakref.finalize(self._store, self._store.waiting.at_end)
        self._book = Book(opened)
        if schemes is None:
            schemes = {scheme.traits.name: scheme for scheme in registry.all_schemes()}
        self._schemes = schemes
        self._client = client or new_client()
        self._clock = clock or (lambda: int(time.time()))
        self._driver = partial(
            Driver,
            entropy=entropy,
            published={},
            known=Known(),
            is_direct=goes_direct(client),
            told=told,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file and the connections; a second time does nothing. `Busy`, `Broken`."""
        if not self._client.is_closed:
            self._client.close()
            self._store.close()

    # --- accounts and budgets -------------------------------------------------------------------

    def add_broker(
        self,
        url: str,
        account: str,
        token: str,
        *,
        broker_id: str = "",
        currency: str = "",
    ) -> Broker:
        """Remember an account at a broker; what is asked and refused is as of `account.find`.

        One at each broker: the same again changes its token, another is `Misconfigured` while the
        wallet holds something of the first.
        """
        client, named = self._client, {"broker_id": broker_id, "currency": currency}
        broker = account_of.find(client, url, token, account=account, **named)
        self._book.put_broker(broker)
        return broker

    def topup(
        self, amount: str, *, broker_id: str = "", reference: str = "", admin_token: str = ""
    ) -> TopUp:
        """Put money into the account; without the operator's token, say how.

        `reference` is the bank's name of the credit; the same one books nothing twice.
        """
        broker = self._book.broker(broker_id)
        return account_of.top_up(
            self._client,
            broker,
            _amount_in(amount, broker),
            reference=reference or ids.new_id("tu", secrets.token_bytes(REFERENCE_BYTES)),
            admin_token=admin_token,
        )

    def load(self, amount: str, *, broker_id: str = "") -> Loaded:
        """Buy the broker's own scrip, and from now on pay for vendors' scrip with it.

        Where it runs out, as much again is bought. `give_back` of everything ends it. `Unfunded`,
        `OutOfRange` above the largest piece, `Unavailable`.
        """
        broker = self._book.broker(broker_id)
        amount_micro = _amount_in(amount, broker)
        before = self._book.floats()
        self._book.set_floats(before | {broker.id: amount_micro})
        driver = self.driver(self._book.limits())
        try:
            with driver.session() as session:
                flow = errand.load_float(driver.guide, broker.id, amount_micro)
                loaded_micro = drive(flow, session.answer)
        except Refusal as refusal:
            if not isinstance(refusal, Unavailable):  # else it is finished the next time
                self._book.set_floats(before)
            raise
        return Loaded(broker_id=broker.id, currency=broker.currency, loaded_micro=loaded_micro)

    def balance(self, broker_id: str = "") -> Balance:
        """What the broker says of the account; `Unavailable`."""
        broker = self._book.broker(broker_id)
        return account_of.balance(self._client, broker.url, broker.token)

    def brokers(self) -> tuple[Broker, ...]:
        """Every account."""
        return tuple(self._book.brokers().values())

    def limits(self) -> Limits:
        """The budgets."""
        return self._book.limits()

    def set_limits(self, limits: Limits) -> None:
        """Change the budgets for good."""
        self._book.set_limits(limits)

    # --- paying ---------------------------------------------------------------------------------

    def auth(
        self,
        *,
        max_per_payment: str = "",
        max_per_site_day: str = "",
        max_per_day: str = "",
        sites: tuple[str, ...] | None = None,
        schemes: tuple[str, ...] | str | None = None,
        ask: Asker | None = None,
        load: str = "",
    ) -> FarthingAuth:
        """For `httpx.Client(auth=…)`. Amounts as `5c`; what is left out is as the wallet says.

        `schemes`: by what it pays, the preferred first, as in `("ecash", "millicent")`; or as
        one text, `ecash,millicent`.
        `ask` is asked about a payment above a budget; without it such a payment is refused.
        """
        limits = read_limits(
            self._book.limits(),
            currency="",
            max_per_payment=max_per_payment,
            max_per_site_day=max_per_site_day,
            max_per_day=max_per_day,
            sites=sites,
            schemes=tuple(schemes.split(",")) if isinstance(schemes, str) else schemes,
        )
        typed = {
            "per_payment_micro": max_per_payment,
            "per_site_day_micro": max_per_site_day,
            "per_day_micro": max_per_day,
        }
        named = frozenset(name for name, text in typed.items() if text)
        return FarthingAuth(self.driver(limits, ask, load, programs=named))

    def cashier(self, *, ask: Asker | None = None) -> Cashier:
        """Makes payments that somebody else's client sends, within this wallet's budgets."""
        return Cashier(self.driver(self._book.limits(), ask))

    def driver(
        self,
        limits: Limits,
        ask: Asker | None = None,
        load: str = "",
        *,
        programs: frozenset[str] = frozenset(),
    ) -> Driver:
        """What carries out flows on this wallet, within these budgets.

        `programs`: those of them that are the program's, besides what the wallet has otherwise.
        """
        own = msgspec.structs.asdict(self._book.limits())
        programs |= {name for name, value in own.items() if getattr(limits, name) != value}
        guide = Guide(
            schemes=self._schemes,
            brokers=reachable(self._book.brokers(), self._book.peers()),
            policy=Policy(limits, programs=programs),
            ring=seed.SeedRing(seed.seed_of(self._store.file)),
            load_micro=money.parse_amount(load).micro if load else LOAD_MICRO,
            floats=self._book.floats(),
        )
        return self._driver(guide, self._store, self._client, clock=self._clock, ask=ask)

    def get(
        self,
        url: str,
        out: IO[bytes],
        *,
        method: str = "GET",
        headers: page.Named = (),
        body: bytes = b"",
        limits: Limits | None = None,
        ask: Asker | None = None,
        private: bool = False,
        once: str = "",
    ) -> Page:
        """Fetch `url` into `out`, paying if that is what it takes.

        Refusals of the budgets, brokers and site; `BadRequest` for what cannot be sent;
        `Unavailable` where the site does not answer. A page that breaks off is fetched again with
        the same payment; `out` must be seekable. `Forged` for one that was altered: `out` is empty.

        `private`: under a seal, so that nobody on the way learns what is bought; `Unsupported`
        where the vendor does not sell it so, `BadRequest` for headers that are not sent so.

        `once`: what it is bought for: for that one purchase is made at most, at any time and after
        any crash. `Busy` while it is under way; `Denied` where it came to nothing.
        """
        driver = self.driver(limits or self._book.limits(), ask)
        request = page.asking(method, url, headers, body)
        if private and once:
            raise BadRequest("once_in_private", "what is bought once is bought in the open")
        if private:
            return page.in_private(driver, request, out)
        return page.in_the_open(driver, self._client, request, out, once=once)

    def listen(
        self,
        url: str,
        out: IO[bytes],
        *,
        most: str = "",
        limits: Limits | None = None,
        ask: Asker | None = None,
        progress: listening.Progress = listening.nothing,
    ) -> Heard:
        """Read a stream into `out`, paying while it runs, as far as the budgets go.

        `most`: what it may cost in all, as in `2c`; else the budget of a site and day. Refusals as
        of `get` before anything is paid, afterwards `Heard.refused` has their code.
        """
        limits = limits or self._book.limits()
        return listening.listen(
            self.driver(limits, ask),
            self._client,
            Request(method="GET", url=url),
            out,
            cap=read_cap(most, limits),
            progress=progress,
        )

    def recover(self, *, days: int = 0) -> Recovered:
        """Finish what a killed or cancelled wallet left behind. Pays nothing.

        What vendors gave back for purchases of the last `days` comes in; 0: nobody is asked.
        """
        driver = self.driver(self._book.limits())
        with driver.session() as session:
            return drive(recover(driver.guide, days=days), session.answer)

    def give_back(self, *, scheme: str = "", vendor_id: str = "") -> tuple[Returned, ...]:
        """Return what is left of every instrument, or of those of one scheme or vendor.

        In a wallet that was loaded, vendors' scrip becomes broker scrip, and broker scrip money:
        where everything is returned the wallet buys of its account afterwards. Stocks of it end.
        """
        driver = self.driver(self._book.limits())
        self._store.flush()
        return returning.give_back(driver, self._book, scheme=scheme, vendor_id=vendor_id)

    def holdings(self) -> tuple[Holding, ...]:
        """Unspent instruments, summed by broker, scheme, vendor and state; `Busy`, `Broken`."""
        self._store.flush()
        return self._book.holdings()

    def history(self, count: int = 100) -> tuple[Entry, ...]:
        """The last purchases, newest first; `Busy`, `Broken`."""
        self._store.flush()
        return self._book.history(count)


def _amount_in(typed: str, broker: Broker) -> int:
    """Micro-units of what was typed; `Misconfigured` for nothing, and for another currency."""
    amount = money.parse_amount(typed, broker.currency)
    if not amount.micro:
        raise Misconfigured("amount_of_nothing", "say how much, as in 5eur")
    if amount.currency not in {None, broker.currency}:
        raise Misconfigured(
            "amount_in_other_currency", f"the account at {broker.id} is in {broker.currency}"
        )
    return amount.micro


def default_path() -> Path:
    """`FARTHING_WALLET`, else `wallet.db` under `FARTHING_DATA`, else in the home folder."""
    named = os.environ.get(PATH_VARIABLE)
    if named:
        return Path(named)
    data = os.environ.get(DATA_VARIABLE)
    return Path(data) / "wallet.db" if data else Path(DEFAULT_PATH).expanduser()


def init(
    path: Path | str | None = None,
    passphrase: str | None = None,
    *,
    cost: Cost | None = None,
    **options: Any,
) -> Wallet:
    """A new wallet; `Misconfigured` if one is there, `Denied` without a passphrase.

    `options` as of `Wallet`; `cost` is how hard the passphrase is to guess.
    """
    where = Path(path) if path is not None else default_path()
    return Wallet(file.create(where, _passphrase(passphrase), cost or Cost()), **options)


def open_wallet(
    path: Path | str | None = None, passphrase: str | None = None, **options: Any
) -> Wallet:
    """An existing wallet; see `file.open_file` for the refusals. `options` as of `Wallet`."""
    where = Path(path) if path is not None else default_path()
    return Wallet(file.open_file(where, _passphrase(passphrase)), **options)


def _passphrase(given: str | None) -> str:
    return given if given is not None else os.environ.get(PASSPHRASE_VARIABLE, "")
