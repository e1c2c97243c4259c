"""Payments in two halves, through every way in which a program pays: from a real gate.

Who has read a page sends the second half: a client of ours at its end, a plug-in before the next
payment to that vendor and when it is done with. What was never sent is sent by whoever recovers.
"""

import asyncio
from collections.abc import Sequence
from contextlib import closing

import httpx
import pytest

from farthing.plugins.mpp import FarthingMethods
from farthing.wallet import Wallet
from farthing.wallet.rows import LEASE_S
from tests.integration.plugins.clients import CLIENTS, Buy, Page
from tests.integration.plugins.conftest import HALVED, Market
from tests.kit.turns import marks_of

PRICE_MICRO = 200
PAGES = 3


def with_httpx(wallet: Wallet, urls: Sequence[str]) -> list[Page]:
    with httpx.Client(auth=wallet.auth(), trust_env=False) as client:
        answers = [client.get(url) for url in urls]
    return [(answer.status_code, answer.content) for answer in answers]


def with_httpx_async(wallet: Wallet, urls: Sequence[str]) -> list[Page]:
    async def buy() -> list[Page]:
        async with httpx.AsyncClient(auth=wallet.auth(), trust_env=False) as client:
            answers = [await client.get(url) for url in urls]
        return [(answer.status_code, answer.content) for answer in answers]

    return asyncio.run(buy())


WAYS: dict[str, Buy] = {
    "httpx": with_httpx,
    "httpx-async": with_httpx_async,
    **{name: stock.buy for name, stock in CLIENTS.items()},
}


def releases(wallet: Wallet) -> list[tuple[str, str]]:
    """State and code of every second half, oldest first."""
    file = wallet._store.file
    with file.write():
        return [
            (str(state), str(code))
            for state, code in file.rows(
                "SELECT state, code FROM asks WHERE operation='release' ORDER BY rowid"
            )
        ]


@pytest.mark.parametrize(
    "buy",
    [
        pytest.param(way, id=name, marks=marks_of(number, of=2))
        for number, (name, way) in enumerate(WAYS.items())
    ],
)
def test_every_page_is_paid_by_both_halves(market: Market, buy: Buy) -> None:
    paths = market.pages[:PAGES]
    with market.open(market.copy(), HALVED) as wallet:
        bought = buy(wallet, [market.gate_url + path for path in paths])
        assert bought == [(200, market.original(path)) for path in paths]
        assert releases(wallet) == [("done", "")] * PAGES
    market.owed_micro[HALVED] += PAGES * PRICE_MICRO
    assert market.clear()[HALVED] == market.owed_micro[HALVED]


def test_a_page_that_was_not_read_to_its_end_is_released_by_who_recovers(market: Market) -> None:
    path = market.copy()
    with market.open(path, HALVED) as wallet:
        client = httpx.Client(auth=wallet.auth(), trust_env=False)
        with closing(client), client.stream("GET", market.gate_url + market.pages[0]) as answer:
            assert answer.status_code == 200
        assert releases(wallet) == [("open", "")]
        assert market.clear()[HALVED] == market.owed_micro[HALVED], "half a payment earns nothing"
    with market.open(path, HALVED, later_s=LEASE_S + 1) as wallet:  # nobody reads it any more
        assert wallet.recover().releases_sent == 1
        assert releases(wallet) == [("done", "")]
    market.owed_micro[HALVED] += PRICE_MICRO
    assert market.clear()[HALVED] == market.owed_micro[HALVED]


@pytest.mark.parametrize(
    "way",
    [
        pytest.param(name, marks=marks_of(number, of=3))
        for number, name in enumerate(("settle", "recover", "next payment"))
    ],
)
def test_what_a_plug_in_never_asked_about_is_released_later(market: Market, way: str) -> None:
    path = market.copy()
    with market.open(path, HALVED) as wallet:
        unsettled(wallet, market.gate_url + market.pages[0])
        assert releases(wallet) == []
        assert wallet.history()[0].state == "sent"
    assert market.clear()[HALVED] == market.owed_micro[HALVED]
    with market.open(path, HALVED) as wallet:
        if way == "settle":
            assert wallet.cashier().settle() == 0
        elif way == "recover":
            found = wallet.recover()
            assert (found.done, found.releases_sent) == (1, 1)
        else:
            with_httpx(wallet, [market.gate_url + market.pages[1]])
            market.owed_micro[HALVED] += PRICE_MICRO
        assert set(releases(wallet)) == {("done", "")}
    market.owed_micro[HALVED] += PRICE_MICRO
    assert market.clear()[HALVED] == market.owed_micro[HALVED]


def unsettled(wallet: Wallet, url: str) -> None:
    """A page by a plug-in whose program ends before it has asked what came of the payment."""
    from mpp.client import Mpp  # type: ignore[attr-defined]  # as in `clients.py`

    async def buy() -> None:
        methods = FarthingMethods(wallet).methods
        async with (
            Mpp(methods=methods) as mpp,
            httpx.AsyncClient(transport=mpp.payment_transport) as http,
        ):
            assert (await http.get(url)).status_code == 200

    asyncio.run(buy())
