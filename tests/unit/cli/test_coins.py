from pathlib import Path

import msgspec
from typer.testing import CliRunner

from farthing.cli import build
from farthing.wallet import app as wallets
from tests.unit.wallet.world import CHEAP, PASSPHRASE


def test_a_wallet_without_coins_names_none(tmp_path: Path) -> None:
    wallets.init(tmp_path / "wallet.db", PASSPHRASE, cost=CHEAP).close()
    env = {"FARTHING_WALLET_PASSPHRASE": PASSPHRASE}
    command = ["wallet", "coins", "--json", "--data", str(tmp_path)]
    done = CliRunner().invoke(build(["wallet"]), command, env=env)
    assert (done.exit_code, msgspec.json.decode(done.stdout)) == (0, [])


def test_its_help_has_an_example() -> None:
    done = CliRunner().invoke(build(["wallet"]), ["wallet", "coins", "--help"])
    assert "farthing wallet coins" in done.stdout
