"""A relay, its gate and its wallet die at their n-th step, for every n, and the payer asks again.

One process has all three, so each crash ends all three: a step is a command of the gate, one of the
wallet's file, a request of the wallet's, or a part of the answer that goes out.
"""

import asyncio
from pathlib import Path
from typing import IO, Any, cast

import httpx
import msgspec
import pytest

from farthing.relay import Relay
from farthing.schemes.contract import Dialect
from farthing.vendor.booking import LEASE_GRACE_S
from farthing.vendor.commands import Answer, AskOrigin, OriginAnswered
from farthing.vendor.prices import ORIGIN_TIMEOUT_S
from farthing.wallet.app import Wallet
from farthing.wallet.commands import Failed, Request
from farthing.wallet.driver import Driver
from farthing.wallet.page import Page, in_the_open
from farthing.wallet.policy import Limits, Policy
from farthing.wallet.store import Store
from tests.kit.shop import HOST, PATH, PRICE_MICRO, ROUTE, Buyer, Payment, Shop
from tests.unit.wallet.farside import PAGE, SITE
from tests.unit.wallet.servers import BankApi
from tests.unit.wallet.world import World

RICH = Limits(per_site_day_micro=10**9, per_day_micro=10**9)
LEASE_S = ORIGIN_TIMEOUT_S + LEASE_GRACE_S
STEPS_MIN, STEPS_MAX = 10, 200  # fewer and more than any purchase has
REPEATS = 3  # of the payer, after the crashes: the answers stay the same
FAULTS = ("lost", "reply_lost", "unavailable", "origin_fails")


class Died(BaseException):
    """The power went."""


class Countdown:
    """How many steps are left."""

    def __init__(self) -> None:
        self.left: int | None = None

    def step(self) -> None:
        if self.left is not None:
            if not self.left:
                raise Died
            self.left -= 1


class Counting:
    """A wallet's file; each command, written or not, is a step."""

    def __init__(self, world: World, countdown: Countdown) -> None:
        self._world, self._countdown = world, countdown

    def do(self, command: Any) -> Any:
        self._countdown.step()
        answer = self._world.store.do(command)
        self._countdown.step()
        return answer

    def __getattr__(self, name: str) -> Any:
        self._countdown.step()
        return getattr(self._world.store, name)


class Purse:
    """The relay's wallet, over a file and a network that may die at any moment."""

    def __init__(self, world: World, countdown: Countdown) -> None:
        self._world, self._countdown = world, countdown
        self._bank = BankApi(world.bank)
        self._client = httpx.Client(transport=httpx.MockTransport(self._send))

    def limits(self) -> Limits:
        return self._world.limits

    def get(self, url: str, out: IO[bytes], *, limits: Limits, once: str) -> Page:
        """As `Wallet.get`."""
        guide = msgspec.structs.replace(self._world.guide(), policy=Policy(limits))
        store = cast(Store, Counting(self._world, self._countdown))
        driver = Driver(guide, store, self._client, clock=self._world.now_s)
        return in_the_open(driver, self._client, Request(method="GET", url=url), out, once=once)

    def _send(self, asked: httpx.Request) -> httpx.Response:
        self._countdown.step()
        url, headers = str(asked.url), tuple(asked.headers.items())
        request = Request(method=asked.method, url=url, headers=headers, body=asked.content)
        far = self._world.site if url.startswith(SITE) else self._bank
        answer = far.handle(request)
        self._countdown.step()
        if isinstance(answer, Failed):
            raise httpx.ReadError(answer.reason, request=asked)
        body = answer.body or (PAGE if answer.status == 200 else b"")
        return httpx.Response(answer.status, headers=list(answer.headers), content=body)


class Middle:
    """A gate before a relay, with a wallet, before a vendor."""

    def __init__(self, folder: Path) -> None:
        self.countdown = Countdown()
        self.world = World(folder)
        self.world.limits = RICH
        self.shop = Shop(ROUTE + "hold = false")
        self.shop.origin = self._relayed
        self._relay = Relay(SITE, cast(Wallet, Purse(self.world, self.countdown)))

    def _relayed(self, asked: AskOrigin) -> OriginAnswered:
        """What the relay answers to a request that its gate passes on."""
        parts: list[Any] = []
        path, _, query = PATH.partition("?")
        scope = {
            "type": "http",
            "method": "GET",
            "path": path,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "headers": [(b"host", HOST.encode()), *asked.add],
        }

        async def send(message: Any) -> None:
            self.countdown.step()
            parts.append(message)

        async def receive() -> Any:
            raise AssertionError("it reads no bodies")

        asyncio.run(self._relay(scope, receive, send))
        head, *bodies = parts
        body = b"".join(each["body"] for each in bodies)
        return OriginAnswered(status=head["status"], headers=tuple(head["headers"]), body=body)

    def come_in(self, buyer: Buyer, dialect: Dialect = "mpp") -> Payment:
        """One more payment; the wallet has to load for what it buys, and could for one more."""
        self.world.bank.balance_micro = 2 * PRICE_MICRO
        return buyer.pay(dialect)

    def ask(self, payment: Payment, steps: int | None = None) -> Answer | None:
        """The payment's own bytes; None where everything died after so many steps."""
        self.countdown.left = steps
        walking = self.shop.start(payment.header)
        try:
            while walking.answer is None:
                self.countdown.step()
                walking.go(1)
        except Died:
            walking.drop()
            self.world.crash()
            self.shop.restart()
            self.shop.clock.now_s += LEASE_S
            return None
        finally:
            self.countdown.left = None
            assert self.out_micro <= self.shop.earned_micro()
        return walking.answer

    @property
    def out_micro(self) -> int:
        return sum(amount_micro for _, amount_micro in self.world.site.charges)


@pytest.fixture
def middle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Middle:
    made = Middle(tmp_path)

    def later(seconds: float) -> None:
        made.world.now_ms += int(seconds * 1000)

    monkeypatch.setattr("farthing.wallet.driver.time.sleep", later)
    return made


@pytest.mark.parametrize(
    ("scheme", "dialect"), [("payword", "mpp"), ("millicent", "x402"), ("millicent", "private")]
)
@pytest.mark.parametrize("crashes", [1, 2], ids=["once", "twice"])
def test_what_came_in_goes_out_once_whatever_dies(
    middle: Middle, scheme: str, dialect: Dialect, crashes: int
) -> None:
    buyer = Buyer(middle.shop, scheme)
    for steps in range(STEPS_MAX):
        payment = middle.come_in(buyer, dialect)
        died = [middle.ask(payment, steps) is None for _ in range(crashes)]
        answers = [middle.ask(payment) for _ in range(REPEATS)]
        assert {answer.status for answer in answers if answer is not None} == {200}, steps
        assert middle.world.site.charges == [(PATH, PRICE_MICRO)] * (steps + 1)
        assert middle.shop.earned_micro() == PRICE_MICRO * (steps + 1)
        middle.world.require_conserved()
        if not any(died):
            assert steps > STEPS_MIN
            return
    raise AssertionError("it never ended")


@pytest.mark.parametrize("fault", FAULTS)
def test_no_failure_of_the_vendor_beside_a_crash_makes_more_go_out(
    middle: Middle, fault: str
) -> None:
    buyer, site = Buyer(middle.shop, "payword"), middle.world.site
    for steps in range(STEPS_MAX):
        before = len(site.charges)
        site.faults = [fault]
        payment = middle.come_in(buyer)
        ended = middle.ask(payment, steps) is not None
        for _ in range(REPEATS):
            middle.ask(payment)
        assert len(site.charges) <= before + 1
        if ended:
            assert steps > STEPS_MIN
            return
    raise AssertionError("it never ended")
