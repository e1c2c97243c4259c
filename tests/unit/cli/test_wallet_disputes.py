"""`farthing wallet disclose`; docs/how-to/settle-a-dispute.md shows it with a purchase."""

from pathlib import Path

from typer.testing import CliRunner

from farthing.cli import build
from farthing.errors import Unknown
from farthing.wallet import app as wallets
from tests.unit.wallet.world import CHEAP, PASSPHRASE


def test_it_is_a_command_of_the_wallets_with_an_example() -> None:
    done = CliRunner().invoke(build(["wallet"]), ["wallet", "disclose", "--help"])
    assert "farthing wallet disclose" in done.stdout


def test_what_was_not_bought_is_unknown_and_no_file_is_written(tmp_path: Path) -> None:
    wallets.init(tmp_path / "wallet.db", PASSPHRASE, cost=CHEAP).close()
    out = tmp_path / "order.json"
    command = ["wallet", "disclose", "ikp:a:1", "-o", str(out), "--data", str(tmp_path)]
    env = {"FARTHING_WALLET_PASSPHRASE": PASSPHRASE}
    done = CliRunner().invoke(build(["wallet"]), command, env=env)
    assert isinstance(done.exception, Unknown)
    assert not out.exists()
