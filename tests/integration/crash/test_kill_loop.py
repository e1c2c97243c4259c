"""SIGKILL to broker, gate, workers and wallets under load: nothing lost, nothing paid twice."""

import contextlib
import os
import random
import statistics
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import apsw
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
from tests.integration.crash.wares import PRICE_MICRO
from tests.kit.turns import schemes_in_turn

RESTART_S = 2.0
TELLER_PAUSE_S = 0.1
TELLER_MICRO = 1_000
TELLS = "ann"  # whose top-ups it books
WARM_S = 30.0  # until every wallet has bought its first page
KILL_AFTER_S = (0.05, 0.8)
CLEAR_STARTS_S = 0.3  # what a command needs before it does anything
BUYERS = {
    "ann": ("millicent", "payword"),
    "ben": ("payword", "millicent"),
    "eve": ("payword",),
    "ida": ("eight",),
    "sue": ("plan",),
}
EACH = 3  # schemes of one wallet that buys with each of them
REFUNDED = ("ann", "ben", "ida")  # whose pages are given back now and then
REFUND_PAUSE_S = 0.3
REFUND_KILLED = 1 / 3  # of the refunds, how many are killed on their way


def buyers(schemes: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """`BUYERS`, and wallets that buy with these schemes, each with some of them."""
    parts = [schemes[at : at + EACH] for at in range(0, len(schemes), EACH)]
    return BUYERS | {f"max-{number}": ("each", *part) for number, part in enumerate(parts)}


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
                    self._fleet.top_up(TELLS, TELLER_MICRO, f"RF-teller-{number}")
                    break
                time.sleep(TELLER_PAUSE_S)
            self.booked_micro += TELLER_MICRO

    def end(self) -> None:
        self._ending.set()
        self.join(timeout=WARM_S)
        assert not self.is_alive(), "a top-up is stuck"


class Refunder(threading.Thread):
    """The vendor gives pages back all the while, each until it is given back; once."""

    def __init__(self, fleet: Fleet, dice: random.Random) -> None:
        super().__init__()
        self.references: list[str] = []
        self.killed = 0
        self._fleet, self._dice = fleet, dice
        self._ending = threading.Event()
        self._command = partial(fleet.vendor_command, "refund")

    def run(self) -> None:
        while not self._ending.wait(REFUND_PAUSE_S):
            bought = [
                line["reference"]
                for buyer in self._fleet.buyers
                if buyer.name in REFUNDED
                for line in buyer.bought()
                if line["reference"].startswith("mc:")
            ]
            left = sorted(set(bought) - set(self.references))
            if left:
                self._give_back(self._dice.choice(left))

    def _give_back(self, reference: str) -> None:
        self.references.append(reference)
        env = {**os.environ, **self._fleet.vendor_environment()}
        if self._dice.random() < REFUND_KILLED:
            self.killed += 1
            with subprocess.Popen(
                self._command(reference), env=env, stdout=subprocess.DEVNULL
            ) as giving:
                time.sleep(CLEAR_STARTS_S + self._dice.uniform(*KILL_AFTER_S))
                giving.kill()
        done = subprocess.run(
            self._command(reference), env=env, capture_output=True, check=False, timeout=WARM_S
        )
        assert done.returncode == 0 or b"already_refunded" in done.stderr, done.stderr

    def end(self) -> None:
        self._ending.set()
        self.join(timeout=2 * WARM_S)
        assert not self.is_alive(), "a refund is stuck"


class InFlight:
    """What wallets had under way when somebody was killed, and what became of it."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._open: set[tuple[str, str, str]] = set()  # by wallet, table and id
        self.untouched = 0
        """Wallets with nothing under way, one for each kill."""

    def look(self) -> None:
        """Right after a kill."""
        for buyer in self._fleet.buyers:
            found = {(buyer.name, table, row) for table, row in open_rows(buyer.path)}
            self.untouched += not found
            self._open |= found

    def classify(self) -> Counter[str]:
        """Done, undone, frozen or vanished; the payers alone have finished what could be."""
        found = Counter(untouched=self.untouched)
        paths = {buyer.name: buyer.path for buyer in self._fleet.buyers}
        for name, table, row in self._open:
            found[fate(paths[name], table, row)] += 1
        return found


STATES = {
    "done": "done",
    "released": "undone",
    "refused": "undone",
    "sent": "frozen",
    "undecided": "frozen",
    "open": "frozen",
}


def open_rows(path: Path) -> list[tuple[str, str]]:
    """Table and id of every purchase and errand that is not finished."""
    db = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
    db.set_busy_timeout(1_000)
    query = (
        "SELECT 'purchases', id FROM purchases WHERE state IN ('sent', 'undecided')"
        " UNION ALL SELECT 'asks', id FROM asks WHERE state = 'open'"
    )
    rows = [(str(table), str(row)) for table, row in db.execute(query)]
    db.close()
    return rows


def fate(path: Path, table: str, row: str) -> str:
    """What became of it."""
    db = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
    query = {
        "purchases": "SELECT state FROM purchases WHERE id = ?",
        "asks": "SELECT state FROM asks WHERE id = ?",
    }
    state = db.execute(query[table], (row,)).get
    db.close()
    return STATES[str(state)] if state is not None else "vanished"


class Killer:
    """Kills at random and starts again what it killed."""

    def __init__(self, fleet: Fleet, dice: random.Random) -> None:
        self.kills: Counter[str] = Counter()
        self.in_flight = InFlight(fleet)
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
        self.in_flight.look()
        self.restarts_s.append(party.revive())

    def _hit_buyer(self, buyer: Buyer, after_s: float) -> None:
        time.sleep(after_s)
        buyer.kill()
        self.in_flight.look()
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
    while (done := killer.kills.total()) < scale.kills:
        if time.monotonic() > ends_s and 2 * done >= scale.kills:
            break  # a slow machine
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
    with Fleet(tmp_path, number=number) as fleet:
        for name, arguments in buyers(schemes_in_turn()).items():
            fleet.add_buyer(name, *arguments).start()
        wait_until_all_have_bought(fleet)
        dice = random.Random(number)
        teller, refunder = Teller(fleet), Refunder(fleet, random.Random(dice.random()))
        teller.start()
        refunder.start()
        try:
            killer = kill_again_and_again(fleet, dice, scale)
        finally:
            teller.end()
            refunder.end()
        for buyer in fleet.buyers:
            buyer.finish()
        clear(fleet)  # what the vendor gave back is there to be fetched
        purses = {buyer.name: finish_wallet(buyer) for buyer in fleet.buyers}
        for buyer in fleet.buyers:
            require_acknowledged(buyer, purses[buyer.name])
        clear(fleet)
        fates = killer.in_flight.classify()
        topped_up_micro = Counter(dict.fromkeys(purses, TOPUP_MICRO))
        topped_up_micro[TELLS] += teller.booked_micro
        refunded_micro = len(refunder.references) * PRICE_MICRO
        found = reckon(fleet, purses, topped_up_micro, refunded_micro=refunded_micro)
    fastest_s, *_, slowest_s = sorted(killer.restarts_s)
    usual_s = statistics.median(killer.restarts_s)
    print(f"{killer.kills.total()} kills: {dict(killer.kills)}")  # noqa: T201 - the figures
    print(f"in flight: {dict(fates)}")  # noqa: T201 - likewise
    print(f"{refunder.killed} refunds killed")  # noqa: T201 - likewise
    print(f"restart {usual_s:.2f} s, at most {slowest_s:.2f} s; {found}")  # noqa: T201 - likewise
    assert fates["frozen"] == fates["vanished"] == 0
    usual_start_s = max(fleet.broker.first_s, fleet.gate.first_s)  # long on a busy machine
    assert fastest_s < max(RESTART_S, usual_start_s), "a restart takes longer than a start"
