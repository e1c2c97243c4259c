"""Another broker beside the fleet's, of which the fleet's buys, and the requests about it."""

import os
import secrets
import time
from collections.abc import Callable
from typing import Any

import httpx

from farthing.broker.app import Broker
from farthing.cli import servers
from tests.integration.crash.calls import Callers
from tests.integration.crash.fleet import Fleet, Party
from tests.integration.crash.kinds import Kind
from tests.integration.crash.place import Call
from tests.kit.millicent import licence, vendor_ring
from tests.kit.parties import DAY_S, VENDOR

NAME = "neighbour"
DEPOSIT_MICRO = 10**7


def furnish(post: Callable[[str, Any, str], Any], admin: str) -> str:
    """Give the other broker a vendor, and an account with money; that account's token."""
    token: str = post("/accounts", {"id": "ours"}, admin)["tokens"]["pay"]
    money = {"payer": "ours", "amountMicro": DEPOSIT_MICRO, "reference": "RF-deposit"}
    post("/topup", money, admin)
    vendor = post("/accounts", {"id": VENDOR, "role": "vendor"}, admin)
    grant = licence(vendor_ring(), notAfterS=int(time.time()) + 90 * DAY_S)
    post("/grant/millicent", grant, vendor["tokens"]["redeem"])
    return token


class Abroad:
    """Requests about another broker, of which ours buys."""

    def __init__(self, callers: Callers, url: str, token: str) -> None:
        self._callers = callers
        self.peer = {"id": NAME, "url": url, "token": token}

    def add(self) -> Call:
        return self._callers.post("/peers", self.peer, self._callers.operator)

    def pay(self) -> Call:
        body = {"amountMicro": 5, "reference": f"RF-{secrets.token_hex(8)}", "received": True}
        return self._callers.post(f"/peers/{NAME}/payments", body, self._callers.operator)

    def issue(self) -> Call:
        order = {"broker": NAME, "valueMicro": 1_000, "vendor": VENDOR}
        return self._callers.post("/issue/millicent", order, self._callers.pay)

    def listed(self) -> Call:
        return self._callers.get("broker", "/peers", self._callers.operator)


class Neighbour:
    """A broker with a vendor and with an account of the fleet's broker, in a process of its own."""

    def __init__(self, fleet: Fleet, callers: Callers) -> None:
        self._callers = callers
        port = servers.free_port()
        self.url = f"http://127.0.0.1:{port}"
        folder = fleet.folder / NAME
        self._admin = Broker.init(folder, broker_id=NAME, currency="eur", url=self.url)
        command = servers.python("-m", "farthing.cli", "broker", "serve", "--port", str(port))
        self._party = Party(NAME, command, f"{self.url}/health", fleet.folder, workers=1)
        self._fleet = fleet

    def __enter__(self) -> Abroad:
        self._party.start()
        abroad = Abroad(self._callers, self.url, furnish(self._post, self._admin))
        self._fleet.call("/peers", abroad.peer)
        return abroad

    def __exit__(self, *_: object) -> None:
        self._party.stop()

    def _post(self, path: str, body: Any, token: str) -> Any:
        headers = {"authorization": f"Bearer {token}", "idempotency-key": os.urandom(8).hex()}
        answer = httpx.post(self.url + path, json=body, headers=headers)
        assert answer.is_success, answer.text
        return answer.json()


def with_neighbour(table: dict[str, list[Kind]], abroad: Abroad) -> dict[str, list[Kind]]:
    """The table with the routes about other brokers, and what is bought of one."""
    issue = "POST /issue/{scheme}"
    return table | {
        issue: [*table[issue], Kind("issue abroad", abroad.issue)],
        "POST /peers": [Kind("add peer", abroad.add)],
        "POST /peers/{peer_id}/payments": [Kind("pay peer", abroad.pay)],
        "GET /peers": [Kind("list peers", abroad.listed, moves=False)],
    }
