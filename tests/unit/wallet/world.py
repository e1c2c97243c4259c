"""A wallet's surroundings in one process: its file, a clock, and the far side of `farside.py`."""

import hashlib
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from farthing.schemes.contract import At, Scheme
from farthing.schemes.mac.millicent import MILLICENT
from farthing.wallet.book import Book
from farthing.wallet.choice import Guide
from farthing.wallet.commands import (
    AskMint,
    AskPayer,
    Broker,
    Command,
    Look,
    Purchase,
    Request,
    SendRequest,
    Settle,
    Wait,
)
from farthing.wallet.driver import drive
from farthing.wallet.errand import Flow
from farthing.wallet.fetching import Fetched, fetch
from farthing.wallet.file import create, open_file
from farthing.wallet.known import Known, Recall, Remember
from farthing.wallet.peering import reachable
from farthing.wallet.policy import Limits, Policy
from farthing.wallet.settling import Verdict
from farthing.wallet.store import Store
from farthing.wallet.vault import Cost
from farthing.wallet.waiting import Soon, at_once
from tests.unit.wallet.farside import BROKER, CURRENCY, SITE, Bank, KeysOf, Site

PASSPHRASE = "correct horse"
DEAD_PROCESS = 2**22 + 1  # above every process id that Linux gives out
CHEAP = Cost(memory_kib=64, iterations=1, lanes=1)
T = TypeVar("T")


class World:
    """A file, a clock, a site and a bank."""

    def __init__(
        self,
        folder: Path,
        *,
        site: Site | None = None,
        bank: Bank | None = None,
        soon: Soon = at_once,
    ) -> None:
        self.soon = soon
        self.now_ms = 1_800_000_000_000
        self.path = folder / "wallet.db"
        create(self.path, PASSPHRASE, CHEAP).close()
        self.site: Any = site or Site(self.now_s)
        self.bank: Any = bank or Bank(self.now_s)
        self.schemes: dict[str, Scheme] = {"millicent": MILLICENT}
        self.flow: Callable[[Guide, Request], Flow[Fetched]] = fetch
        """How pages are bought."""
        self.said: list[str] = []
        """Names of the commands that the flow gave, in order."""
        self.approves: bool | None = None
        self.limits = Limits()
        self.load_micro = 2_000
        self.floats: dict[str, int] = {}
        self.home = BROKER
        """Where alice has her account."""
        self.known = Known()
        self._turn = threading.Lock()
        self._draws = 0
        self.reopen()

    def now_s(self) -> int:
        return self.now_ms // 1000

    def reopen(self) -> None:
        """As another process would: nothing of the last one is left but its file."""
        self.store = Store(open_file(self.path, PASSPHRASE), self.soon)
        self.known = Known()

    def crash(self) -> None:
        """The process dies: its connection is gone, and its rows belong to a dead process."""
        with self.store.file.write() as db:
            db.execute("UPDATE purchases SET owner=? WHERE owner<>0", (DEAD_PROCESS,))
            db.execute("UPDATE asks SET owner=? WHERE owner<>0", (DEAD_PROCESS,))
        self.store.file.close()
        self.reopen()

    def run_until(self, flow: Flow[T], count: int) -> bool:
        """Run `count` commands of a flow and drop it there; False if it ended before."""
        try:
            command = next(flow)
            for number in range(1, count + 1):
                value = self.answer(command)
                if number == count:
                    break
                command = flow.send(value)
        except StopIteration:
            return False
        flow.close()
        return True

    def guide(self) -> Guide:
        account = Broker(
            id=self.home,
            url="https://broker.example",
            account="alice",
            token="tok-alice",
            currency=CURRENCY,
        )
        return Guide(
            schemes=self.schemes,
            brokers=reachable({self.home: account}, Book(self.store.file).peers()),
            policy=Policy(self.limits),
            ring=KeysOf(),
            load_micro=self.load_micro,
            floats=self.floats,
        )

    def answer(self, command: Command) -> Any:
        """What the driver does, without a socket."""
        with self._turn:
            self.said.append(_say(command))
            match command:
                case Look():
                    self._draws += 1
                    entropy = hashlib.shake_256(self._draws.to_bytes(8, "big")).digest(512)
                    return At(now_s=self.now_s(), entropy=entropy)
                case SendRequest(request=request):
                    return self.site.handle(request)
                case AskMint(ask=ask):
                    return self.bank.handle(ask)
                case Recall() | Remember():
                    return self.known.do(command, self.now_s())
                case AskPayer():
                    return bool(self.approves)
                case Wait(delay_ms=delay_ms):
                    self.now_ms += delay_ms
                    return None
                case _:
                    return self.store.do(command)

    def run(self, flow: Flow[T]) -> T:
        return drive(flow, self.answer)

    def fetch(self, path: str = "/a", *, method: str = "GET", body: bytes = b"") -> Fetched:
        fetched = self.run(self.flow(self.guide(), get(path, method=method, body=body)))
        if fetched.purchase is not None and fetched.verdict is Verdict.DONE:
            self.store.deliver(fetched.purchase)
        return fetched

    def held_micro(self, *states: str) -> int:
        """What instruments in these states are worth, all but the spent ones by default."""
        holdings = Book(self.store.file).holdings()
        return sum(each.worth_micro for each in holdings if not states or each.state in states)

    def require_conserved(self) -> None:
        """What was sold is held or was charged, and nothing else."""
        charged_micro = sum(amount_micro for _, amount_micro in self.site.charges)
        assert self.bank.sold_micro == self.held_micro() + charged_micro


def get(path: str, *, method: str = "GET", body: bytes = b"") -> Request:
    return Request(method=method, url=SITE + path, body=body)


def purchase_on(world: World, path: str = "/a") -> Purchase:
    """A purchase that is written and not sent."""
    made: list[Purchase] = []
    flow = fetch(world.guide(), get(path))
    command = next(flow)
    while not (isinstance(command, SendRequest) and command.leg == "paid"):
        answer = world.answer(command)
        if isinstance(answer, Purchase):
            made.append(answer)
        command = flow.send(answer)
    flow.close()
    return made[-1]


def _say(command: Command) -> str:
    name = type(command).__name__
    return f"{name}:{command.leg}" if isinstance(command, SendRequest) else name


def never(write: Callable[[], None]) -> None:
    """What waits is written with the next transaction, and not before."""


def settled(world: World, made: Purchase, **changes: object) -> bool:
    return bool(
        world.store.do(
            msgspec.structs.replace(
                Settle(purchase=made, state="released", now_s=world.now_s()), **changes
            )
        )
    )
