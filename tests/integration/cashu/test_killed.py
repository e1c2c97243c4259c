"""The mint is killed while wallets swap: no coin is lost, and none is frozen.

First as a server that is started anew, as an operator would; then often, in a child that is forked.
"""

import contextlib
import random
import threading
import time
from pathlib import Path

import pytest

from farthing.schemes.coin.cashu.messages import Proof
from tests.integration.cashu.forked import Forked, Line
from tests.integration.cashu.swapping import Client, Mint, Post, lost, settle
from tests.integration.cashu.teller import UNIT, Teller, audited
from tests.integration.crash.sizes import seed, size

CLIENTS = 4
KILLS_SHARED = 10  # of the suite's kills, one in so many is of a mint
KILLS = max(1, size().kills // KILLS_SHARED)
KILL_S_MAX = 30  # one, on a machine with much else to do
UP_S_MAX = 0.6  # it is killed within so long after it came up
FORKED_S_MAX = 0.06  # likewise, in a child: a few commits later
TOLD_EVERY = 500


@pytest.mark.timeout(60 + KILLS * KILL_S_MAX)
def test_no_coin_is_frozen_by_a_kill(tmp_path: Path) -> None:
    dice = random.Random(seed())
    with Teller(tmp_path) as teller:
        mint = teller.mint
        coins = [teller.load(8)[0] for _ in range(CLIENTS)]
        counted = swaps = 0
        for _ in range(KILLS):
            clients = [Client(mint, coin) for coin in coins]
            for client in clients:
                client.start()
            time.sleep(dice.uniform(0.05, UP_S_MAX))
            teller.broker.kill()
            pending = lost(clients)
            teller.broker.revive()
            settled = [settle(mint, one) for one in pending]
            coins = [coin for coin, _ in settled]
            counted += sum(did_count for _, did_count in settled)
            swaps += sum(client.swaps for client in clients)
        require_whole(mint, coins, swaps, f"{KILLS} kills, {counted} lost answers counted")
    audited(tmp_path)


@pytest.mark.serial  # it forks, which a process with threads must not
@pytest.mark.timeout(60 + size().mint_kills)
def test_no_coin_is_frozen_by_any_of_many_kills(tmp_path: Path) -> None:
    dice = random.Random(seed())
    with Teller(tmp_path) as teller:
        known = teller.mint
        coins = [teller.load(8)[0] for _ in range(CLIENTS)]
    counted = swaps = 0
    pending = [known.swap(coin) for coin in coins]
    for number in range(size().mint_kills):
        with Forked(tmp_path / "broker", UNIT) as child:
            lines = [child.line() for _ in range(CLIENTS)]
            mints = [Mint(_poster(line), known.keyset, known.keys) for line in lines]
            settled = [settle(mint, one) for mint, one in zip(mints, pending, strict=True)]
            counted += sum(did_count for _, did_count in settled)
            coins = [coin for coin, _ in settled]
            clients = [Client(mint, coin) for mint, coin in zip(mints, coins, strict=True)]
            for client in clients:
                client.start()
            time.sleep(dice.uniform(0, FORKED_S_MAX))
            child.kill()
            pending = lost(clients)
            swaps += sum(client.swaps for client in clients)
            for line in lines:
                line.close()
        assert threading.active_count() == 1, "a fork with threads is none"
        if number % TOLD_EVERY == TOLD_EVERY - 1:
            told = f"{number + 1} kills, {swaps} swaps, {counted} lost answers counted"
            print(told)  # noqa: T201 - it takes long
    with Forked(tmp_path / "broker", UNIT) as child, contextlib.closing(child.line()) as line:
        mint = Mint(_poster(line), known.keyset, known.keys)
        coins = [settle(mint, one)[0] for one in pending]
        told = f"{size().mint_kills} kills, {counted} lost answers counted"
        require_whole(mint, coins, swaps, told)
    audited(tmp_path)


def _poster(line: Line) -> Post:
    return lambda path, raw: line.post(path, raw).body


def require_whole(mint: Mint, coins: list[Proof], swaps: int, told: str) -> None:
    print(f"{told}, {swaps} swaps")  # noqa: T201 - pytest shows it on failure
    assert swaps
    assert [coin.amount for coin in coins] == [8] * CLIENTS
    for coin in coins:
        assert mint.state_of(coin) == "UNSPENT"
