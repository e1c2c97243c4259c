"""The folders which commands are called on without a server."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from farthing.cli import broker
from farthing.wallet import app as wallets
from tests.unit.wallet.world import CHEAP, PASSPHRASE


@pytest.fixture
def broker_folder(tmp_path: Path) -> Path:
    """What `farthing broker init` leaves; nobody listens at its URL."""
    data = tmp_path / "broker"
    url = "http://127.0.0.1:9"  # nobody listens on discard
    done = CliRunner().invoke(broker.app, ["init", "--id", "b", "--url", url, "--data", str(data)])
    assert done.exit_code == 0, done.output
    return data


@pytest.fixture
def wallet_folder(tmp_path: Path) -> Path:
    """What `farthing wallet init` leaves under `PASSPHRASE`, with a vault that opens fast."""
    wallets.init(tmp_path / "wallet.db", PASSPHRASE, cost=CHEAP).close()
    return tmp_path
