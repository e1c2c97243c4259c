"""A payer of a world: the wallet's flows over its real file, its requests over the world's network.

What the flows ask for is answered by the wallet's own driver, all but what goes over the network
or takes time: a simulated payer may wait while others go on.
"""

import asyncio
import random
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, TypeVar

import apsw
import httpx
import msgspec

from farthing.errors import Refusal
from farthing.lab.disk import hasten
from farthing.lab.ground import Ground
from farthing.lab.loop import PROCESS
from farthing.lab.network import Message, NoAnswer, NotReached, Reply
from farthing.lab.parties import Party
from farthing.schemes import registry
from farthing.schemes.contract import At
from farthing.wallet import errand
from farthing.wallet.app import Wallet
from farthing.wallet.book import Book, Held
from farthing.wallet.choice import Guide
from farthing.wallet.commands import (
    AskMint,
    Command,
    Failed,
    KeepPeer,
    Request,
    Response,
    SendRequest,
    Sent,
    Wait,
)
from farthing.wallet.commands import Broker as Account
from farthing.wallet.driver import (
    ENTROPY_BYTES,
    KEYS_S,
    MINT_TIMEOUT_S,
    TIMEOUT_S,
    Driver,
    Session,
    mint_request,
    read_mint,
    with_peer,
)
from farthing.wallet.errand import Flow
from farthing.wallet.fetching import Fetched, fetch
from farthing.wallet.file import File, create, open_file
from farthing.wallet.flow import Recovered, recover
from farthing.wallet.policy import Limits
from farthing.wallet.private import fetch_private
from farthing.wallet.reply import checking
from farthing.wallet.seed import SEED_BYTES, put_seed, seed_of
from farthing.wallet.settling import is_delivered
from farthing.wallet.vault import Cost
from farthing.wallet.waiting import WITHIN_S

T = TypeVar("T")

PASSPHRASE = "of the world"  # noqa: S105 - it guards nothing
CHEAP = Cost(memory_kib=8, iterations=1, lanes=1)  # Argon2id's least: nobody guesses here
NOBODYS = 5_000_000  # above every process id: whoever was killed is known to be gone
LIMITS = Limits(
    per_payment_micro=10**9, per_site_day_micro=10**12, per_day_micro=10**12
)  # budgets are tried elsewhere


def _no_network(request: httpx.Request) -> httpx.Response:
    raise AssertionError("a simulated wallet speaks through its world")


class PayerParty(Party):
    """A payer and its wallet."""

    _client = httpx.Client(transport=httpx.MockTransport(_no_network), trust_env=False)

    def __init__(self, ground: Ground, name: str) -> None:
        """Without a wallet yet."""
        super().__init__(ground, name)
        self.driver: Driver | None = None
        self.book: Book | None = None
        self._file: File | None = None
        self._wallet: Wallet | None = None
        self.published: dict[str, tuple[int, Sent]] = {}
        self.lost: list[File] = []
        """Files of the wallets that it has lost, for the world's own eyes."""
        self.has_regained = True
        """Whether it has all that comes back of those."""

    @property
    def path(self) -> Any:
        """Of its wallet's file."""
        return self.folder / "wallet.db"

    def found(self, *accounts: Account, seed: bytes = b"") -> None:
        """Make its wallet, with these accounts; without, for what others hand over."""
        luck = random.Random(f"vault of {self.name} {len(self.lost)}")
        made = create(self.path, PASSPHRASE, CHEAP, luck.randbytes)
        put_seed(made, seed or self.ground.entropy(SEED_BYTES))
        book = Book(made)
        for account in accounts:
            book.put_broker(account)
        book.set_limits(LIMITS)
        made.close()

    def _open(self) -> None:
        opened = open_file(self.path, PASSPHRASE)
        hasten(opened.connection)
        self.ground.checks.conserved.watch(self.name, opened.connection)
        opened.owner = NOBODYS + self.ground.lives
        self._file, self.book = opened, Book(opened)
        wallet = Wallet(
            opened,
            client=self._client,
            clock=self.now_s,
            entropy=self.ground.entropy,
            soon=self._soon,
        )
        self._wallet, self.driver = wallet, wallet.driver(LIMITS)
        self.published = {}

    def _soon(self, write: Callable[[], None]) -> None:
        self.ground.loop.call_later(WITHIN_S, write, context=self.life.context.copy())

    def _lose(self) -> None:
        if self._file is not None:
            self._file.close()
        self._file = self.book = self.driver = self._wallet = None

    def lose(self) -> None:
        """Its wallet is gone: a new one has the same accounts and seed, and nothing else."""
        accounts, seed = Book(self.file).brokers().values(), seed_of(self.file)
        self.kill("its wallet is lost")
        self.ground.checks.conserved.lose(self.name)
        gone = self.folder.rename(self.folder.with_name(f"{self.name}-lost{len(self.lost)}"))
        self.lost.append(open_file(gone / self.path.name, PASSPHRASE))
        self.has_regained = False
        self.folder.mkdir()
        self.found(*(account for account in accounts if account.account), seed=seed)
        self.start()

    def give_token(self, token: str) -> None:
        """Its accounts have another token from now on, as where the old one was stolen."""
        assert self.book is not None, "it is up"
        for account in self.book.brokers().values():
            if account.account:
                self.book.put_broker(msgspec.structs.replace(account, token=token))
        self.look_again()

    @property
    def files(self) -> list[File]:
        """That of its wallet, and of those that it has lost."""
        return [*self.lost, self.file]

    # --- what a payer does ----------------------------------------------------------------------

    def driver_for(self, scheme: str) -> Driver:
        """For one scheme alone."""
        assert self.driver is not None, "it is up"
        guide = self.driver.guide
        if scheme:
            schemes = {scheme: registry.by_name(scheme)}
            guide = msgspec.structs.replace(guide, schemes=schemes)
        driver = self.driver
        return Driver(
            guide,
            driver.store,
            driver.client,
            clock=driver.clock,
            entropy=driver.entropy,
            known=driver.known,
        )

    async def buy(self, url: str, *, scheme: str = "", private: bool = False) -> Fetched:
        """Fetch a page and pay for it, with one scheme or with any; refusals as of the flow."""
        driver = self.driver_for(scheme)
        request = Request(method="GET", url=url)
        flow = (fetch_private if private else fetch)(driver.guide, request)
        line = Line(self)
        with driver.session() as session:
            fetched = await line.carry(flow, session)
            made, answer = fetched.purchase, fetched.answer
            if made is None or not isinstance(answer, Response):
                return fetched
            if is_delivered(fetched.verdict, answer.status):
                page = answer.body if private else line.page
                if answer.status == HTTPStatus.OK:
                    self.ground.checks.given.got(self.name, made, page)
                check = None if private else checking(driver.guide, made, answer)
                if check is not None:
                    check.add(line.page)
                    check.require()
                session.deliver(made)
                await line.carry(session.after(made), session)
        return fetched

    def set_float(self, amount_micro: int) -> None:
        """Pay for vendors' instruments with the broker's own from now on; 0: with the account."""
        assert self.book is not None, "it is up"
        assert self._wallet is not None, "likewise"
        floats = {account.id: amount_micro for account in self._wallet.brokers()}
        self.book.set_floats(floats if amount_micro else {})
        self.look_again()

    def look_again(self) -> None:
        """See what the file says of brokers by now."""
        assert self._wallet is not None, "it is up"
        self.driver = self._wallet.driver(LIMITS)

    async def load(self, amount_micro: int) -> int:
        """Buy what pays for orders, and use it from now on; refusals as of the mint."""
        self.set_float(amount_micro)

        def flow(guide: Guide) -> Flow[int]:
            (broker_id,) = guide.floats
            return errand.load_float(guide, broker_id, amount_micro)

        return await self.do(flow)

    async def recover(self, *, days: int = 0) -> Recovered:
        """Finish what was left undone."""
        return await self.do(lambda guide: recover(guide, days=days))

    async def give_back(self, held: Held) -> bool:
        """Return one instrument; refusals as of the mint."""
        answer = await self.do(
            lambda guide: errand.give_back(guide, held.broker_id, held.site, held.instrument)
        )
        return answer is not None

    async def do(self, flow: Callable[[Guide], Flow[T]], *, scheme: str = "") -> T:
        """Any flow of its wallet, with one scheme or with all; refusals as of the flow."""
        driver = self.driver_for(scheme)
        with driver.session() as session:
            return await Line(self).carry(flow(driver.guide), session)

    def may_return(self, held: Held) -> bool:
        """Whether an instrument has not ended, and its purse has nothing against returning it."""
        assert self.driver is not None, "it is up"
        instrument, at = held.instrument, At(now_s=self.now_s(), entropy=bytes(ENTROPY_BYTES))
        if instrument.expires_at_s <= at.now_s:
            return False
        try:
            self.driver.guide.purse(instrument.scheme, held.broker_id).give_back(instrument, at)
        except Refusal:
            return False
        return True

    @property
    def file(self) -> File:
        """Its wallet's file, while it is up, with all that has happened: for the world's eyes."""
        assert self._file is not None, "it is up"
        assert self.driver is not None, "likewise"
        self.driver.store.flush()
        return self._file

    @property
    def connection(self) -> apsw.Connection:
        """To its file, likewise."""
        return self.file.connection

    def held(self) -> tuple[Held, ...]:
        """Every instrument that may be given back."""
        return Book(self.file).held()


def message_of(request: Request) -> Message:
    """What goes over the network."""
    return Message(
        method=request.method,
        url=request.url,
        headers=tuple(
            (name.lower().encode(), value.encode("latin-1")) for name, value in request.headers
        ),
        body=request.body,
    )


class Line:
    """One flow's way to the world."""

    def __init__(self, payer: PayerParty) -> None:
        """Of a payer."""
        self._payer = payer
        self.page = b""
        """The body of the last answer to the payer's own request."""

    async def carry(self, flow: Flow[T], session: Session) -> T:
        """Run a flow to its end; refusals are thrown into it."""
        process = PROCESS.get()
        try:
            command = next(flow)
            while True:
                try:
                    value = await self._answer(command, session)
                except Refusal as refusal:
                    command = flow.throw(refusal)
                else:
                    command = flow.send(value)
        except StopIteration as end:
            result: T = end.value
            return result
        finally:
            if process is None or process.is_alive:
                flow.close()

    async def _answer(self, command: Command, session: Session) -> Any:
        match command:
            case SendRequest(request=request, leg="keys"):
                return await self._published(request)
            case SendRequest(request=request, leg=leg):
                return await self._send(request, whole=leg not in {"first", "paid"})
            case AskMint(ask=ask):
                guide = self._payer.driver_for("").guide
                reply = await self._ask(mint_request(guide, ask), MINT_TIMEOUT_S)
                if isinstance(reply, Failed):
                    return reply
                return read_mint(reply.status, reply.body)
            case KeepPeer():
                session.answer(command)
                assert self._payer.driver is not None, "it is up"
                self._payer.driver.guide = with_peer(self._payer.driver.guide, command)
                return None
            case Wait(delay_ms=delay_ms):
                await asyncio.sleep(delay_ms / 1000)
                return None
            case _:
                answer = session.answer(command)
                self._payer.ground.checks.conserved.wallet_did(self._payer.name, command, answer)
                return answer

    async def _published(self, request: Request) -> Sent:
        """As `Session` does it: what a vendor publishes, as it was a while ago."""
        known, now_s = self._payer.published, self._payer.now_s()
        read_at_s, answer = known.get(request.url, (0, None))
        if answer is not None and now_s - read_at_s < KEYS_S and not request.headers:
            return answer
        fresh = await self._send(request, whole=True)
        if isinstance(fresh, Response) and fresh.status == 200:
            known[request.url] = (now_s, fresh)
        return fresh

    async def _send(self, request: Request, *, whole: bool) -> Sent:
        reply = await self._ask(request, TIMEOUT_S)
        if isinstance(reply, Failed):
            return reply
        headers = tuple((name.decode(), value.decode("latin-1")) for name, value in reply.headers)
        if not whole:
            self.page = reply.body
            kind = next((value for name, value in headers if name == "content-type"), "")
            whole = reply.status >= 400 and kind.startswith("application/problem+json")
        return Response(
            status=reply.status,
            url=request.url,
            headers=headers,
            body=reply.body if whole else b"",
        )

    async def _ask(self, request: Request, timeout_s: float) -> Reply | Failed:
        payer = self._payer
        try:
            return await payer.ground.network.ask(payer.name, message_of(request), timeout_s)
        except (NotReached, NoAnswer) as wrong:
            return Failed(reason=type(wrong).__name__)
