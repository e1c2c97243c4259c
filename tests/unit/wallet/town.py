"""A site and a broker on sockets of this machine, and a wallet: what a plug-in has around it."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx

from farthing.schemes.contract import Scheme
from farthing.schemes.mac.millicent import MILLICENT
from farthing.wallet.app import Wallet, init
from tests.unit.wallet.farside import Bank, Site
from tests.unit.wallet.servers import ADMIN, TOKEN, BankApi, served, site_at
from tests.unit.wallet.world import CHEAP, PASSPHRASE

WITH_MILLICENT: Mapping[str, Scheme] = {"millicent": MILLICENT}


class Town:
    """Everything, and how far the wallet's clock is ahead of the site's."""

    def __init__(self, site: Site, bank: Bank, wallet: Wallet) -> None:
        self.site = site
        self.bank = bank
        self.wallet = wallet
        self.later_s = 0

    def clock(self) -> int:
        return int(time.time()) + self.later_s

    def unpaid(self, path: str) -> httpx.Response:
        """The site's 402."""
        answer = httpx.get(self.site.origin + path, trust_env=False)
        assert answer.status_code == 402
        return answer

    def pay(self, path: str, header: str, value: str) -> int:
        """The status of a paid request."""
        url = self.site.origin + path
        return httpx.get(url, headers={header: value}, trust_env=False).status_code

    def states(self) -> list[str]:
        """Of the purchases, oldest first."""
        return [entry.state for entry in reversed(self.wallet.history())]


@contextmanager
def town_in(folder: Path, *, schemes: Mapping[str, Scheme] = WITH_MILLICENT) -> Iterator[Town]:
    sites: list[Site] = []
    found: list[Town] = []
    api = BankApi(Bank(lambda: int(time.time()), balance_micro=0))
    with (
        served(site_at(lambda: int(time.time()), sites)),
        served(lambda _: api.handle) as broker,
        init(
            folder / "wallet.db",
            PASSPHRASE,
            cost=CHEAP,
            schemes=schemes,
            clock=lambda: found[0].clock(),
        ) as wallet,
    ):
        found.append(Town(sites[0], api.bank, wallet))
        wallet.add_broker(broker, "", TOKEN)
        wallet.topup("5c", admin_token=ADMIN)
        yield found[0]
