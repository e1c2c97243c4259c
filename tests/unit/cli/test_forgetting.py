"""`farthing wallet forget` on a file; what it takes out is tried in the wallet's tests."""

from pathlib import Path

import msgspec
from typer.testing import CliRunner, Result

from farthing.cli import forgetting
from farthing.wallet import app as wallets
from farthing.wallet.forgetting import DAYS_MIN
from tests.unit.wallet.world import PASSPHRASE

RUNNER = CliRunner()


def run(folder: Path, *arguments: str) -> Result:
    environment = {wallets.PASSPHRASE_VARIABLE: PASSPHRASE}
    command = ["forget", *arguments, "--data", str(folder)]
    return RUNNER.invoke(forgetting.GROUP, command, env=environment)


def test_it_says_what_went_and_how_large_the_file_is(wallet_folder: Path) -> None:
    done = run(wallet_folder)
    assert done.exit_code == 0
    assert done.stdout.startswith("0 purchases of more than 365 days ago forgotten")
    found = msgspec.json.decode(run(wallet_folder, "--days", "90", "--json").stdout)
    size = (wallet_folder / "wallet.db").stat().st_size
    assert found == {
        "purchases": 0,
        "asks": 0,
        "instruments": 0,
        "before_bytes": size,
        "after_bytes": size,
    }


def test_less_than_a_season_is_bad_usage(wallet_folder: Path) -> None:
    assert run(wallet_folder, "--days", str(DAYS_MIN - 1)).exit_code == 2
