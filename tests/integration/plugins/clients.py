"""The stock clients, unmodified, each with our plug-in: one call buys pages one after another."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import httpx
from mpp.client import Mpp  # type: ignore[attr-defined]  # the package leaves its exports unmarked
from x402 import x402Client, x402ClientSync
from x402.http.clients.httpx import x402HttpxClient
from x402.http.clients.requests import x402_requests

from farthing.plugins.mpp import FarthingMethods
from farthing.plugins.x402 import AsyncFarthingScheme, FarthingScheme
from farthing.wallet import Wallet

PAGE_MICRO_MAX = "1000"
CONTROLS: Any = {
    "allowed_assets": [
        {
            "network": "farthing:demo-broker",
            "asset": "microeur",
            "max_amount_per_payment": PAGE_MICRO_MAX,
        }
    ]
}
Page = tuple[int, bytes]
Buy = Callable[[Wallet, Sequence[str]], list[Page]]


def with_x402_httpx(wallet: Wallet, urls: Sequence[str]) -> list[Page]:
    async def buy() -> list[Page]:
        async with AsyncFarthingScheme(wallet) as scheme:
            client = x402Client()
            client.register("farthing:*", scheme)
            client.register_policy(scheme.policy)
            client.set_spend_controls(CONTROLS)
            async with x402HttpxClient(client) as http:
                return [_page(await http.get(url)) for url in urls]

    return asyncio.run(buy())


def with_x402_requests(wallet: Wallet, urls: Sequence[str]) -> list[Page]:
    with FarthingScheme(wallet) as scheme:
        client = x402ClientSync()
        client.register("farthing:*", scheme)
        client.register_policy(scheme.policy)
        client.set_spend_controls(CONTROLS)
        with x402_requests(client) as session:
            answers = [session.get(url, timeout=10) for url in urls]
            return [(answer.status_code, answer.content) for answer in answers]


def with_pympp(wallet: Wallet, urls: Sequence[str]) -> list[Page]:
    async def buy() -> list[Page]:
        async with (
            FarthingMethods(wallet) as farthing,
            Mpp(methods=farthing.methods) as mpp,
            httpx.AsyncClient(transport=mpp.payment_transport) as http,
        ):
            return [_page(await http.get(url)) for url in urls]

    return asyncio.run(buy())


def _page(answer: httpx.Response) -> Page:
    return answer.status_code, answer.content


class Stock(NamedTuple):
    """One stock client, and how often it sends a payment that is answered 402."""

    buy: Buy
    sends_on_402: int


CLIENTS = {
    "x402-httpx": Stock(with_x402_httpx, 1),
    "x402-requests": Stock(with_x402_requests, 1),
    "pympp": Stock(with_pympp, 3),
}
