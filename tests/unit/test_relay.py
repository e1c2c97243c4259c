"""The broker in the middle: what goes out for a receipt goes out once, and is no more than came."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from farthing.relay import KEPT_BYTES, Relay
from farthing.wallet.app import Wallet, init
from tests.unit.wallet.farside import BROKER, CURRENCY, PAGE, Bank, Site
from tests.unit.wallet.servers import TOKEN, BankApi, served, site_at
from tests.unit.wallet.world import CHEAP, PASSPHRASE

PRICE_MICRO = 200


class Middle:
    """A relay with a wallet, before a site and a broker on loopback."""

    def __init__(self, wallet: Wallet, origin: str, sites: list[Site], bank: Bank) -> None:
        self.relay, self.bank = Relay(origin + "/", wallet), bank
        self.sites = sites

    @property
    def charges(self) -> list[tuple[str, int]]:
        return self.sites[0].charges

    def ask(
        self,
        path: str,
        receipt: str = "",
        amount_micro: int = PRICE_MICRO,
        method: str = "GET",
        currency: str = CURRENCY,
    ) -> tuple[int, bytes]:
        """What the relay answers to a request that its gate passes on."""
        headers = [
            (b"x-pay-amount", str(amount_micro).encode()),
            (b"x-pay-currency", currency.encode()),
        ]
        if receipt:
            headers.append((b"x-pay-receipt", receipt.encode()))
        path, _, query = path.partition("?")
        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "headers": headers,
        }
        sent: list[Any] = []

        async def send(message: Any) -> None:
            sent.append(message)

        async def receive() -> Any:
            raise AssertionError("it reads no bodies")

        asyncio.run(self.relay(scope, receive, send))
        return sent[0]["status"], b"".join(each.get("body", b"") for each in sent)


@pytest.fixture
def middle(tmp_path: Path) -> Iterator[Middle]:
    sites: list[Site] = []
    bank = Bank(lambda: int(time.time()))
    with (
        served(site_at(lambda: int(time.time()), sites)) as origin,
        served(lambda _: BankApi(bank).handle) as broker,
        init(tmp_path / "wallet.db", PASSPHRASE, cost=CHEAP) as wallet,
    ):
        wallet.add_broker(broker, "alice", TOKEN, broker_id=BROKER, currency=CURRENCY)
        yield Middle(wallet, origin, sites, bank)


def test_one_receipt_buys_one_page_however_often_it_is_asked_for(middle: Middle) -> None:
    answers = {middle.ask("/a?b=1", "rc_1") for _ in range(3)}
    assert answers == {(200, PAGE)}
    assert middle.charges == [("/a?b=1", PRICE_MICRO)]
    assert middle.ask("/a?b=1", "rc_2") == (200, PAGE)
    assert len(middle.charges) == 2


def test_one_receipt_buys_no_second_page_elsewhere(middle: Middle) -> None:
    middle.ask("/a", "rc_1")
    status, _ = middle.ask("/b", "rc_1")
    assert status == 502
    assert middle.charges == [("/a", PRICE_MICRO)]


def test_no_more_goes_out_than_came_in(middle: Middle) -> None:
    status, body = middle.ask("/a", "rc_1", PRICE_MICRO - 1)
    assert (status, b"over_payment_limit" in body or b"budget" in body) == (502, True), body
    assert middle.charges == []
    assert middle.ask("/a", "rc_1", PRICE_MICRO) == (200, PAGE), "nothing was bought for it yet"


def test_what_came_in_another_currency_buys_nothing(middle: Middle) -> None:
    status, body = middle.ask("/a", "rc_1", 100 * PRICE_MICRO, currency="jpy")
    assert (status, b"currency_not_allowed" in body) == (502, True), body
    assert b"sold in eur" in body
    assert b"paid in jpy alone" in body
    assert (middle.charges, middle.bank.sold_micro) == ([], 0)
    assert middle.ask("/a", "rc_1") == (200, PAGE), "nothing was bought for it yet"


@pytest.mark.parametrize(
    ("method", "receipt", "currency"),
    [("GET", "", CURRENCY), ("POST", "rc_1", CURRENCY), ("GET", "rc_1", "")],
)
def test_what_is_not_paid_for_good_buys_nothing(
    middle: Middle, method: str, receipt: str, currency: str
) -> None:
    status, body = middle.ask("/a", receipt, method=method, currency=currency)
    assert (status, b"relay_unpaid" in body) == (501, True)
    assert middle.charges == []


def test_a_vendor_that_fails_is_told_as_that_and_not_paid(middle: Middle) -> None:
    middle.ask("/a", "rc_0")
    middle.sites[0].faults = ["origin_fails"]
    status, _ = middle.ask("/a", "rc_1")
    assert status == 502
    assert len(middle.charges) == 1


def test_it_is_there_for_requests_only(middle: Middle) -> None:
    async def nobody(*_: Any) -> Any:
        raise AssertionError("nothing is said")

    asyncio.run(middle.relay({"type": "lifespan"}, nobody, nobody))
    assert len(PAGE) < KEPT_BYTES
