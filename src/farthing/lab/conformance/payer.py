"""A payer on a stage: the production wallet flow over a file of its own."""

import itertools
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import apsw
import httpx
import msgspec

from farthing import codec
from farthing.broker.web import problem_of
from farthing.errors import Refusal
from farthing.lab.conformance.bank import Bank
from farthing.lab.conformance.line import Died, Line
from farthing.lab.conformance.room import Room
from farthing.lab.conformance.shop import Shop
from farthing.schemes import registry
from farthing.schemes.contract import At, Dialect, Instrument, Json, Purse
from farthing.wallet.book import Book
from farthing.wallet.choice import Guide, is_paid
from farthing.wallet.commands import (
    Answered,
    Ask,
    AskMint,
    Broker,
    Command,
    Failed,
    Refused,
    Request,
    Response,
    SendRequest,
    Sent,
    Wait,
)
from farthing.wallet.driver import OPERATION_PATHS, Driver, Session, drive, read_mint
from farthing.wallet.errand import Flow, give_back, look_for
from farthing.wallet.fetching import Fetched, fetch
from farthing.wallet.file import FILE_MODE, create, open_file
from farthing.wallet.flow import Recovered, recover
from farthing.wallet.peering import reachable
from farthing.wallet.policy import Limits, Policy
from farthing.wallet.private import fetch_private
from farthing.wallet.reissuing import Reissued, reissue
from farthing.wallet.seed import SEED_BYTES, SeedRing, put_seed, seed_of
from farthing.wallet.settling import is_delivered
from farthing.wallet.store import Store
from farthing.wallet.vault import Cost
from farthing.wire import published

T = TypeVar("T")

PASSPHRASE = "a passphrase of the stage"  # noqa: S105 - protects nothing of value
CHEAP = Cost(memory_kib=64, iterations=1, lanes=1)
NO_LIMIT_MICRO = 10**12
NO_PAGE = 599  # stands for an answer that has not come: as after a failure, the page is still due
_PROCESSES = itertools.count(2**22 + 1)  # ids above every one that Linux gives out: none is alive


def _refused(request: httpx.Request) -> httpx.Response:
    raise AssertionError(f"{request.url} does not go over the line")


_NO_NETWORK = httpx.Client(transport=httpx.MockTransport(_refused), trust_env=False)
_HIDDEN = {"mpp": "payment-required", "x402": "www-authenticate"}
"""Per dialect: the header of the other one, which this payer does not read."""


class Payer:
    """One wallet with an account at the bank."""

    def __init__(
        self,
        room: Room,
        bank: Bank,
        line: Line,
        name: str,
        *,
        scheme: str,
        shops: Mapping[str, Shop],
        dialect: Dialect,
        load_micro: int,
    ) -> None:
        """`shops` by site; `load_micro`: how much is loaded at once."""
        self.room, self.bank, self.line, self.id = room, bank, line, name
        self.scheme, self.shops, self.dialect = scheme, shops, dialect
        self.load_micro = load_micro
        self.known: Any = registry.by_name(scheme)
        """The scheme, as its flows see it."""
        self.path = room.folder / f"{name}.db"
        self.got: set[str] = set()
        """Addresses of the pages that have reached it."""
        self.said: list[str] = []
        """Names of the commands that its flows gave."""
        made = create(self.path, PASSPHRASE, CHEAP)
        put_seed(made, room.entropy(SEED_BYTES))
        made.close()
        self.open()

    def open(self) -> None:
        """Begin, or begin again, with what is in the file."""
        file = open_file(self.path, PASSPHRASE)
        file.owner = next(_PROCESSES)
        self.store, self.book = Store(file), Book(file)
        self._seed = seed_of(file)

    def close(self) -> None:
        """Stop."""
        self.store.file.close()

    def restart(self) -> None:
        """As another process would: nothing is left but the file."""
        self.close()
        self.open()

    def save(self, to: Path) -> None:
        """Copy the file as it is now."""
        to.touch(mode=FILE_MODE)
        source, target = apsw.Connection(str(self.path)), apsw.Connection(str(to))
        with target.backup("main", source, "main") as copy:
            copy.step()
        source.close()
        target.close()

    def restore(self, saved: Path | None = None) -> None:
        """Go on with an old copy of the file; with a new one where there is none."""
        self.close()
        for path in self.path.parent.glob(f"{self.path.name}*"):
            path.unlink()
        if saved is None:
            create(self.path, PASSPHRASE, CHEAP).close()
        else:
            saved.rename(self.path)
        self.open()

    # --- what a payer does ------------------------------------------------------------------------

    def buy(self, url: str) -> Fetched:
        """Fetch a page and pay for it; the page has then reached the payer. Any refusal."""
        flow = fetch_private if self.dialect == "private" else fetch
        with self.session() as session:
            fetched = self.run(flow(self.guide(), Request(method="GET", url=url)), session)
            made, answer = fetched.purchase, fetched.answer
            status = answer.status if isinstance(answer, Response) else NO_PAGE
            if made is not None and is_delivered(fetched.verdict, status):
                self.got.add(url)
                session.deliver(made)
                self.run(session.after(made), session)
            return fetched

    def recover(self, *, days: int = 0) -> Recovered:
        """Finish what was abandoned, and collect refunds of so many days."""
        return self.run_alone(recover(self.guide(), days=days))

    def reissue(self) -> tuple[Reissued, ...]:
        """Get back what a lost wallet of this account held. Any refusal."""
        flow = reissue(self.guide(), self.book, self.bank.id, lambda done, total: None)
        return self.run_alone(flow)

    def give_back(self, instrument: Instrument, site: str) -> bool:
        """Return what is left of an instrument. Any refusal."""
        answer = self.run_alone(self.returning(self.bank.id, site, instrument))
        return answer is not None

    def returning(self, broker_id: str, site: str, instrument: Instrument) -> Flow[Json | None]:
        """The flow that returns what is left of an instrument of any broker."""
        return give_back(self.guide(), broker_id, site, instrument)

    def numbered(self, purse: Purse) -> At:
        """The time, fresh entropy, and a number where the purse wants one."""
        return self.run_alone(look_for(purse))

    def guide(self) -> Guide:
        """Whom its flows work for."""
        account = Broker(
            id=self.bank.id, url=self.bank.url, account=self.id, token=self.id,
            currency=self.bank.currency,
        )  # fmt: skip  # - one account
        limits = Limits(
            per_payment_micro=NO_LIMIT_MICRO,
            per_site_day_micro=NO_LIMIT_MICRO,
            per_day_micro=NO_LIMIT_MICRO,
        )
        return Guide(
            schemes={self.scheme: self.known},
            brokers=reachable({account.id: account}, self.book.peers()),
            policy=Policy(limits),
            ring=SeedRing(self._seed),
            load_micro=self.load_micro,
        )

    def instruments(self) -> list[Instrument]:
        """What it holds that is worth something, spent power apart."""
        return [held.instrument for held in self.book.held()]

    def held_micro(self) -> int:
        """What its instruments are worth, those on their way included."""
        return sum(each.worth_micro for each in self.book.holdings())

    # --- its surroundings -------------------------------------------------------------------------

    @contextmanager
    def session(self) -> Iterator[Session]:
        """For one flow: what it took is let go when it ends, unless it ends with the process."""
        session = self.driver().session()
        is_dead = False
        try:
            yield session
        except Died as died:
            is_dead = died.who == self.id
            raise
        finally:
            if not is_dead:
                session.__exit__()

    def driver(self) -> Driver:
        """The wallet's own, with the room's clock and luck."""
        return Driver(
            self.guide(),
            self.store,
            _NO_NETWORK,
            clock=lambda: self.room.now_s,
            entropy=self.room.entropy,
            ask=lambda question: True,
        )

    def run_alone(self, flow: Flow[T]) -> T:
        """A flow in a session of its own."""
        with self.session() as session:
            return self.run(flow, session)

    def run(self, flow: Flow[T], session: Session) -> T:
        """A flow to its end; `Died` where a case wants it so."""

        def watched(command: Command) -> Any:
            name = type(command).__name__
            self.said.append(name)
            self.line.before(self.id, name)
            answer = self.answer(command, session)
            self.line.after(self.id, name)
            return answer

        return drive(flow, watched)

    def answer(self, command: Command, session: Session) -> Any:
        """What the wallet's driver does; what goes over the network passes the line instead."""
        match command:
            case SendRequest(request=request):
                return self.send(request)
            case AskMint(ask=ask):
                return self._ask(ask)
            case Wait(delay_ms=delay_ms):
                self.room.now_ms += delay_ms
                return None
            case _:
                return session.answer(command)

    def send(self, request: Request) -> Sent:
        """What comes back, in this payer's dialect."""
        shop = next(shop for site, shop in self.shops.items() if request.url.startswith(site))
        is_payment = is_paid(request) or request.url.endswith(published.PRIVATE_PATH)
        fault = self.line.faults.pop(0) if is_payment and self.line.faults else ""
        if fault == "payment":
            return Failed(reason="ConnectError")
        try:
            answer = shop.serve(request)
            if fault == "reply":
                return Failed(reason="ReadError")
        except Died as died:
            if died.who != shop.id:
                raise
            shop.restart()
            return Failed(reason="ReadError")
        hidden = _HIDDEN.get(self.dialect)
        shown = tuple(pair for pair in answer.headers if pair[0] != hidden)
        return msgspec.structs.replace(answer, headers=shown)

    def _ask(self, ask: Ask) -> Answered | Refused | Failed:
        asked = ask.asked
        kind = f"{asked.to} {asked.operation}"
        raw = self.line.carry(kind, codec.canonical(asked.message))
        if asked.to == "vendor":
            status, body = self._at_shop(ask, raw)
        else:
            try:
                self.line.before("broker", asked.operation)
                who = "" if asked.bearer else self.id
                status, body = (
                    200,
                    self.bank.operate(
                        ask.scheme, asked.operation, codec.read_json(raw), who, ask.id
                    ),
                )
                self.line.after("broker", asked.operation)
            except Died as died:
                if died.who != "broker":
                    raise
                self.bank.restart()
                return Failed(reason="ReadError")
            except Refusal as refusal:
                status, _, body = problem_of(refusal)
        return read_mint(status, self.line.carry(f"{kind} answer", body))

    def _at_shop(self, ask: Ask, raw: bytes) -> tuple[int, bytes]:
        shop = next(shop for shop in self.shops.values() if shop.id == ask.asked.vendor_id)
        path = OPERATION_PATHS[ask.asked.operation]
        return shop.mint(ask.scheme, path, codec.read_json(raw))
