"""SIGKILL to either of two brokers while payers of the one buy scrip of the other's vendor."""

import os
import random
import threading
import time
from pathlib import Path
from typing import Any

import httpx

from farthing.auditing import Report, audit
from farthing.broker.app import Broker
from farthing.cli import servers
from farthing.schemes.contract import Asked, At, Need, Setting
from farthing.schemes.mac.millicent.purse import MillicentPurse
from tests.integration.crash.fleet import Party
from tests.integration.crash.sizes import seed
from tests.kit.millicent import licence, vendor_ring
from tests.kit.parties import DAY_S, VENDOR, Ring

KILLS = 8
BUYERS = 3
VALUE_MICRO = 1_000
DEPOSIT_MICRO = ALICE_MICRO = 10_000_000
ANSWER_S = 30.0  # an order that has no answer by then is stuck
KILL_AFTER_S = (0.02, 0.6)
IDS = {"north": "alice", "south": "broker-north"}


class Town:
    """Two brokers in processes of their own, and their operators."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.urls: dict[str, str] = {}
        self.admins: dict[str, str] = {}
        self.parties: dict[str, Party] = {}
        for name in IDS:
            port = servers.free_port()
            url = self.urls[name] = f"http://127.0.0.1:{port}"
            self.admins[name] = Broker.init(folder / name, broker_id=name, currency="eur", url=url)
            command = ("-m", "farthing.cli", "broker", "serve", "--port", str(port))
            self.parties[name] = Party(
                name, servers.python(*command), f"{url}/health", folder, workers=1
            )

    def start(self) -> None:
        for party in self.parties.values():
            party.start()
        tokens = {name: self._account(name, who) for name, who in IDS.items()}
        self.alice = tokens["north"]
        vendor = self._account("south", VENDOR, role="vendor")
        grant = licence(vendor_ring(), notAfterS=int(time.time()) + 90 * DAY_S)
        self.call("south", "/grant/millicent", grant, vendor)
        peer = {"id": "south", "url": self.urls["south"], "token": tokens["south"]}
        self.call("north", "/peers", peer, self.admins["north"])

    def _account(self, where: str, name: str, role: str = "payer") -> str:
        admin = self.admins[where]
        made = self.call(where, "/accounts", {"id": name, "role": role}, admin)
        if role == "payer":
            money = {"payer": name, "amountMicro": ALICE_MICRO, "reference": f"RF-{name}"}
            self.call(where, "/topup", money, admin)
        token: str = made["tokens"]["redeem" if role == "vendor" else "pay"]
        return token

    def call(self, where: str, path: str, body: Any, token: str) -> Any:
        answer = self.post(where, path, body, token, os.urandom(8).hex())
        assert answer.is_success, answer.text
        return answer.json()

    def post(self, where: str, path: str, body: Any, token: str, key: str) -> httpx.Response:
        headers = {"authorization": f"Bearer {token}", "idempotency-key": key}
        return httpx.post(self.urls[where] + path, json=body, headers=headers, timeout=6.0)

    def stop(self) -> None:
        for party in self.parties.values():
            party.stop()


class Buyer(threading.Thread):
    """Orders one piece after the other, each until it is answered, with the same key."""

    def __init__(self, town: Town, ending: threading.Event) -> None:
        super().__init__(daemon=True)
        setting = Setting(broker_id="south", currency="eur", ring=Ring(), options={"home": "north"})
        self._purse = MillicentPurse(setting)
        self._town = town
        self._ending = ending
        self.pieces: list[str] = []
        self.wrong: list[str] = []

    def run(self) -> None:
        need = Need(amount_micro=VALUE_MICRO, currency="eur", vendor_id=VENDOR)
        while not self._ending.is_set() and not self.wrong:
            at = At(now_s=int(time.time()), entropy=os.urandom(64))
            self._order(self._purse.ask(need, at), os.urandom(16).hex())

    def _order(self, asked: Asked, key: str) -> None:
        deadline_s = time.monotonic() + ANSWER_S
        while time.monotonic() < deadline_s:
            try:
                answer = self._town.post(
                    "north", "/issue/millicent", asked.message, self._town.alice, key
                )
            except httpx.HTTPError:
                time.sleep(0.02)
                continue
            if answer.is_success:
                self.pieces.append(answer.json()["answer"]["scrip"]["serial"])
                return
            if answer.status_code < 500:
                self.wrong.append(answer.text)
                return
            time.sleep(0.02)
        self.wrong.append(f"{key} has no answer")


def audited(folder: Path) -> Report:
    broker = Broker.open(folder)
    try:
        return broker.engine.books.committer.read(audit)
    finally:
        broker.close()


def test_brokers_killed_at_any_time_lose_no_piece_and_pay_none_twice(tmp_path: Path) -> None:
    dice = random.Random(seed())
    town, ending = Town(tmp_path), threading.Event()
    try:
        town.start()
        buyers = [Buyer(town, ending) for _ in range(BUYERS)]
        for buyer in buyers:
            buyer.start()
        for number in range(KILLS):
            time.sleep(dice.uniform(*KILL_AFTER_S))
            party = town.parties["south" if number % 4 == 3 else "north"]
            party.kill()
            party.revive()
        ending.set()
        for buyer in buyers:
            buyer.join(timeout=2 * ANSWER_S)
    finally:
        town.stop()
    assert [buyer.wrong for buyer in buyers] == [[]] * BUYERS
    pieces = [piece for buyer in buyers for piece in buyer.pieces]
    assert len(pieces) >= KILLS
    assert len(set(pieces)) == len(pieces)
    spent_micro = len(pieces) * VALUE_MICRO
    north, south = audited(tmp_path / "north"), audited(tmp_path / "south")
    for report in (north, south):
        assert (report.findings, report.ledger_sum_micro) == ([], 0)
    assert north.balances == {
        "asset/bank/manual": ALICE_MICRO,
        "asset/peer/south": -spent_micro,
        "liability/payer/alice": ALICE_MICRO - spent_micro,
    }
    assert south.balances["liability/payer/broker-north"] == DEPOSIT_MICRO - spent_micro
    assert south.schemes["millicent"].outstanding_micro == spent_micro
