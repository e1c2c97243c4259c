"""A gate whose folder was lost goes on with an older copy of it."""

import io
import shutil
from pathlib import Path

import pytest

from farthing.wallet.app import open_wallet
from tests.integration.crash.fleet import PASSPHRASE, Fleet
from tests.integration.crash.reckoning import audit
from tests.integration.crash.wares import PRICE_MICRO

PAGES = 3  # each time


def has_micro(fleet: Fleet) -> int:
    return int(fleet.call("/balance?account=millicent")["payerMicro"])


def buy(fleet: Fleet, first: int) -> None:
    with open_wallet(fleet.buyers[0].path, PASSPHRASE) as wallet:
        for number in range(first, first + PAGES):
            url = f"{fleet.gate_url}/pages/{number}.html"
            assert wallet.get(url, io.BytesIO()).status == 200


@pytest.mark.timeout(120)
def test_with_a_new_series_for_change_it_costs_no_payer_anything(tmp_path: Path) -> None:
    with Fleet(tmp_path) as fleet:
        folder, older = tmp_path / "gate", tmp_path / "older"
        fleet.add_buyer("millicent")
        before_micro = has_micro(fleet)
        buy(fleet, 0)
        fleet.gate.stop()
        shutil.copytree(folder, older)
        fleet.gate.start()
        buy(fleet, PAGES)
        fleet.gate.kill()
        fleet.gate.stop()
        shutil.rmtree(folder)
        older.rename(folder)
        fleet.vendor("rotate", "change")
        fleet.gate.start()
        buy(fleet, 2 * PAGES)
        with open_wallet(fleet.buyers[0].path, PASSPHRASE) as wallet:
            assert all(not one.refused for one in wallet.give_back())
        assert before_micro - has_micro(fleet) == 3 * PAGES * PRICE_MICRO
        assert audit(fleet)["findings"] == []
