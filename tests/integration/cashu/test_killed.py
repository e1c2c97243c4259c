"""The mint is killed while wallets swap: no coin is lost, and none is frozen."""

import random
import threading
import time
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest

from farthing.crypto import bdhke
from farthing.schemes.coin.cashu.messages import Proof
from tests.integration.cashu.teller import Teller, audited, spend
from tests.integration.crash.sizes import seed, size
from tests.kit.cashu import Blank

CLIENTS = 4
KILLS_SHARED = 10  # of the suite's kills, one in so many is of a mint
KILLS = max(1, size().kills // KILLS_SHARED)
KILL_S_MAX = 30  # one, on a machine with much else to do
UP_S_MAX = 0.6  # it is killed within so long after it came up


class Pending(NamedTuple):
    """A swap whose answer was lost."""

    coin: Proof
    blanks: list[Blank]
    raw: bytes


class Client(threading.Thread):
    """Swaps one coin for another until the mint is gone."""

    def __init__(self, teller: Teller, coin: Proof) -> None:
        super().__init__()
        self._teller = teller
        self.coin = coin
        self.pending: Pending | None = None
        self.swaps = 0

    def run(self) -> None:
        while True:
            blanks = self._teller.blanks(self.coin.amount)
            self.pending = Pending(self.coin, blanks, spend([self.coin], blanks))
            try:
                answer = self._teller.post("swap", self.pending.raw)
            except httpx.HTTPError:
                return
            (self.coin,) = self._teller.unblinded(blanks, answer)
            self.swaps += 1


def state_of(teller: Teller, coin: Proof) -> str:
    y = bdhke.hash_to_curve(coin.secret.encode()).format().hex()
    found = teller.post("checkstate", b'{"Ys":["%s"]}' % y.encode()).json()
    state: str = found["states"][0]["state"]
    return state


def settle(teller: Teller, pending: Pending) -> tuple[Proof, bool]:
    """The coin after the restart, and whether the swap had counted before."""
    state = state_of(teller, pending.coin)
    assert state in {"UNSPENT", "SPENT"}, "frozen"
    blanks = teller.blanks(pending.coin.amount)
    fresh = teller.post("swap", spend([pending.coin], blanks))
    if state == "UNSPENT":
        (coin,) = teller.unblinded(blanks, fresh)
        return coin, False
    assert fresh.json()["code"] == 11_001
    (coin,) = teller.unblinded(pending.blanks, teller.post("swap", pending.raw))
    return coin, True


@pytest.mark.serial
@pytest.mark.timeout(60 + KILLS * KILL_S_MAX)
def test_no_coin_is_frozen_by_a_kill(tmp_path: Path) -> None:
    dice = random.Random(seed())
    with Teller(tmp_path) as teller:
        coins = [teller.load(8)[0] for _ in range(CLIENTS)]
        counted = swaps = 0
        for _ in range(KILLS):
            clients = [Client(teller, coin) for coin in coins]
            for client in clients:
                client.start()
            time.sleep(dice.uniform(0.05, UP_S_MAX))
            teller.broker.kill()
            for client in clients:
                client.join()
            teller.broker.revive()
            coins = []
            for client in clients:
                assert client.pending is not None
                coin, did_count = settle(teller, client.pending)
                coins.append(coin)
                counted += did_count
                swaps += client.swaps

        told = f"{KILLS} kills, {swaps} swaps, {counted} of {KILLS * CLIENTS} lost answers counted"
        print(told)  # noqa: T201 - pytest shows it on failure
        assert swaps
        assert [coin.amount for coin in coins] == [8] * CLIENTS
        for coin in coins:
            assert state_of(teller, coin) == "UNSPENT"
    audited(tmp_path)
