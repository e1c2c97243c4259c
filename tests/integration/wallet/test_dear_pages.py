"""PayWord as it comes, over HTTP: pages for half a unit of currency and for a fiftieth of a cent.

The parties are the demo's own processes; the payer has the commands of the wallet.
"""

import io
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from farthing import gazette
from farthing.cli import servers, showroom
from farthing.cli.showroom import READER, TOPUP_MICRO, Showroom
from farthing.wallet.app import PASSPHRASE_VARIABLE

SMALL, DEAR, ODD = gazette.ARTICLES[:3]
PRICES = {SMALL: 200, DEAR: 500_000, ODD: 123_400}
ROUTES = "".join(f'[[route]]\npath = "{path}"\nprice = "{it}u"\n' for path, it in PRICES.items())

pytestmark = [pytest.mark.timeout(240)]


def page_of(path: str) -> bytes:
    """As the site has it."""
    return (gazette.site_path() / path[1:]).read_bytes()


class Town:
    """The demo with these prices, and a payer who may spend."""

    def __init__(self, folder: Path, room: Showroom, credit: str) -> None:
        self._folder, self._room = folder, room
        self.run("broker", "account", "change", READER, "--credit", credit)
        self.run("wallet", "budget", "--per-payment=1eur", "--per-site-day=9eur", "--per-day=9eur")

    def _command(self, *arguments: str) -> tuple[list[str], dict[str, str]]:
        where = self._folder if arguments[0] == "wallet" else self._folder / arguments[0]
        return servers.python("-m", "farthing.cli", *arguments), {
            "FARTHING_DATA": str(where),
            PASSPHRASE_VARIABLE: self._room.passphrase,
        }

    def run(self, *arguments: str) -> bytes:
        command, env = self._command(*arguments)
        return servers.run_once(command, env=env)

    def get(self, path: str) -> bytes:
        """By the command."""
        return self.run("wallet", "get", self._room.gate_url + path)

    def buy(self, *paths: str) -> None:
        """By a program."""
        with self._room.open_wallet(self._folder / "wallet.db", "payword") as wallet:
            for path in paths:
                page = io.BytesIO()
                assert wallet.get(self._room.gate_url + path, page).paid_micro == PRICES[path]
                assert page.getvalue() == page_of(path)

    def refusal(self, path: str) -> str:
        """What a purchase is refused for."""
        command, env = self._command("wallet", "get", self._room.gate_url + path)
        env = os.environ | env
        done = subprocess.run(command, env=env, capture_output=True, check=False, text=True)
        assert done.returncode == 1
        assert done.stdout == ""
        return done.stderr

    def earned_micro(self) -> int:
        self.run("vendor", "clear")
        (line,) = json.loads(self.run("vendor", "report", "--json"))
        assert line["scheme"] == "payword"
        assert line["pending_micro"] == 0
        return int(line["earned_micro"])

    def lost_micro(self) -> int:
        """What the payer has less, or owes, than when the demo began."""
        (account,) = json.loads(self.run("wallet", "balance", "--json"))["accounts"]
        return TOPUP_MICRO - int(account["payer_micro"]) + int(account["owed_micro"])


@pytest.fixture
def room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Showroom]:
    monkeypatch.setattr(showroom, "SAMPLE_ROUTES", ROUTES)
    with Showroom(tmp_path, ["payword"], "", quiet=True) as opened:
        yield opened


def test_half_a_unit_and_a_fiftieth_of_a_cent_are_bought_at_one_site(
    tmp_path: Path, room: Showroom
) -> None:
    town = Town(tmp_path, room, credit="9eur")
    assert town.get(DEAR) == page_of(DEAR)
    town.buy(SMALL, DEAR, SMALL, ODD, DEAR, SMALL)
    sum_micro = 3 * PRICES[DEAR] + 3 * PRICES[SMALL] + PRICES[ODD]
    assert town.earned_micro() == sum_micro == town.lost_micro()
    town.run("broker", "audit")
    town.run("wallet", "return")
    assert town.lost_micro() == sum_micro, "what was not used costs nothing"


def test_who_may_owe_the_price_of_two_buys_two_and_is_told_what_stops_the_third(
    tmp_path: Path, room: Showroom
) -> None:
    town = Town(tmp_path, room, credit="1eur")
    town.buy(DEAR, DEAR)
    refused = town.refusal(DEAR)
    assert "credit_all_certified" in refused
    assert "ask for more credit" in " ".join(refused.split())
    assert town.earned_micro() == 2 * PRICES[DEAR] == town.lost_micro()
