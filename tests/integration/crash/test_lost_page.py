"""A wallet and a vendor whose answers are lost: one payment for a page, every claim paid once.

Here the real programs ask again; `test_lost_reply` does it by hand, for every route.
"""

import asyncio
import io
import itertools
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from urllib.parse import urlsplit

import httpx
import pytest

from farthing.errors import Refusal
from farthing.schemes import registry
from farthing.vendor.app import Vendor
from farthing.vendor.broker_client import BrokerClient
from farthing.wallet.app import Wallet, open_wallet
from tests.integration.crash.fleet import PASSPHRASE, TOPUP_MICRO, VENDOR, Buyer, Fleet
from tests.integration.crash.middle import Cut, Middle
from tests.integration.crash.reckoning import clear, finish_wallet, reckon
from tests.integration.crash.wares import page
from tests.kit.turns import marks_of

ANSWERS_MAX = 3  # of one party in one purchase: the offer, the page, and the vendor's keys
TRIES_MAX = 3
SCHEMES = ("millicent", "payword")

Get = Callable[[str], bytes | None]


def read_with_get(wallet: Wallet) -> Get:
    def get(url: str) -> bytes | None:
        out = io.BytesIO()
        try:
            answer = wallet.get(url, out)
        except Refusal:
            return None
        return out.getvalue() if answer.status == 200 else None

    return get


def read_with_httpx(wallet: Wallet) -> Get:
    def get(url: str) -> bytes | None:
        # A client of its own each time: a connection that was cut is not used again.
        with httpx.Client(auth=wallet.auth(), trust_env=False) as client:
            try:
                answer = client.get(url)
            except (Refusal, httpx.HTTPError):
                return None
        return answer.content if answer.status_code == 200 else None

    return get


READERS: dict[str, Callable[[Wallet], Get]] = {"get": read_with_get, "httpx": read_with_httpx}
EACH_READER = [
    pytest.param(how, marks=marks_of(number, of=len(READERS))) for number, how in enumerate(READERS)
]


def read_through_losses(get: Get, url: str) -> None:
    """The page comes at last, and it is the page."""
    found = (body for body in (get(url) for _ in range(TRIES_MAX)) if body is not None)
    assert next(found, None) == page("pages", 1).encode(), url


class Reader:
    """A payer whose wallet reaches broker and gate through somebody who cuts answers."""

    def __init__(self, fleet: Fleet, middles: dict[str, Middle], name: str, scheme: str) -> None:
        self.buyer: Buyer = fleet.add_buyer(name)
        self.pages = 0
        self._middles = middles
        self._schemes = {scheme: registry.by_name(scheme)}
        with open_wallet(self.buyer.path, PASSPHRASE) as wallet:
            wallet.add_broker(middles["broker"].url, name, fleet.tokens[name]["pay"])

    def read(self, read_with: Callable[[Wallet], Get], losses: list[tuple[str, int, Cut]]) -> None:
        """A page for each loss: whose answer, how many before it get through, how it is cut."""
        with open_wallet(self.buyer.path, PASSPHRASE, schemes=self._schemes) as wallet:
            for party, which, cut in losses:
                for middle in self._middles.values():
                    middle.script.clear()
                self._middles[party].script.extend([None] * which + [cut])
                self.pages += 1
                site = self._middles["gate"].url
                url = f"{site}/pages/1.html?{self.buyer.name}={self.pages}"
                read_through_losses(read_with(wallet), url)


def clear_through_losses(fleet: Fleet, middle: Middle) -> None:
    """The vendor's sweep, its answers cut in every way, until it comes through."""

    async def sweep() -> bool:
        vendor = Vendor(fleet.folder / "gate")
        await vendor.broker.close()
        vendor.broker = BrokerClient(middle.url, fleet.tokens[VENDOR]["redeem"])
        try:
            await vendor.clear()
        except Refusal:
            return False
        finally:
            await vendor.close()
        return True

    middle.script.extend(Cut)
    for _ in range(len(Cut) * len(SCHEMES)):
        if asyncio.run(sweep()):
            break
    assert not middle.script, "a sweep asks the broker"


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    with Fleet(tmp_path_factory.mktemp("fleet")) as fleet:
        yield fleet


@pytest.mark.parametrize("how", EACH_READER)
def test_a_page_whose_answer_is_lost_is_paid_once(fleet: Fleet, how: str) -> None:
    at_gate = [("gate", *loss) for loss in itertools.product(range(ANSWERS_MAX), Cut)]
    with ExitStack() as stack:
        ports = {"broker": fleet.broker_url, "gate": fleet.gate_url}
        middles = {
            party: stack.enter_context(Middle(urlsplit(url).port or 0))
            for party, url in ports.items()
        }
        readers: list[Reader] = []
        for scheme in SCHEMES:
            for cut in Cut:  # a wallet of its own for each: the first page is what it loads for
                name = f"{how}-{scheme}-{cut.name.lower()}"
                readers.append(Reader(fleet, middles, name, scheme))
                readers[-1].read(READERS[how], [("broker", 0, cut)])
            readers[-1].read(READERS[how], at_gate)
        clear_through_losses(fleet, middles["broker"])
        for reader in readers:
            done = [e for e in finish_wallet(reader.buyer).history if e.state == "done"]
            assert len(done) == reader.pages, f"{reader.buyer.name}, {reader.pages} pages"
    require_right_sums(fleet)


@pytest.mark.parametrize("how", READERS)
def test_a_page_that_was_paid_before_its_site_failed_comes_later_unpaid(
    fleet: Fleet, how: str
) -> None:
    buyer = fleet.add_buyer(f"{how}-late")
    with open_wallet(buyer.path, PASSPHRASE) as wallet:
        get = READERS[how](wallet)
        url = f"{fleet.gate_url}/sure/1.html"
        fleet.origin.kill()
        assert get(url) is None
        assert [entry.state for entry in wallet.history()] == ["done"]
        fleet.origin.revive()
        assert get(url) == page("sure", 1).encode()
        assert [entry.state for entry in wallet.history()] == ["done"]
    require_right_sums(fleet)


def require_right_sums(fleet: Fleet) -> None:
    purses = {buyer.name: finish_wallet(buyer) for buyer in fleet.buyers}
    clear(fleet)
    print(reckon(fleet, purses, dict.fromkeys(purses, TOPUP_MICRO)))  # noqa: T201 - the figures
