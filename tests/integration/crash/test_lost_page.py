"""A wallet and a vendor whose answers are lost on the way: one payment for one page, every claim paid.

Here the real programs ask again; `test_lost_reply` does it by hand, for every route.
"""

import asyncio
import io
import itertools
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from farthing.errors import Refusal
from farthing.schemes import registry
from farthing.vendor.app import Vendor
from farthing.vendor.broker_client import BrokerClient
from farthing.wallet.app import Wallet, open_wallet
from tests.integration.crash.fleet import PASSPHRASE, TOPUP_MICRO, VENDOR, Buyer, Fleet, page
from tests.integration.crash.middle import Cut, Middle
from tests.integration.crash.reckoning import clear, finish_wallet, reckon

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


def buy_with_losses(get: Get, name: str, middles: dict[str, Middle]) -> int:
    """A page for every answer that may be lost, in every way; how many pages."""
    count = 0
    for party, which, cut in itertools.product(middles, range(ANSWERS_MAX), Cut):
        script = middles[party].script
        script.clear()
        script.extend([None] * which + [cut])
        count += 1
        url = f"{middles['gate'].url}/pages/1.html?{name}={count}"
        got = [body for body in (get(url) for _ in range(TRIES_MAX)) if body is not None][:1]
        assert got == [page("pages", 1).encode()], (party, which, cut)
    return count
