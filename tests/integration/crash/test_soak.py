"""Wallets buy for a while, keys are rotated, claims are swept: nothing grows that should not.

SQLite keeps pages of its files in memory, up to a limit that a short run does not reach: what a
server may grow by is therefore what its files grow by, and a little. How slow the last pages are
beside the first is printed only: other work shows in it.
"""

import io
import os
import secrets
import statistics
import threading
import time
from collections.abc import Sequence
from itertools import cycle
from pathlib import Path

import apsw
import pytest

from farthing.stores import database
from farthing.stores.keys import KeyRing
from farthing.vendor import minting
from farthing.wallet.app import open_wallet
from tests.integration.crash.fleet import PASSPHRASE, TOPUP_MICRO, Fleet
from tests.integration.crash.reckoning import (
    clear,
    finish_wallet,
    reckon,
    require_acknowledged,
)
from tests.integration.crash.sizes import size
from tests.integration.crash.test_kill_loop import buyers, wait_until_all_have_bought
from tests.kit.turns import schemes_in_turn

SAMPLE_S = 0.5
ROTATED = ("challenge", "receipt", "change")  # one after the other, again and again
GROWTH_MAX = 0.01  # of resident memory, from the third quarter of the time to the last
LOG_BYTES_MAX = 2 * database.WAL_SIZE_MAX_BYTES  # a checkpoint waits for whoever reads
HANDLES_MORE = 8  # than in the first quarter: connections that stand open come and go
KEY_BYTES = 32
PROBE = "pat"  # the wallet whose pages are timed
PROBE_PAUSE_S = 0.02
ROTATE_EVERY = 100  # pages
PAGE_KIB = os.sysconf("SC_PAGE_SIZE") // 1024


class Sampler(threading.Thread):
    """What every server process takes, all the while."""

    def __init__(self, fleet: Fleet) -> None:
        super().__init__()
        parties = {"broker": fleet.broker, "gate": fleet.gate}
        self._pids = {
            f"{name} {number}": pid
            for name, party in parties.items()
            for number, pid in enumerate(party.children())
        }
        self._files = {
            "broker": fleet.folder / "broker" / "broker.db",
            "gate": fleet.folder / "gate" / "marks.db",
        }
        self._ending = threading.Event()
        self.memory_kib: dict[str, list[int]] = {name: [] for name in self._pids}
        self.handles: dict[str, list[int]] = {name: [] for name in self._pids}
        self.file_kib: dict[str, list[int]] = {name: [] for name in self._files}
        self.log_bytes = 0

    def run(self) -> None:
        while not self._ending.wait(SAMPLE_S):
            for name, pid in self._pids.items():
                resident = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
                self.memory_kib[name].append(resident * PAGE_KIB)
                self.handles[name].append(len(os.listdir(f"/proc/{pid}/fd")))
            for name, path in self._files.items():
                db = apsw.Connection(str(path))
                pages = db.pragma("page_count")  # those that are only in the log too
                db.close()
                self.file_kib[name].append(pages * PAGE_KIB)
                log = path.with_name(path.name + "-wal")
                self.log_bytes = max(self.log_bytes, log.stat().st_size)

    def end(self) -> None:
        self._ending.set()
        self.join()


def quarter(values: Sequence[float], number: int) -> Sequence[float]:
    """One of four, counted from 0."""
    return values[len(values) * number // 4 : len(values) * (number + 1) // 4]


def soak(fleet: Fleet, until_s: float) -> list[float]:
    """Seconds that each page of a wallet of ours took, while all others buy too."""
    took_s: list[float] = []
    ring = KeyRing.open(fleet.folder / "gate" / "ring")
    turns = cycle(ROTATED)
    path = next(buyer.path for buyer in fleet.buyers if buyer.name == PROBE)
    with open_wallet(path, PASSPHRASE, schemes=None) as wallet:
        while time.monotonic() < until_s:
            began_s = time.monotonic()
            page = wallet.get(f"{fleet.gate_url}/pages/1.html?{len(took_s)}", io.BytesIO())
            took_s.append(time.monotonic() - began_s)
            assert page.status == 200, page
            if len(took_s) % ROTATE_EVERY == 0:
                minting.rotate(ring, minting.NAMES[next(turns)], secrets.token_bytes(KEY_BYTES))
            time.sleep(PROBE_PAUSE_S)
    return took_s


@pytest.mark.full
@pytest.mark.serial
@pytest.mark.timeout(2 * 3_600)  # the long suite's
def test_servers_under_load_grow_no_memory_no_handles_and_no_logs(tmp_path: Path) -> None:
    with Fleet(tmp_path) as fleet:
        for name, arguments in buyers(schemes_in_turn()).items():
            fleet.add_buyer(name, *arguments).start()
        wait_until_all_have_bought(fleet)
        probe = fleet.add_buyer(PROBE)
        sampler = Sampler(fleet)
        sampler.start()
        try:
            took_s = soak(fleet, time.monotonic() + size().soak_s)
        finally:
            sampler.end()
        others = [buyer for buyer in fleet.buyers if buyer is not probe]
        for buyer in others:
            buyer.finish()
        purses = {buyer.name: finish_wallet(buyer) for buyer in fleet.buyers}
        for buyer in others:
            require_acknowledged(buyer, purses[buyer.name])
        clear(fleet)
        found = reckon(fleet, purses, dict.fromkeys(purses, TOPUP_MICRO))
    slow_s = [statistics.quantiles(quarter(took_s, number), n=100)[-1] for number in range(4)]
    print(f"{len(took_s)} timed, 99 of 100 in {slow_s} s; {found}")  # noqa: T201 - the figures
    for name, memory_kib in sampler.memory_kib.items():
        before_kib, after_kib = (statistics.median(quarter(memory_kib, n)) for n in (2, 3))
        files_kib = sampler.file_kib[name.split()[0]]
        cached_kib = files_kib[-1] - files_kib[len(files_kib) // 2]
        first, *_, last = (max(quarter(sampler.handles[name], number)) for number in range(4))
        told = (
            f"{name}: {before_kib} to {after_kib} KiB, files + {cached_kib} KiB,"
            f" handles {first} to {last}"
        )
        print(told)  # noqa: T201 - likewise
        assert after_kib - before_kib < before_kib * GROWTH_MAX + cached_kib, f"{name}: a leak"
        assert last <= first + HANDLES_MORE, f"{name}: handles are left open"
    assert sampler.log_bytes <= LOG_BYTES_MAX, "a log is never copied"
