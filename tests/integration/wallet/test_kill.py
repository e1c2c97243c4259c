"""kill -9 of a wallet under load: nothing is lost, and no page is paid twice."""

import os
import random
import subprocess
import sys
import time
from pathlib import Path

from farthing.wallet.app import init, open_wallet
from farthing.wallet.policy import Limits
from farthing.wallet.settling import ABSENT_FINAL_S
from tests.unit.wallet.farside import BROKER, CURRENCY, Bank, Site
from tests.unit.wallet.servers import TOKEN, BankApi, served, site_at
from tests.unit.wallet.world import CHEAP, PASSPHRASE

KILLS = 8
UP_S = 10.0  # a child that has bought nothing by then is stuck
CHILD = Path(__file__).with_name("buying_child.py")
ROOT = CHILD.parents[3]


def now_s() -> int:
    return int(time.time())


def test_a_wallet_killed_again_and_again_pays_each_page_once(tmp_path: Path) -> None:
    seed = random.randrange(2**32)
    dice = random.Random(seed)
    path, progress = tmp_path / "wallet.db", tmp_path / "progress"
    progress.write_text("")
    sites: list[Site] = []
    bank = Bank(now_s)
    api = BankApi(bank)
    with served(site_at(now_s, sites)) as origin, served(lambda _: api.handle) as broker:
        with init(path, PASSPHRASE, cost=CHEAP) as wallet:
            wallet.add_broker(broker, "alice", TOKEN, broker_id=BROKER, currency=CURRENCY)
            wallet.set_limits(Limits(per_site_day_micro=10**9, per_day_micro=10**9))
        for _ in range(KILLS):
            _buy_until_killed(path, origin, progress, dice.uniform(0, 0.2))
        with open_wallet(path, PASSPHRASE, clock=lambda: now_s() + ABSENT_FINAL_S) as wallet:
            wallet.recover()
            held_micro = sum(each.worth_micro for each in wallet.holdings())
            frozen = [each for each in wallet.holdings() if each.state != "ready"]
            states = {each.state for each in wallet.history(10_000)}
    pages = [page for page, _ in sites[0].charges]
    charged_micro = sum(amount_micro for _, amount_micro in sites[0].charges)
    bought = len(progress.read_text().splitlines())
    assert len(pages) == len(set(pages)), f"a page was paid twice, seed {seed}"
    assert bought <= len(pages) <= bought + 1, seed
    assert bank.sold_micro == held_micro + charged_micro, seed
    assert frozen == [], seed
    assert states <= {"done", "released"}, seed


def _buy_until_killed(path: Path, origin: str, progress: Path, delay_s: float) -> None:
    """Let a child buy at least one page, and kill it `delay_s` later."""
    before = progress.read_text()
    child = subprocess.Popen(
        [sys.executable, str(CHILD), str(path), origin, str(progress)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"},
    )
    try:
        deadline_s = time.monotonic() + UP_S
        while progress.read_text() == before:
            assert child.poll() is None, "the child failed"
            assert time.monotonic() < deadline_s, "the child buys nothing"
            time.sleep(0.005)
        time.sleep(delay_s)
    finally:
        child.kill()
        child.wait()
