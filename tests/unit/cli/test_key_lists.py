"""`farthing wallet keys`; docs/how-to/pay-without-a-trace.md has a broker."""

from pathlib import Path

from typer.testing import CliRunner, Result

from farthing.cli import build
from farthing.errors import Unavailable
from farthing.wallet import app as wallets
from tests.unit.wallet.world import CHEAP, PASSPHRASE


def run(folder: Path, *arguments: str) -> Result:
    env = {"FARTHING_WALLET_PASSPHRASE": PASSPHRASE}
    command = ["wallet", "keys", *arguments, "--data", str(folder)]
    return CliRunner().invoke(build(["wallet"]), command, env=env)


def test_it_is_a_command_of_the_wallets_with_an_example() -> None:
    done = CliRunner().invoke(build(["wallet"]), ["wallet", "keys", "--help"])
    assert "farthing wallet keys" in done.stdout


def test_without_a_broker_there_is_none_and_one_that_is_away_is_told(tmp_path: Path) -> None:
    with wallets.init(tmp_path / "wallet.db", PASSPHRASE, cost=CHEAP) as wallet:
        assert run(tmp_path, "--json").stdout.strip() == "[]"
        wallet.add_broker("http://127.0.0.1:1", "ann", "t", broker_id="demo", currency="eur")
    assert isinstance(run(tmp_path).exception, Unavailable)
