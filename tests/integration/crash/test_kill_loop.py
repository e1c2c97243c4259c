"""SIGKILL to broker, gate, workers and wallets under load: nothing lost, nothing paid twice."""

import contextlib
import os
import random
import statistics
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path

import httpx
import pytest

from tests.integration.crash.fleet import TOPUP_MICRO, Buyer, Fleet, Party
from tests.integration.crash.reckoning import (
    clear,
    finish_wallet,
    reckon,
    require_acknowledged,
)
from tests.integration.crash.sizes import Size, seed, size

RESTART_S = 2.0
TELLER_PAUSE_S = 0.1
TELLER_MICRO = 1_000
WARM_S = 10.0  # until every wallet has bought its first page
KILL_AFTER_S = (0.05, 0.8)
CLEAR_STARTS_S = 0.3  # what a command needs before it does anything
BUYERS = {
    "ann": ("millicent", "payword"),
    "ben": ("payword", "millicent"),
    "eve": ("payword",),
    "ida": ("eight",),
}


class Teller(threading.Thread):
    """The operator books top-ups all the while, each until it is acknowledged."""

    def __init__(self, fleet: Fleet) -> None:
        super().__init__()
        self.booked_micro = 0
        self._fleet = fleet
        self._ending = threading.Event()

    def run(self) -> None:
        number = 0
        while not self._ending.wait(TELLER_PAUSE_S):
            number += 1
            while True:
                with contextlib.suppress(httpx.HTTPError):
                    self._fleet.top_up("ann", TELLER_MICRO, f"RF-teller-{number}")
                    break
                time.sleep(TELLER_PAUSE_S)
            self.booked_micro += TELLER_MICRO

    def end(self) -> None:
        self._ending.set()
        self.join(timeout=WARM_S)
        assert not self.is_alive(), "a top-up is stuck"


class Killer:
    """Kills at random and starts again what it killed."""

    def __init__(self, fleet: Fleet, dice: random.Random) -> None:
        self.kills: Counter[str] = Counter()
        self.restarts_s: list[float] = []
        self._fleet = fleet
        self._dice = dice
        self._hits: dict[str, Callable[[float], None]] = {"clearing": self._hit_clearing}
        for party in (fleet.broker, fleet.gate):
            self._hits[party.name] = partial(self._hit_party, party, party.kill)
            name = f"{party.name}'s server"
            self._hits[name] = partial(self._hit_party, party, party.kill_server)
            name = f"{party.name}'s worker"
            self._hits[name] = partial(self._hit_party, party, partial(party.kill_worker, dice))
        for buyer in fleet.buyers:
            self._hits[buyer.name] = partial(self._hit_buyer, buyer)
        self._turn: list[str] = []

    def strike(self) -> None:
        """Wait a little, kill somebody, start it again; everybody has a turn, in any order."""
        if not self._turn:
            self._turn = self._dice.sample(list(self._hits), len(self._hits))
        name = self._turn.pop()
        self._hits[name](self._dice.uniform(*KILL_AFTER_S))
        self.kills[name] += 1
        for buyer in self._fleet.buyers:
            buyer.require_well()

    def _hit_party(self, party: Party, kill: Callable[[], None], after_s: float) -> None:
        time.sleep(after_s)
        kill()
        self.restarts_s.append(party.revive())

    def _hit_buyer(self, buyer: Buyer, after_s: float) -> None:
        time.sleep(after_s)
        buyer.kill()
        buyer.start()

    def _hit_clearing(self, after_s: float) -> None:
        command = self._fleet.vendor_command("clear")
        env = {**os.environ, **self._fleet.vendor_environment()}
        with subprocess.Popen(command, env=env, stderr=subprocess.DEVNULL) as sweep:
            time.sleep(CLEAR_STARTS_S + after_s)
            sweep.kill()


def kill_again_and_again(fleet: Fleet, dice: random.Random, scale: Size) -> Killer:
    killer = Killer(fleet, dice)
    ends_s = time.monotonic() + scale.kill_s
    while killer.kills.total() < scale.kills and time.monotonic() < ends_s:
        killer.strike()
    return killer


def wait_until_all_have_bought(fleet: Fleet) -> None:
    deadline_s = time.monotonic() + WARM_S
    while not all(buyer.bought() for buyer in fleet.buyers):
        assert time.monotonic() < deadline_s, [len(buyer.bought()) for buyer in fleet.buyers]
        time.sleep(0.05)


@pytest.mark.serial
@pytest.mark.timeout(2 * 3_600)  # the long suite's; the loop itself ends by its size
def test_whatever_is_killed_nothing_is_lost_paid_twice_or_frozen(tmp_path: Path) -> None:
    number, scale = seed(), size()
    with Fleet(tmp_path) as fleet:
        for name, arguments in BUYERS.items():
            fleet.add_buyer(name, *arguments).start()
        wait_until_all_have_bought(fleet)
        teller = Teller(fleet)
        teller.start()
        try:
            killer = kill_again_and_again(fleet, random.Random(number), scale)
        finally:
            teller.end()
        for buyer in fleet.buyers:
            buyer.finish()
        purses = {buyer.name: finish_wallet(buyer) for buyer in fleet.buyers}
        for buyer in fleet.buyers:
            require_acknowledged(buyer, purses[buyer.name])
        clear(fleet)
        topped_up_micro = len(BUYERS) * TOPUP_MICRO + teller.booked_micro
        found = reckon(fleet, purses, topped_up_micro)
    fastest_s, *_, slowest_s = sorted(killer.restarts_s)
    usual_s = statistics.median(killer.restarts_s)
    print(f"{killer.kills.total()} kills: {dict(killer.kills)}")  # noqa: T201 - the figures
    print(f"restart {usual_s:.2f} s, at most {slowest_s:.2f} s; {found}")  # noqa: T201 - likewise
    assert fastest_s < RESTART_S, "the others may have waited for a busy machine"
