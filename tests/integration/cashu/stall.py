"""A gate that takes the coins of a teller's mint, and a payer who has nothing but HTTP."""

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import httpx

from farthing.cli import servers
from farthing.schemes.coin.cashu import tokens
from farthing.schemes.coin.cashu.messages import Proof
from farthing.schemes.coin.cashu.tokens import Token
from farthing.vendor.founding import Wanted, found
from tests.integration.cashu.teller import Desk, Teller
from tests.integration.crash.fleet import Party
from tests.kit.origin import Origin

VENDOR = "stall"
MICRO = 200
CENTS = 3
COMMISSION_E4 = 500
PRICES = f"""accept = ["cashu"]
[[route]]
path = "/cents/*"
price = "{CENTS}c"
description = "Three cents"
[[route]]
path = "/micro/*"
price = "{MICRO}u"
"""


class Stall:
    def __init__(self, folder: Path, teller: Teller) -> None:
        self.teller, self.folder = teller, folder
        self.micro = Desk(teller.url, "microeur")
        self.origin = Origin()
        port = servers.free_port()
        self.url = f"http://127.0.0.1:{port}"
        arguments = ["vendor", "serve", "--upstream", self.origin.url, "--port", str(port)]
        command = servers.python("-m", "farthing.cli", *arguments)
        keys = f"{self.url}/.well-known/farthing-keys"
        self.gate = Party("gate", command, keys, folder, workers=1)
        self.http = httpx.Client(base_url=self.url, timeout=20.0)

    def __enter__(self) -> Self:
        account = {"id": VENDOR, "role": "vendor", "commissionE4": COMMISSION_E4}
        made = self.teller.call("/accounts", account, self.teller.admin_token)
        wanted = Wanted(vendor_id=VENDOR, broker_url=self.teller.url)
        token = made["tokens"]["redeem"]
        asyncio.run(found(self.folder / "gate", wanted, token, int(time.time()), PRICES))
        self.micro.fetch_keys()
        self.origin.__enter__()
        self.gate.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.gate.stop()
        self.origin.__exit__()
        self.http.close()
        self.micro.http.close()

    def token(self, amount: int) -> str:
        """Coins of this many cents, fresh from the mint."""
        return token_of(self.teller, self.teller.load(amount))

    def pay(self, token: str, path: str = "/micro/page") -> httpx.Response:
        return self.http.get(path, headers={"X-Cashu": token})


def token_of(desk: Desk, proofs: Sequence[Proof], memo: str = "") -> str:
    found = Token(mint=desk.mint_url, unit=desk.unit, proofs=tuple(proofs), memo=memo)
    return tokens.write(found)
